"""Places by the quick protocol, from tables of correct predictions."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from probing_core.results.quick_ranking import quick_accuracy, quick_ranking

GROUPS = {"identity": "identity", "blur": "blur", "gamma": "tone", "sepia": "color"}


def counts(model: str, rate: float, seed: int, photographs: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = [(f"photo{i:02}", transform) for i in range(photographs) for transform in GROUPS]
    table = pd.DataFrame(rows, columns=["base_id", "transform"]).assign(model=model, samples=2)
    return table.assign(correct=rng.binomial(2, rate, len(table)))


def ranked(own: pd.DataFrame, *others: pd.DataFrame):
    return quick_ranking(str(own["model"].iloc[0]), own, pd.concat(others), GROUPS, samples=320, full_samples=9000)


def test_quick_accuracy_is_the_mean_of_the_recalls():
    rows = counts("mine", 0.6, 0)
    totals = rows.groupby("transform")[["correct", "samples"]].sum()
    assert quick_accuracy(rows).sums.value == pytest.approx((totals["correct"] / totals["samples"]).mean())
    assert len(quick_accuracy(rows).bases) == 40


def test_quick_ranking_leaves_places_open_that_no_comparison_closes():
    others = [counts(f"zoo/{i}", rate, i) for i, rate in enumerate((0.95, 0.6, 0.6, 0.1))]
    found = ranked(counts("mine", 0.6, 9), *others)
    assert found.places == (2, 4)
    board = found.board.set_index("model")
    assert board.loc["zoo/0", "difference"] < 0 < board.loc["zoo/3", "difference"]
    assert board.loc[["zoo/0", "zoo/3"], "p"].max() < 0.05 < board.loc[["zoo/1", "zoo/2"], "p"].min()
    assert board["value"].is_monotonic_decreasing
    assert board.loc["mine", ["difference", "p"]].isna().all()
    alone = quick_accuracy(others[0]).sums.value
    assert board.loc["zoo/0", "difference"] == pytest.approx(found.quick_accuracy - alone)


def test_quick_ranking_gives_other_seeds_no_place_and_leaves_out_the_model_itself():
    others = [counts(name, 0.6, i) for i, name in enumerate(("zoo/a", "zoo/a@seed=1", "mine"))]
    found = ranked(counts("mine", 0.1, 9), *others)
    assert found.places == (2, 2)
    assert found.row["models"] == 2
    assert (found.board["model"] == "mine").sum() == 1
    assert found.quick_accuracy < 0.3, "its own rows count"
    assert "nan" not in str(found).lower(), "additional seeds are not tested"


def test_quick_ranking_finds_the_strongest_and_the_weakest_group():
    own = counts("mine", 0.5, 0)
    own["correct"] = own["transform"].map({"identity": 1, "blur": 2, "gamma": 0, "sepia": 1})
    groups = ranked(own, counts("zoo/a", 0.5, 1), counts("baseline/b", 1.0, 2)).groups
    assert (groups["group"].iloc[0], groups["group"].iloc[-1]) == ("blur", "tone")
    assert groups.set_index("group").loc["blur", "recall"] == 1
    assert groups["others"].max() < 0.7, "baselines do not count"


def test_quick_ranking_is_shown_as_text_json_and_escaped_html():
    found = ranked(counts("<b>mine</b>", 0.6, 9), counts("<i>theirs</i>", 0.6, 1))
    assert "9,000" in str(found)
    assert json.loads(json.dumps(found.row, allow_nan=False))["place_low"] == 1
    page = found._repr_html_()
    assert "&lt;b&gt;mine&lt;/b&gt;" in page
    assert not any(tag in page for tag in ("<b>", "<i>"))
