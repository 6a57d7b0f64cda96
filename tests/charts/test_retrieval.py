"""Parts of the variance, as Plotly understands them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from probing_core.charts import Theme, to_json, variance_chart
from probing_core.measures.notation import model_title

MODELS = ("zoo/mae", "zoo/clip", "baseline/dhash")


def scored(rows: list[tuple], *columns: str) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=[*columns, "value"])
    return table.assign(low=table["value"] - 0.05, high=table["value"] + 0.05)


def drawn(figure: dict) -> go.Figure:
    return go.Figure(json.loads(to_json(figure)))


def test_parts_of_the_variance_are_stacked_from_the_first_bar_on_top():
    parts = {"content": 0.5, "look": 0.2, "rest": 0.3}
    rows = scored([(m, p, v) for m in MODELS for p, v in parts.items()], "model", "part")
    figure = drawn(variance_chart(rows, Theme()))
    assert figure.layout.barmode == "stack"
    names = [t.name for t in figure.data]
    assert names == ["content", "look", "both together and rest"], "of one repetition both are not apart"
    assert list(figure.data[0].y) == [model_title(model) for model in MODELS[::-1]]
    np.testing.assert_allclose(np.sum([t.x for t in figure.data], axis=0), 100)


def test_a_gray_means_one_thing():
    parts = {"content": 0.5, "look": 0.2, "both": 0.1, "rest": 0.2}
    rows = scored([(m, p, v) for m in MODELS for p, v in parts.items()], "model", "part")
    apart, together = (
        {trace.name: trace.marker.color for trace in drawn(variance_chart(some, Theme())).data}
        for some in (rows, rows[rows["part"] != "both"])
    )
    assert list(apart) == ["content", "look", "both together", "rest"]
    assert together["both together and rest"] not in apart.values()
    assert together["look"] == apart["look"]
