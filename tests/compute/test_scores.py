"""The tables of a run: which probes are scored, and what a reader is told beside a number."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest

from probing_core.measures import MEASURES, Measure
from probing_core.measures.statistics import mean
from probing_core.results import Run
from probing_core.run.pipeline import run as complete
from probing_core.run.run_files import RunFiles
from tests.plans import pending

SCORES_OF_MODEL = "models/baseline-handcrafted/scores"


@pytest.fixture(scope="module")
def run(trained_run) -> Run:
    return Run.open(trained_run)


def test_readers_see_linear_probes_unless_they_ask(run):
    assert set(run.scores["probe"]) == {"linear"}
    assert set(run.probe_scores["probe"]) == {"linear", "mlp", "mlp-0", "mlp-1", "mlp-2", "knn-5", "knn-20", "knn-50"}
    assert len(run.scores) == (run.probe_scores["probe"] == "linear").sum()
    assert not run.scores.duplicated(["model", "task", "subset", "measure"]).any()


def test_the_mlp_is_the_mean_of_its_seeds(run):
    rows = run.probe_scores.query("subset == 'seen' and measure == 'balanced-accuracy'").set_index("probe")["value"]
    assert rows["mlp"] == pytest.approx(np.mean([rows[f"mlp-{seed}"] for seed in range(3)]))


def test_each_score_rests_on_the_photographs_of_the_test_split(run):
    tested = run.images[run.images["split"] == "test"]
    assert set(run.probe_scores["bases"]) == {tested["base_id"].nunique()}
    assert set(run.probe_scores["images"]) == {len(tested)}


def test_the_spread_over_repetitions_is_there(run):
    subsets = set(run.scores.query("task == 'fine'")["subset"])
    assert {"repetition:0", "repetition:1", "repetition:2"} <= subsets


def test_content_stands_beside_its_oracles(run):
    rows = run.scores.query("task == 'content' and measure == 'balanced-accuracy'")
    names = [t for t in run.recipe.transforms if t != "identity"]
    expected = {"seen", *(f"{kind}:{t}" for kind in ("transform", "oracle") for t in names)}
    assert expected <= set(rows["subset"])
    assert set(rows["chance"]) == {0.5}


def test_notes_are_those_of_the_probe_that_made_the_score(run):
    others = run.probe_scores[run.probe_scores["probe"] != "linear"]
    assert len(others)
    assert not others["note"].str.contains("edge of its grid").any()
    fits = run.fits.set_index("fold")
    for fold in fits.index[fits.index.str.startswith("oracle:")]:
        note = run.scores.set_index("subset").at[fold, "note"]
        assert ("edge of its grid" in note) == fits.at[fold, "at_edge"]


def test_a_new_measure_of_the_catalog_joins_the_scores_and_changes_no_other(trained_run, tmp_path, monkeypatch):
    store = RunFiles(shutil.copytree(trained_run, tmp_path / "run"))
    errors = Measure(
        name="error-rate",
        title="error rate",
        unit="fraction",
        low=0.0,
        high=1.0,
        higher_is_better=False,
        definition="Share of images that the probe gets wrong.",
        formula="1/N · Σᵢ [ŷᵢ ≠ yᵢ]",
        source="definition",
        score=lambda p: mean(p.truth != p.predicted, p.clusters),
        chance=lambda classes: 1 - 1 / classes,
    )
    monkeypatch.setitem(MEASURES._entries, errors.name, errors)
    assert pending(store.root, "evaluate") == [SCORES_OF_MODEL, "tables/scores"]
    complete(store.root, until="evaluate")
    store.read_records()
    assert pending(store.root, "evaluate") == []
    scores = store.read_table("tables/scores.parquet")
    added = scores["measure"] == "error-rate"
    before = RunFiles(trained_run).read_table("tables/scores.parquet")
    pd.testing.assert_frame_equal(scores[~added].reset_index(drop=True), before)
    assert set(scores.loc[added, "subset"]) == {"seen"}
    fine = scores[added].query("task == 'fine' and probe == 'linear'").iloc[0]
    predictions = store.read_table("models/baseline-handcrafted/predictions/fine.parquet")
    assert fine["value"] == pytest.approx((predictions["truth"] != predictions["predicted"]).mean())
    assert fine["low"] <= fine["value"] <= fine["high"]
    assert fine["chance"] == pytest.approx(0.8)
