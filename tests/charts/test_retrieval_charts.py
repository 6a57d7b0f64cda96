"""Charts of retrieval."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from probing_core import charts
from probing_core.measures.notation import model_title

THEME = charts.Theme()
HOSTILE = "<a href='javascript:x'>&model</a>"


def recall() -> pd.DataFrame:
    return pd.DataFrame({
        "model": ["zoo/mae", "zoo/mae@seed=1", HOSTILE], "value": [40.0, 42.0, 90.0], "low": [35.0, 37.0, np.nan],
        "high": [45.0, 47.0, np.nan], "seed_of": ["", "zoo/mae", ""],
    })  # fmt: skip


def curves() -> pd.DataFrame:
    rates = [0.001, 0.01]
    return pd.DataFrame({
        "model": ["zoo/mae"] * 2 + [HOSTILE] * 2, "rate": rates * 2, "value": [10.0, 30, 50, 60],
        "low": [5.0, 25, np.nan, np.nan], "high": [15.0, 35, np.nan, np.nan],
    })  # fmt: skip


def test_recall_by_model_chart_has_seeds_on_the_row_of_their_model():
    figure = go.Figure(charts.recall_by_model_chart(recall(), THEME, "zoo/mae", 0.3))
    labels = dict(zip(figure.layout.yaxis.tickvals, figure.layout.yaxis.ticktext, strict=True))
    dots, seeds = figure.data
    assert dict(zip(dots.y, dots.x, strict=True)) == {0: 40.0, 1: 90.0}, "the highest is on top"
    assert model_title("zoo/mae") in labels[0]
    assert "40%" in labels[0]
    assert (list(seeds.x), list(seeds.y)) == ([42.0], [0])
    assert dots.customdata[0][1] == "zoo/mae", "what a click selects"
    assert "<a" not in "".join(labels.values())
    assert [shape.x0 for shape in figure.layout.shapes if shape.type == "line"] == [0.3]


def test_recall_by_rate_chart_names_some_models_and_bands_the_selected_one():
    figure = go.Figure(charts.recall_by_rate_chart(curves(), THEME, 0.01, ["zoo/mae"], "zoo/mae"))
    lines = {trace.name: trace for trace in figure.data if trace.name}
    assert set(lines) == {model_title("zoo/mae"), charts.escape(model_title(HOSTILE))}
    assert [name for name, trace in lines.items() if trace.showlegend] == [model_title("zoo/mae")]
    (band,) = [trace for trace in figure.data if trace.fill == "toself"]
    assert sorted(band.y) == [5.0, 15.0, 25.0, 35.0]
    assert [shape.x0 for shape in figure.layout.shapes] == [0.01]
    without = go.Figure(charts.recall_by_rate_chart(curves(), THEME, 0.01, [HOSTILE], HOSTILE))
    assert not [trace for trace in without.data if trace.fill == "toself"], "it has no intervals"


def test_rank_by_strength_chart_has_rank_one_on_top():
    ranks = pd.DataFrame({"model": ["zoo/mae"] * 2, "strength": [1.0, 2.0], "rank": [1, 30]})
    axis = charts.StrengthAxis("sigma (px)", 1.0, 2.0, (1.5, 2.0))
    figure = go.Figure(charts.rank_by_strength_chart(ranks, THEME, axis, 327, 1.5))
    bottom, top = figure.layout.yaxis.range
    assert bottom > np.log10(327) > 0 > top
    assert list(figure.data[0].y) == [1, 30]
