"""Charts of one transformation by its strength."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from probing_core import charts
from probing_core.measures.notation import model_title

THEME = charts.Theme()
HOSTILE = "<a href='javascript:x'>&model</a>"
RISING = charts.StrengthAxis("sigma (px)", 0.0, 4.0, (2.0, 4.0))
FALLING = charts.StrengthAxis("quality", 90.0, 10.0, (30.0, 10.0))


def thresholds() -> pd.DataFrame:
    return pd.DataFrame({
        "model": ["zoo/mae", HOSTILE, "baseline/pixels"], "threshold": [1.0, 2.0, 4.0], "low": [0.5, np.nan, 4.0],
        "high": [1.25, np.nan, 4.0], "censored": ["", "", "above"], "text": ["1.0 px", "2.0 px", "not detected"],
    })  # fmt: skip


def curve() -> pd.DataFrame:
    return pd.DataFrame({
        "model": ["zoo/mae"] * 3 + [HOSTILE] * 3, "strength": [1.0, 2, 4] * 2, "value": [1.0, 40, 90, 2, 5, 10],
        "low": [0.0, 30, 80, 1, 4, 9], "high": [5.0, 50, 95, 3, 6, 11],
    })  # fmt: skip


def test_thresholds_chart_writes_each_value_next_to_its_model():
    figure = go.Figure(charts.thresholds_chart(thresholds(), THEME, RISING, "zoo/mae"))
    labels = dict(zip(figure.layout.yaxis.tickvals, figure.layout.yaxis.ticktext, strict=True))
    assert [row for row in sorted(labels, reverse=True) if model_title("zoo/mae") in labels[row]] == [2], "on top"
    assert "<b>1.0 px</b>" in labels[2]
    assert "<b>not detected</b>" in labels[0]
    (dots,) = figure.data
    assert dict(zip(dots.y, dots.x, strict=True)) == {2: 1.0, 1: 2.0}, "no mark where nothing is detected"
    assert [dots.error_x.arrayminus[-1], dots.error_x.array[-1]] == [0.5, 0.25]
    assert [pair[1] for pair in dots.customdata][-1] == "zoo/mae", "what a click selects"
    highlighted = [shape for shape in figure.layout.shapes if shape.xref == "paper"]
    assert [(shape.y0, shape.y1) for shape in highlighted] == [(1.5, 2.5)]


@pytest.mark.parametrize("axis", [RISING, FALLING])
def test_strength_axis_has_the_strongest_on_the_right_and_shades_the_range_in_training(axis):
    for figure in (
        charts.thresholds_chart(thresholds(), THEME, axis, ""),
        charts.accuracy_by_strength_chart(curve(), THEME, axis, ["zoo/mae"], 3.2),
    ):
        left, right = go.Figure(figure).layout.xaxis.range
        assert min(left, right) < min(axis.weakest, axis.strongest)
        assert max(left, right) > max(axis.weakest, axis.strongest)
        assert (right > left) == (axis.strongest > axis.weakest)
        assert axis.trained in [(shape["x0"], shape["x1"]) for shape in figure["layout"]["shapes"]]


def test_accuracy_by_strength_chart_draws_every_model_and_colors_the_selected_one():
    figure = go.Figure(charts.accuracy_by_strength_chart(curve(), THEME, RISING, ["zoo/mae"], 3.2))
    other, selected = figure.data
    assert (list(selected.x), list(selected.y)) == ([1, 2, 4], [1, 40, 90])
    np.testing.assert_allclose([*selected.error_y.arrayminus, *selected.error_y.array], [1, 10, 10, 4, 10, 5])
    assert list(other.y) == [2, 5, 10]
    assert other.error_y.array is None
    assert selected.line.color == THEME.model_styles(["zoo/mae"])["zoo/mae"].color
    assert "chance 3.2%" in [note.text for note in figure.layout.annotations]
    assert [shape.y0 for shape in figure.layout.shapes if shape.type == "line"] == [3.2]


def test_accuracy_by_strength_chart_is_drawn_without_the_selected_model():
    figure = go.Figure(charts.accuracy_by_strength_chart(curve(), THEME, RISING, ["no/such"], 3.2))
    assert len(figure.data) == 2


def test_predictions_chart_keeps_the_order_and_the_colors_of_the_groups():
    rows = pd.DataFrame({"title": ["Fog", HOSTILE, "3 other classes"], "value": [60.0, 39.5, 0.5]})
    figure = go.Figure(charts.predictions_chart(rows, THEME, ["weather", "blur", ""], "Fog"))
    (bars,) = figure.data
    assert list(bars.x) == [60, 39.5, 0.5]
    assert bars.y[0] == "<b>Fog</b>"
    assert list(bars.marker.color) == [THEME.group("weather"), THEME.group("blur"), THEME.muted]
    assert list(bars.text) == ["60%", "40%", "0.5%"]
    assert figure.layout.yaxis.autorange == "reversed"


def test_strength_charts_treat_names_as_data():
    for figure in (
        charts.thresholds_chart(thresholds(), THEME, RISING, HOSTILE),
        charts.accuracy_by_strength_chart(curve(), THEME, RISING, [HOSTILE], 3.2),
        charts.predictions_chart(pd.DataFrame({"title": [HOSTILE], "value": [1.0]}), THEME, [""], HOSTILE),
    ):
        assert "<a " not in str(figure)
