"""Quality of answers, on made answers and on a made run."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest

from lab.devtools.run_edits import put
from probing_core.answers.answer import Posterior
from probing_core.answers.answer_quality import quality, reliability
from probing_core.api.model_answers import held_out, outside
from probing_core.compute.task_names import NOTICING
from probing_core.results import Run
from probing_core.run.layout import predictions_path, probe_path, scored_views_path
from probing_core.run.live import read_posteriors
from probing_core.run.run_files import RunFiles


def made(n: int = 6000) -> pd.DataFrame:
    """Answers that are right as often as they say, of three groups in uneven numbers."""
    rng = np.random.default_rng(0)
    rows = []
    for group, count in (("identity", n), ("blur", n // 2), ("tone", n // 6)):
        # Densities 2p and 2(1 - p): under equal weight, of answers p a share p is altered.
        p = rng.beta(2, 1, count) if group != "identity" else rng.beta(1, 2, count)
        rows.append(pd.DataFrame({"group": group, "altered": p}))
    table = pd.concat(rows, ignore_index=True)
    named = np.where(rng.random(len(table)) < 0.7, table["group"], "noise")
    return table.assign(model="m", operation="o", photograph=rng.integers(0, 40, len(table)).astype(str), named=named)


def test_reliability_of_calibrated_answers_is_on_the_diagonal():
    rows = made()
    bins = reliability(rows)
    assert bins["weight"].sum() == pytest.approx(1)
    assert (bins["stated"] - bins["fraction"]).abs().max() < 0.06
    found = quality(rows)
    assert found.error < 0.03
    assert found.kept == pytest.approx(0.75, abs=0.03)
    assert found.found == pytest.approx(0.75, abs=0.03)
    assert found.named == pytest.approx(0.7, abs=0.03)
    assert found.accuracy.low < found.accuracy.value < found.accuracy.high


def test_quality_measures_the_error_of_overconfident_answers():
    rows = made()
    sure = rows.assign(altered=np.where(rows["altered"] > 0.5, 0.95, 0.05))
    assert quality(sure).error == pytest.approx(0.2, abs=0.03), "95% and 5% stated, 75% and 25% edited"


def test_quality_weighs_groups_the_same():
    rows = made()
    more = pd.concat([rows, rows[rows["group"] == "blur"]], ignore_index=True)
    assert quality(more).found == pytest.approx(quality(rows).found)


def test_held_out_states_the_probabilities_of_live_answers(made_run, tmp_path):
    shutil.copytree(made_run, tmp_path / "run")
    store = RunFiles(tmp_path / "run")
    (model,) = Run.open(store.root).live_models
    path, trained = predictions_path(model, "fine"), Posterior(2.0, 0.5)
    table = store.read_table(path)
    scores = np.random.default_rng(0).normal(size=len(table))
    scores[:3] = np.nan  # they take no part in the task
    table = table.assign(altered=trained.probability(scores).astype(np.float32), named="gamma")
    put(store, {path: table})
    put(store, {probe_path(model, NOTICING): trained.to_bytes()})
    views = pd.DataFrame({
        "image_id": [f"a/{i}" for i in range(40)] * 2,
        "score": np.r_[np.linspace(-4, 1, 40), np.linspace(0, 5, 40)],
        "group": np.repeat(["identity", "blur"], 40),
        "maker": np.repeat(["as it is", "bank"], 40),
    }).assign(corpus=1, size="view", no_color=False, role="report")  # fmt: skip
    views = views.assign(base_id=views["image_id"], whole_score=views["score"], transform=views["group"])
    put(store, {scored_views_path(model): views})
    run = Run.open(store.root)
    now = read_posteriors(run.store, model)["direct"]
    found = held_out(run, [model])
    assert len(found) == len(table) - 3
    assert now != trained
    np.testing.assert_allclose(found["altered"], now.probability(scores[3:]), atol=1e-4)
    assert set(found["named"]) == {"tone"}


def test_outside_has_no_answers_for_other_runs(made_run):
    assert outside(Run.open(made_run)).empty
