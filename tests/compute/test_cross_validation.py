"""Probes of a run of few photographs: each is predicted by a probe that learned from the others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from probing_core.compute.task_names import DEPLOYMENT
from probing_core.corpora import assign_groups
from probing_core.errors import BadCorpus
from probing_core.measures.classification import at_temperature, fit_temperature
from probing_core.probes.linear import fixed_penalty
from probing_core.results.run import Run
from probing_core.results.sentences import how_trained
from probing_core.run.layout import predictions_path
from probing_core.run.live import read_probe
from probing_core.run.models import read_embeddings
from probing_core.run.pipeline import run
from probing_core.run.run_files import RunFiles
from tests.conftest import few_transforms, write_scenes

pytestmark = pytest.mark.slow

MODEL = "baseline/handcrafted"
COMPUTING = "evaluate"


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> RunFiles:
    """A run of 12 made photographs."""
    scenes = write_scenes(tmp_path_factory.mktemp("twelve"), 12, 64)
    out = tmp_path_factory.mktemp("run") / "run"
    run(out, few_transforms(scenes, MODEL), COMPUTING)
    return RunFiles(out)


@pytest.fixture(scope="module")
def samples(store) -> pd.DataFrame:
    return store.read_table("samples.parquet")


@pytest.fixture(scope="module")
def groups(samples) -> np.ndarray:
    return assign_groups(samples["base_id"].tolist(), 0, 5)


@pytest.fixture(scope="module")
def X(store) -> np.ndarray:
    return read_embeddings(store, MODEL).astype(np.float64)


PENALTY = fixed_penalty(88)


def regression(rows: int):
    return make_pipeline(StandardScaler(), LogisticRegression(C=1 / (rows * PENALTY), tol=1e-8, max_iter=10_000))


def predicted(store, samples) -> pd.DataFrame:
    return store.read_table(predictions_path(MODEL, "fine")).merge(samples, on="sample")


def out_of_fold(X, samples, groups) -> tuple[pd.DataFrame, np.ndarray]:
    """Probabilities by scikit-learn of the rows that take part, its classes in order, and their groups."""
    rows = samples.index[samples["draw"] == 0]
    truth, mine = samples.loc[rows, "transform"], groups[rows]
    table = pd.DataFrame(index=rows, columns=sorted(set(truth)), dtype=float)
    for group in range(5):
        held = mine == group  # C is of the rows that are learned, of which groups have different numbers
        model = regression((~held).sum()).fit(X[rows[~held]], truth[~held])
        table.loc[rows[held]] = model.predict_proba(X[rows[held]])
    return table, mine


def test_predictions_are_those_of_scikit_learn_over_the_same_groups(store, samples, groups, X):
    told = predicted(store, samples)
    table, _ = out_of_fold(X, samples, groups)
    assert told["sample"].tolist() == samples.loc[table.index, "sample"].tolist()
    expected = [table.at[row, cls] for row, cls in zip(table.index, told["truth"], strict=True)]
    np.testing.assert_allclose(told["p_truth"], expected, atol=3e-3)
    np.testing.assert_allclose(told["p_predicted"], table.max(axis=1), atol=3e-3)


def test_probabilities_are_tempered_by_the_other_groups(store, samples, groups, X):
    told = predicted(store, samples)
    table, mine = out_of_fold(X, samples, groups)
    truth = samples.loc[table.index, "transform"].map(list(table.columns).index).to_numpy()
    expected = np.empty(len(table))
    for group in range(5):
        temperature = fit_temperature(table[mine != group].to_numpy(), truth[mine != group])
        expected[mine == group] = at_temperature(table[mine == group].to_numpy(), temperature).max(1)
    np.testing.assert_allclose(told["p_calibrated"], expected, atol=5e-3)
    probe = read_probe(store, MODEL, "fine-calibrated")
    assert probe.temperature == pytest.approx(fit_temperature(table.to_numpy(), truth), rel=2e-2)


def test_live_predictions_know_all_photographs(store, samples, X):
    rows = samples.index[samples["draw"] == 0]
    model = regression(len(rows)).fit(X[rows], samples.loc[rows, "transform"])
    fine = read_probe(store, MODEL, "fine")
    theirs = model.predict_proba(X)[:, [list(model.classes_).index(cls) for cls in fine.classes]]
    np.testing.assert_allclose(fine.probabilities(X), theirs, atol=3e-3)
    deployment = read_probe(store, MODEL, DEPLOYMENT)
    assert np.array_equal(deployment.weight, fine.weight)
    assert deployment.temperature == read_probe(store, MODEL, "fine-calibrated").temperature != 1
    told = store.read_table(predictions_path(MODEL, "fine"))
    assert told["altered"].between(0, 1).all()


def test_fits_and_scores_state_how_they_were_made(store):
    fits = store.read_table("tables/fits.parquet")
    assert set(fits["penalty"]) == {PENALTY}
    assert not fits["at_edge"].any()
    assert fits["converged"].all()
    folds = fits[(fits["task"] == "fine") & fits["fold"].str.startswith("fold-")]
    deployment = fits[(fits["task"] == "fine") & (fits["fold"] == "deployment")].iloc[0]
    assert deployment["validation_loss"] == pytest.approx(folds["validation_loss"].mean())
    scores = store.read_table("tables/scores.parquet")
    assert set(scores["task"]) == {"fine", "group-1", "group-2"}
    assert set(scores["probe"]) == {"linear"}
    row = scores.query("task == 'fine' and subset == 'all' and measure == 'balanced-accuracy'").iloc[0]
    assert (row["bases"], row["interval"]) == (12, "t")
    assert "five" in how_trained(Run.open(store.root))


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_two_photographs_are_two_groups_without_an_interval_and_one_is_refused(tmp_path):
    scenes = write_scenes(tmp_path / "scenes", 2, 64)
    run(tmp_path / "two", few_transforms(scenes, MODEL), COMPUTING)
    store = RunFiles(tmp_path / "two")
    fits = store.read_table("tables/fits.parquet")
    assert set(fits["fold"]) == {"fold-1", "fold-2", "deployment"}
    assert store.read_table("tables/scores.parquet")["low"].isna().all()
    (scenes / "odd" / "01.png").unlink()
    with pytest.raises(BadCorpus, match="requires at least 2 photographs"):
        run(tmp_path / "one", few_transforms(scenes, MODEL), COMPUTING)
