"""What all figures share, and how they are written down."""

from __future__ import annotations

import numpy as np
import pytest

from probing_core.charts import Theme, figure


def test_axes_say_all_there_is_to_their_look_and_keep_what_a_chart_says():
    drawn = figure.base_figure(Theme(), 200, [{"x": [1]}], {"title": "time", "showgrid": False}, showlegend=False)
    layout = drawn["layout"]
    assert (layout["height"], layout["showlegend"], len(drawn["data"])) == (200, False, 1)
    assert (layout["xaxis"]["title"]["text"], layout["xaxis"]["showgrid"]) == ("time", False)
    assert layout["xaxis"]["tickfont"] == layout["yaxis"]["tickfont"]
    assert "title" not in layout["yaxis"], "an empty one takes room, too"


def test_error_bars_reach_from_end_to_end():
    bar = figure.error_bar(np.array([5.0, 7.0]), np.array([4.0, 7.0]), np.array([8.0, np.nan]), "#123456", width=3)
    np.testing.assert_array_equal(bar["array"], [3, np.nan])
    np.testing.assert_array_equal(bar["arrayminus"], [1, 0])
    assert (bar["symmetric"], bar["width"], bar["color"]) == (False, 3, "#123456")


@pytest.mark.parametrize(
    ("text", "escaped"), [("ü", "ü"), ("a & b", "a &amp; b"), ("<b>x</b>", "&lt;b&gt;x&lt;/b&gt;"), ("'\"", "'\"")]
)
def test_what_plotly_would_read_as_markup_is_escaped(text, escaped):
    assert figure.escape(text) == escaped


def test_the_line_of_guessing_crosses_its_own_panel():
    first, third = (
        figure.chance_line(3.2, Theme(), {"xaxis": "x", "yaxis": "y"}),
        figure.chance_line(50, Theme(), {"xaxis": "x3", "yaxis": "y3"}),
    )
    assert (first["xref"], first["yref"], first["y0"], first["y1"]) == ("x domain", "y", 3.2, 3.2)
    assert (third["xref"], third["yref"], third["x0"], third["x1"]) == ("x3 domain", "y3", 0, 1)
    assert first["line"] == third["line"]


def margin_of(labels=(), **settings):
    drawn = figure.base_figure(Theme(), 200, [{"x": [1], "y": list(labels)}], **settings)
    return drawn["layout"]["margin"]


class TestMargins:
    def test_labels_and_titles_have_space(self):
        short, long = margin_of(["MAE"])["l"], margin_of(["MAE", "ALIGN, style-free captions (zoo)"])["l"]
        assert figure.MARGIN["l"] < short < long < 32 * figure.LABEL_FONT_PX
        assert margin_of(["MAE"], yaxis={"title": "model"})["l"] == short + figure.AXIS_TITLE_PX
        assert margin_of(yaxis={"ticktext": ["MAE"], "tickvals": [0]})["l"] == short
        assert margin_of(["<b>MAE</b><br>(&lt;)"])["l"] < long

    def test_each_line_of_a_title_and_a_legend_have_space(self):
        plain, titled, twice = (margin_of(xaxis={"title": title})["b"] for title in ("", "recall", "recall<br>(%)"))
        assert figure.MARGIN["b"] < plain < titled < twice
        legend = figure.legend_below()
        assert margin_of(legend=legend, showlegend=True)["b"] == plain + figure.LEGEND_PX
        assert margin_of(legend=legend, showlegend=False)["b"] == plain

    def test_larger_margins_of_a_chart_are_kept(self):
        assert margin_of(["MAE"], margin={"l": 300, "r": 1, "t": 2, "b": 200}) == {"l": 300, "r": 1, "t": 2, "b": 200}
        assert margin_of(["MAE"], yaxis={"automargin": False})["l"] == figure.MARGIN["l"]

    def test_a_very_long_name_does_not_fill_the_figure(self):
        assert margin_of(["x" * 500])["l"] == margin_of(["x" * 5000])["l"] < 300
