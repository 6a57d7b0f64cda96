"""Models of a run compared on the same photographs."""

from __future__ import annotations

import numpy as np
import pytest

from probing_core.errors import UnknownName
from probing_core.measures.paired_tests import holm
from probing_core.results import Run
from probing_core.results.comparison import place_among, recall_beside
from probing_core.results.ranking import SCORING_FACTS, accuracy_of, of_subset, paired_p

MODEL = "baseline/handcrafted"


def test_every_model_has_a_place_and_its_difference_to_the_one_that_is_asked_for(made_run):
    run = Run.open(made_run)
    board = place_among(run, MODEL).set_index("model")
    assert sorted(board["place"]) == [1, 2, 3, 4]
    assert board["value"].is_monotonic_decreasing
    mine = board.loc[MODEL]
    assert np.isnan(mine["difference"])
    for name, row in board.drop(MODEL).iterrows():
        assert row["difference"] == pytest.approx(mine["value"] - row["value"]), name
        assert row["difference_low"] <= row["difference"] <= row["difference_high"]
        assert row["bases"] == run.images["base_id"].nunique()
    tables = {name: of_subset(run.tested(name, "fine", SCORING_FACTS), "all") for name in board.index}
    others = [name for name in board.index if name != MODEL]
    p = holm(paired_p(accuracy_of(tables[MODEL]), [accuracy_of(tables[name]) for name in others]))
    assert board.loc[others, "p"].tolist() == pytest.approx(p.tolist())


def test_the_interval_holds_the_mean_difference_by_photograph(made_run):
    run = Run.open(made_run)
    row = place_among(run, MODEL).set_index("model").loc["baseline/pixels"]
    assert row["difference_low"] > 0, "the invented models are far apart"
    assert row["p"] < 0.05


def test_groups_are_compared_by_their_recall(made_run):
    run = Run.open(made_run)
    table = recall_beside(run, "zoo/mae", "baseline/pixels")
    assert table["difference"].is_monotonic_decreasing
    scores = run.scores
    blur = scores[(scores["task"] == "fine") & (scores["subset"] == "group:blur") & (scores["measure"] == "recall")]
    by_model = blur.set_index("model")["value"]
    mine = table.set_index("group").loc["blur"]
    assert mine["recall"] == by_model["zoo/mae"]
    assert mine["difference"] == pytest.approx(by_model["zoo/mae"] - by_model["baseline/pixels"])


def test_a_model_without_a_score_is_told_with_those_that_have_one(made_run):
    with pytest.raises(UnknownName, match=r"no score of 'zoo/none'.* It has: .*zoo/mae"):
        place_among(Run.open(made_run), "zoo/none")
