"""Charts of retrieval: what they draw, as Plotly understands it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from probing_core.charts import Theme, recall_chart, to_json, variance_chart

MODELS = ("zoo/mae", "zoo/clip", "baseline/dhash")


def scored(rows: list[tuple], *columns: str) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=[*columns, "value"])
    return table.assign(low=table["value"] - 0.05, high=table["value"] + 0.05)


def drawn(figure: dict) -> go.Figure:
    return go.Figure(json.loads(to_json(figure)))


@pytest.mark.parametrize("dark", [False, True])
def test_recall_falls_to_the_right_whichever_end_is_strong(dark):
    rows = scored([(m, s, 1 - s) for m in MODELS for s in (0.2, 0.5, 0.9)], "model", "strength")
    figure = drawn(recall_chart(rows, Theme(dark=dark), "quality <b>", falling=True))
    assert [trace.name for trace in figure.data] == list(MODELS)
    assert list(figure.data[0].y) == pytest.approx([80, 50, 10])
    assert figure.layout.xaxis.autorange == "reversed"
    assert list(figure.data[0].error_y.array) == pytest.approx([5, 5, 5])


def test_parts_of_the_variance_are_stacked_from_the_first_bar_on_top():
    parts = {"content": 0.5, "look": 0.2, "rest": 0.3}
    rows = scored([(m, p, v) for m in MODELS for p, v in parts.items()], "model", "part")
    figure = drawn(variance_chart(rows, Theme(), "model"))
    assert figure.layout.barmode == "stack"
    assert [t.name for t in figure.data] == ["content", "look", "rest"], "of one repetition both are not apart"
    assert list(figure.data[0].y) == list(MODELS[::-1])
    np.testing.assert_allclose(np.sum([t.x for t in figure.data], axis=0), 100)
