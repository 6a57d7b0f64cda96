"""Score files from somebody else."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from probing_core.cli import main
from probing_core.errors import BadConfig
from probing_core.results.compare import SavedScores, compare

COUNT = 8
ROW = {
    "task": "fine",
    "subset": "all",
    "measure": "balanced accuracy",
    "bases": [f"p{i}" for i in range(COUNT)],
    "classes": [2],
    "sums": [[1, 0, 1, 2]] * COUNT,
}
FILE = {"format": 1, "model": "m", "measured": "x", "scores": [ROW]}

odd = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([float("nan"), float("inf"), -1.0, 1e308, 10**400, "\ud800", "\x1b[2J", "", "2"]),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.sampled_from(list(ROW)), values, max_size=2),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("scores")


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from([*ROW, *FILE]), value=odd)
@example("sums", [[float("nan")] * 4] * COUNT)
@example("sums", [[float("inf")] * 4] * COUNT)
@example("sums", [[2, 2, 1, 1]] * COUNT)
@example("sums", [[0, 0, 0, 0]] * COUNT)
@example("sums", [[1e308] * 4] * COUNT)
@example("sums", [[10**400] * 4] * COUNT)
@example("classes", [float("inf")])
@example("classes", [-2, 4])
@example("classes", [0, 2])
@example("model", "\ud800")
@example("task", "\udfff")
@example("scores", [])
@example("scores", [ROW, ROW])
def test_a_gate_compares_only_scores_that_are_possible(place, name, value):
    (place / "good.json").write_text(json.dumps(FILE))
    content = {**FILE, "scores": [{**ROW, name: value}]} if name in ROW else {**FILE, name: value}
    (place / "odd.json").write_text(json.dumps(content))
    try:
        scores = SavedScores.read(place / "odd.json")
    except BadConfig as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert "odd.json" in refusal
        return
    assert all(0 <= score.sums.value <= 1 for score in scores.contrasts.values())
    assert main(["compare", str(place / "odd.json"), str(place / "odd.json"), "--max-drop", "0.01"]) == 0


@pytest.mark.parametrize("name", [*ROW, *FILE])
def test_a_missing_entry_is_named(place, name):
    content = {**FILE, "scores": [{key: value for key, value in ROW.items() if key != name}]}
    content.pop(name, None)
    (place / "incomplete.json").write_text(json.dumps(content))
    with pytest.raises(BadConfig, match=rf"incomplete\.json' .*no entry '{name}'"):
        SavedScores.read(place / "incomplete.json")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes")
@pytest.mark.timeout(10)
def test_a_pipe_is_not_a_score_file(place):
    os.mkfifo(place / "pipe.json")
    with pytest.raises(BadConfig, match=r"pipe\.json"):
        SavedScores.read(place / "pipe.json")


@pytest.mark.parametrize("count", [6, 20])
def test_a_gate_has_no_interval_beyond_100_points(place, count):
    for name, hits in (("all", 1), ("none", 0)):
        row = {**ROW, "bases": [f"p{i:02}" for i in range(count)], "classes": [1], "sums": [[hits, 1]] * count}
        (place / f"{name}.json").write_text(json.dumps({**FILE, "scores": [row]}))
    (row,) = compare(place / "all.json", place / "none.json", max_drop=0).table.to_dict("records")
    assert 0 < row["low"] < row["difference"] == row["high"] == 1
