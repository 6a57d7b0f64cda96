"""Charts of more lines than can be distinguished."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from probing_core.charts import Theme, layers_chart
from probing_core.charts.inside import FADED, MAX_IN_LEGEND


def curves(models: int) -> pd.DataFrame:
    """Models whose accuracy at every block is their number in percent."""
    rows = [
        {"base": f"m{i}", "layer": layer, "value": i / 100, "low": i / 100, "high": i / 100}
        for i in range(models)
        for layer in (1, 2, 3)
    ]
    return pd.DataFrame(rows).assign(task="fine", chance=0.03)


def named(traces: list[dict]) -> dict[str, int]:
    """What is written next to lines: model -> at which of its points."""
    return {
        trace["name"]: [bool(text) for text in trace["text"]].index(True)
        for trace in traces
        if any(trace.get("text", ""))
    }


def test_highest_and_lowest_are_named_at_the_right_end_and_the_others_fade():
    traces = layers_chart(curves(12), Theme())["data"]
    assert named(traces) == {"m0": 2, "m11": 2}
    assert {trace["name"] for trace in traces if trace.get("opacity") == FADED} == {f"m{i}" for i in range(1, 11)}


def test_few_lines_stay_as_they_are():
    traces = layers_chart(curves(MAX_IN_LEGEND), Theme())["data"]
    assert named(traces) == {}
    assert not any("opacity" in trace for trace in traces)


def test_each_panel_has_its_own_best_and_worst():
    rows = curves(10)
    traces = layers_chart(pd.concat([rows, rows.assign(task="content", value=1 - rows["value"])]), Theme())["data"]
    tops = {}
    for axis in ("x", "x2"):
        of_panel = [trace for trace in traces if trace["xaxis"] == axis]
        assert set(named(of_panel)) == {"m0", "m9"}
        tops[axis] = max(of_panel, key=lambda trace: np.mean(trace["y"]))["name"]
    assert tops == {"x": "m9", "x2": "m0"}


@pytest.mark.parametrize(
    ("values", "side"),
    [([0.9, 0.8, 0.7], "bottom left"), ([0.5, 0.6, 0.7], "top left"), ([0.7, 0.7, 0.7], "top left")],
)
def test_a_name_is_where_its_line_does_not_come_from(values, side):
    rows = curves(9)
    rows.loc[rows["base"] == "m8", "value"] = values
    (best,) = [trace for trace in layers_chart(rows, Theme())["data"] if trace["name"] == "m8"]
    assert best["textposition"] == side
