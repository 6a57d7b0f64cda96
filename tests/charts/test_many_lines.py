"""Charts of more lines than can be told apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from probing_core.charts import Theme, layers_chart, recall_chart
from probing_core.charts.many_lines import FADED, MAX_IN_LEGEND


def curves(models: int) -> pd.DataFrame:
    """Models whose recall at every strength is their number in percent."""
    rows = [
        {"model": f"m/{i}", "strength": float(s), "value": i / 100, "low": i / 100, "high": i / 100}
        for i in range(models)
        for s in (1, 2, 3)
    ]
    return pd.DataFrame(rows)


def named(traces: list[dict]) -> dict[str, int]:
    """What is written beside lines: model -> at which of its points."""
    return {
        trace["name"]: [bool(text) for text in trace["text"]].index(True)
        for trace in traces
        if any(trace.get("text", ""))
    }


@pytest.mark.parametrize("falling", [False, True])
def test_highest_lowest_and_chosen_are_named_at_the_right_end_and_the_others_fade(falling):
    figure = recall_chart(curves(12), Theme(), "quality", falling, chosen="m/5")
    end = 0 if falling else 2
    assert named(figure["data"]) == {"m/0": end, "m/11": end, "m/5": end}
    assert {trace["name"] for trace in figure["data"] if trace.get("opacity") == FADED} == {
        f"m/{i}" for i in range(12) if i not in (0, 5, 11)
    }
    assert figure["layout"]["meta"] == {"highlights": True}


def test_few_lines_stay_as_they_are():
    figure = recall_chart(curves(MAX_IN_LEGEND), Theme(), "quality", False, chosen="m/3")
    assert named(figure["data"]) == {}
    assert not any("opacity" in trace for trace in figure["data"])
    assert "meta" not in figure["layout"]


def test_a_model_that_is_not_there_is_not_named():
    assert set(named(recall_chart(curves(9), Theme(), "quality", False, chosen="no")["data"])) == {"m/0", "m/8"}


def test_each_panel_has_its_own_best_and_worst():
    rows = curves(10).rename(columns={"model": "base", "strength": "layer"}).assign(chance=0.03, task="fine")
    other = rows.assign(task="content", value=1 - rows["value"])
    traces = layers_chart(pd.concat([rows, other]), Theme())["data"]
    tops = {}
    for axis in ("x", "x2"):
        of_panel = [trace for trace in traces if trace["xaxis"] == axis]
        assert set(named(of_panel)) == {"m/0", "m/9"}
        tops[axis] = max(of_panel, key=lambda trace: np.mean(trace["y"]))["name"]
    assert tops == {"x": "m/9", "x2": "m/0"}


def test_a_name_stands_where_its_line_does_not_come_from():
    rows = curves(9)
    best = rows["model"] == "m/8"
    for values, side in (
        ([0.9, 0.8, 0.7], "bottom left"),
        ([0.5, 0.6, 0.7], "top left"),
        ([0.7, 0.7, 0.7], "top left"),
    ):
        rows.loc[best, "value"] = values
        (told,) = [t for t in recall_chart(rows, Theme(), "sigma", False)["data"] if t["name"] == "m/8"]
        assert told["textposition"] == side
