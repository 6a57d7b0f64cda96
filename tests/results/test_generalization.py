"""Rates at which probes recognize what they were, and were not, trained on."""

from __future__ import annotations

import numpy as np
import pytest

from probing_core.measures.statistics import with_place
from probing_core.paths import data_dir
from probing_core.results import Run
from probing_core.results.generalization import (
    CLEAN,
    SEEN,
    STYLES_SEEN,
    STYLES_UNSEEN,
    UNSEEN,
    fold_tasks,
    generalization_rates,
)
from probing_core.transforms import FAR_CONTROL

MODEL = "zoo/mae"


@pytest.fixture(scope="module")
def shipped() -> Run:
    return Run.open(data_dir() / "reference")


@pytest.fixture(scope="module")
def rates(shipped):
    return generalization_rates(shipped)


def test_generalization_rates_agree_with_the_scores(shipped, rates):
    scores = shipped.scores
    scores = scores[scores["task"].isin(fold_tasks(shipped)) & (scores["measure"] == "group-hit-rate")]
    means = scores.groupby(["model", "subset"])["value"].mean()
    for row in rates[rates["subset"].isin([SEEN, UNSEEN, STYLES_UNSEEN])].itertuples():
        subset = {SEEN: "seen", UNSEEN: "unseen", STYLES_UNSEEN: "far"}[row.subset]
        assert row.value == pytest.approx(means[row.model, subset], abs=0.005), (row.model, subset)
        assert row.low <= row.value <= row.high


def test_styles_seen_and_unseen_are_the_same_quantity(shipped, rates):
    found = rates[rates["model"] == MODEL].set_index("subset")["value"]
    seen, unseen, clean = [], [], []
    for task in fold_tasks(shipped):
        rows = shipped.predictions(MODEL, task, ["transform", "group", "base_id"])
        is_style = (rows["predicted"] == "style").astype(float)
        far = rows["transform"].isin(set(shipped.far) - {FAR_CONTROL})
        for part, which in (
            (seen, rows["seen"] & (rows["group"] == "style")),
            (unseen, far),
            (clean, rows["transform"] == "identity"),
        ):
            part.append(is_style[which].mean())
    expected = {STYLES_SEEN: seen, STYLES_UNSEEN: unseen, CLEAN: clean}
    assert found[list(expected)].tolist() == pytest.approx([np.mean(part) for part in expected.values()])


def test_generalization_rates_leave_out_additional_seeds(shipped, rates):
    assert set(rates["model"]) == set(with_place(shipped.models["name"]))


def test_generalization_rates_of_a_run_without_unseen_styles(made_run):
    rates = generalization_rates(Run.open(made_run))
    assert STYLES_UNSEEN not in set(rates["subset"])
