"""Figures hold the numbers they were given, treat names as data, and are readable in both themes."""

from __future__ import annotations

import html
import json
import re
from types import SimpleNamespace
from typing import Any

import altair
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from plotly.colors import sample_colorscale

from probing_core import charts
from probing_core.charts.theme import SYMBOLS
from probing_core.measures.notation import model_title
from probing_core.transforms import GROUPS
from tests.contrast import contrast

THEMES = [charts.Theme(False), charts.Theme(True)]


def _checked(chart):
    """The same chart as Plotly reads it, which refuses what it does not know."""
    return lambda *arguments, **named: go.Figure(chart(*arguments, **named))


VEGA = ("layer_chart",)
"""Charts in Vega-Lite; all others are Plotly's."""

DRAW = [name for name in charts.__all__ if name.endswith(("_chart", "heat_map", "_scatter")) and name not in VEGA]
drawn = SimpleNamespace(**{name: _checked(getattr(charts, name)) for name in DRAW})
HOSTILE = "<a href='javascript:x'>&model</a>"


def board() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "model": ["zoo/mae", HOSTILE, "baseline/pixels"],
            "seed_of": "",
            "value": [0.8, 0.7, 0.2],
            "low": [0.7, 0.6, np.nan],
            "high": [0.9, 0.8, np.nan],
            "chance": 0.03,
            "p": [np.nan, 0.4, 0.001],
            "apart": [False, False, True],
            "note": "",
        }
    )


@pytest.mark.parametrize("theme", THEMES)
def test_text_and_marks_stand_out_from_the_background(theme):
    assert contrast(theme.text, theme.background) >= 7
    assert contrast(theme.muted, theme.background) >= 4.5
    marks = [theme.group(g) for g in GROUPS] + [theme.series(i) for i in range(8)] + [theme.accent, theme.warning]
    faint = {c: contrast(c, theme.background) for c in marks if contrast(c, theme.background) < 3}
    assert not faint


@pytest.mark.parametrize("theme", THEMES)
def test_groups_and_members_look_different(theme):
    assert len({theme.group(g) for g in GROUPS}) == len(GROUPS)
    names = [f"{g}-{i}" for g in GROUPS for i in range(5)]
    styles = theme.members(names, [n.split("-")[0] for n in names])
    assert len(set(styles.values())) == len(names)


THIRTEEN = (
    "zoo/supervised", "zoo/simclr", "zoo/mae", "zoo/can", "zoo/clip", "zoo/align", "zoo/simclr-matched",
    "zoo/clip-plain", "zoo/align-plain", "timm:tf_efficientnet_lite0", "baseline/handcrafted", "baseline/random-vit",
    "baseline/pixels",
)  # fmt: skip


@pytest.mark.parametrize("theme", THEMES)
def test_model_styles_give_each_model_its_own_color_and_each_seed_that_of_the_first(theme):
    models = (*THIRTEEN, "timm:tf_efficientnet_lite0@layer=4", "baseline/dhash", "baseline/phash", "hf:a/b", "hf:a/c")
    styles = theme.model_styles([*models, "zoo/mae@seed=1", "zoo/clip-plain@seed=1", "baseline/random-vit@seed=1"])
    assert len({styles[model].color for model in models}) == len(models)
    for seed, first in {"zoo/mae@seed=1": "zoo/mae", "zoo/clip-plain@seed=1": "zoo/clip-plain"}.items():
        assert styles[seed] == styles[first]
    assert all(contrast(style.color, theme.background) >= 3 for style in styles.values())


@pytest.mark.parametrize("theme", THEMES)
def test_model_styles_distinguish_kinds_of_models_by_symbols_and_dashes(theme):
    styles = theme.model_styles(THIRTEEN)
    learned = [m for m in THIRTEEN if not m.startswith("baseline/")]
    objectives = [m for m in learned if not m.endswith(("-plain", "-matched"))]
    assert len({styles[m].symbol for m in objectives}) == len({styles[m].color for m in objectives}) == 7
    for variant, parent in {"zoo/simclr-matched": "zoo/simclr", "zoo/clip-plain": "zoo/clip"}.items():
        assert styles[variant].symbol == f"{styles[parent].symbol}-open"
        assert styles[variant].dash != styles[parent].dash
    assert not {styles[m].symbol for m in THIRTEEN if m not in learned} & set(SYMBOLS)


def marks_of(figure) -> Any:
    """The trace of the models that are on the axis."""
    return figure.data[0]


@pytest.mark.parametrize("theme", THEMES)
def test_ranking_chart_has_a_mark_with_interval_for_each_model_and_arrows_below_the_axis(theme):
    figure = drawn.ranking_chart(board(), theme, "accuracy (%)")
    marks = marks_of(figure)
    assert list(marks.x) == [70, 80]
    assert "<" not in marks.y[0]
    assert [html.unescape(about[-1]) for about in marks.customdata] == [HOSTILE, "zoo/mae"], "a click selects it"
    np.testing.assert_allclose(marks.error_x.array, [10, 10])
    arrows = next(trace for trace in figure.data if trace.marker.symbol == "triangle-left")
    assert html.unescape(arrows.hovertemplate)
    assert "20.0" in arrows.text[0]
    assert "too few photographs" in arrows.customdata[0][0]
    start, end = figure.layout.xaxis.range
    assert 20 < start < 60
    assert end > 90
    assert "chance 3.0%" in figure.layout.annotations[0].text
    assert list(figure.layout.yaxis.categoryarray)[::-1][0] == model_title("zoo/mae"), "best on top"


def test_ranking_chart_draws_chance_as_a_line_where_the_axis_has_it():
    figure = drawn.ranking_chart(board().assign(chance=0.65), THEMES[0], "accuracy (%)")
    assert [shape.x0 for shape in figure.layout.shapes] == [65]
    assert not drawn.ranking_chart(board(), THEMES[0], "accuracy (%)").layout.shapes
    assert not drawn.ranking_chart(board().assign(chance=np.nan), THEMES[0], "accuracy (%)").layout.annotations


def test_ranking_chart_highlights_the_row_of_the_selected_model():
    selected = board()["model"].iloc[1]
    figure = drawn.ranking_chart(board(), THEMES[0], "accuracy (%)", selected)
    (band,) = figure.layout.shapes
    row = list(figure.layout.yaxis.categoryarray).index(charts.escape(model_title(selected)))
    assert band.y0 < row < band.y1
    assert [text.startswith("<b>") for text in figure.layout.yaxis.ticktext].index(True) == row
    assert not drawn.ranking_chart(board(), THEMES[0], "accuracy (%)").layout.shapes


def test_ranking_chart_marks_models_that_are_not_significantly_different():
    figure = drawn.ranking_chart(board(), THEMES[0], "accuracy (%)")
    assert list(marks_of(figure).marker.symbol) == ["circle-open", "circle"]
    assert any("not significantly below" in (trace.name or "") for trace in figure.data)
    decided = drawn.ranking_chart(board().assign(apart=True), THEMES[0], "accuracy (%)")
    assert list(marks_of(decided).marker.symbol) == ["circle", "circle"]
    assert not any("not significantly below" in (trace.name or "") for trace in decided.data)


@pytest.mark.parametrize("theme", THEMES)
def test_ranking_chart_draws_additional_seeds_as_ticks_of_their_model(theme):
    seed = board().iloc[[1]].assign(model=f"{HOSTILE}@seed=1", seed_of=HOSTILE, value=0.75, low=0.7, high=0.8)
    figure = drawn.ranking_chart(pd.concat([board(), seed]), theme, "accuracy (%)")
    ticks = next(trace for trace in figure.data if trace.marker.symbol == "line-ns")
    assert list(ticks.x) == [75]
    assert list(ticks.y) == [marks_of(figure).y[0]]
    assert "75.0%" in ticks.customdata[0]
    assert "<a " not in ticks.customdata[0]


def test_names_are_data_in_charts():
    figure = drawn.ranking_chart(board(), THEMES[0], "accuracy (%)")
    assert "<a " not in figure.to_json().replace("\\u003c", "<")


def differences() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "name": ["Fog", HOSTILE, "JPEG"],
            "difference": [0.2, -0.1, 0.01],
            "low": [0.1, -0.2, -0.02],
            "high": [0.3, 0.0, 0.04],
            "p": [0.0001, 0.04, 0.6],
        }
    )


def test_difference_chart_colors_each_row_by_the_better_model_and_fills_what_is_significant():
    figure = drawn.difference_chart(differences(), THEMES[0], "points", ("A", "B"), ("#111111", "#222222"))
    rows = {
        html.unescape(y): (x, trace.marker.color, trace.marker.symbol)
        for trace in figure.data
        for x, y in zip(trace.x, trace.y, strict=True)
    }
    assert rows["Fog"] == (pytest.approx(20), "#111111", "circle")
    assert rows[HOSTILE] == (pytest.approx(-10), "#222222", "circle")
    assert rows["JPEG"] == (pytest.approx(1), "#111111", "circle-open")
    low, high = figure.layout.xaxis.range
    assert low == -high
    assert high > 30, "the longest interval is within the axis"
    assert "<a " not in figure.to_json().replace("\\u003c", "<")


def test_heat_map_has_a_cell_to_click_for_each_value():
    values = pd.DataFrame([[0.1, np.nan], [0.5, 1.0]], index=["fog", "jpeg"], columns=["a", "b"])
    texts = values.map(lambda value: f"{value:.0%}").set_axis(["Fog", HOSTILE], axis=0)
    scale = charts.HeatScale("recall (%)", {0: "0", 1: "100"})
    figure = drawn.heat_map(values, texts, texts, THEMES[0], scale, [("#111111", 1), ("#222222", 1)])
    light, dark, cells = figure.data
    np.testing.assert_array_equal(np.fmax(np.array(light.z), np.array(dark.z)), values.to_numpy())
    drawn_twice = (np.array(light.text) != "") & (np.array(dark.text) != "")
    assert not drawn_twice.any(), "a cell without a value has text, too"
    assert set(np.array(light.text).ravel()) | set(np.array(dark.text).ravel()) - {""} >= {"10%", "50%", "100%"}
    for x, y, (row, column) in zip(cells.x, cells.y, cells.customdata, strict=True):
        assert (values.index[y], values.columns[x]) == (row, column)
    assert len(cells.x) == values.size
    assert [shape.fillcolor for shape in figure.layout.shapes if shape.type == "rect"] == ["#111111", "#222222"]
    assert figure.layout.yaxis.range[0] > figure.layout.yaxis.range[1], "the first row is on top"


@pytest.mark.parametrize("theme", THEMES)
def test_text_in_a_heat_map_can_be_read_on_every_color(theme):
    values = pd.DataFrame([np.linspace(0, 1, 41)]).rename(columns=str)
    texts = values.map("{:.2f}".format)
    figure = drawn.heat_map(values, texts, texts, theme, charts.HeatScale("", {0: "0"}), [("#111111", 1)])
    for heat in figure.data[:2]:
        shown = np.array(heat.z, float).ravel()
        for color in sample_colorscale([list(step) for step in heat.colorscale], shown[np.isfinite(shown)]):
            cell = "#" + "".join(f"{int(float(part)):02x}" for part in re.findall(r"[\d.]+", color))
            assert contrast(cell, heat.textfont.color) >= 4.5


def test_scatter_chart_labels_each_model_or_lists_it_in_the_legend():
    models = [f"zoo/{name}" for name in ("mae", "clip", "can", "align")]
    points = pd.DataFrame({"model": models, "x": [0.1, 0.9, 0.5, 0.5], "y": [0.2, 0.8, 0.5, 0.5]})
    for column in ("x", "y"):
        points = points.assign(**{f"{column}_low": points[column] - 0.05, f"{column}_high": points[column] + 0.05})
    points.loc[0, ["x_low", "x_high"]] = np.nan
    figure = drawn.scatter_chart(points, THEMES[0], "x", "y", ("content (%)", "transformation (%)"))
    for trace, row in zip(figure.data, points.itertuples(), strict=True):
        assert (trace.x[0], trace.y[0]) == pytest.approx((100 * row.x, 100 * row.y))
        assert bool(trace.text[0]) != trace.showlegend
    assert "too few photographs" in figure.data[0].customdata[0][0]
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("content (%)", "transformation (%)")
    assert len({trace.marker.color for trace in figure.data}) == len(models)


def test_dots_of_a_row_are_joined_and_colored_by_group():
    rows = pd.DataFrame(
        {
            "name": ["a", "a", HOSTILE],
            "series": ["seen", "unseen", "seen"],
            "value": [80.0, 20, 50],
            "low": 1.0,
            "high": 99,
        }
    )
    figure = drawn.dots_chart(rows, THEMES[0], "share (%)", groups={"a": "blur"}, marks={"chance": 9.0})
    joins, seen, unseen, *keys = figure.data
    assert [(key.name, key.showlegend) for key in keys] == [("seen", None), ("unseen", None)]
    assert keys[0].marker.color not in seen.marker.color[:1], "the legend is of no group"
    assert (seen.showlegend, unseen.showlegend) == (False, False)
    assert list(joins.x) == [50, 50, None, 20, 80, None]
    assert (list(seen.x), list(unseen.x)) == ([80, 50], [20])
    assert list(seen.y) == [1, 0]
    assert list(seen.marker.color) == [THEMES[0].group("blur"), THEMES[0].text]
    assert [shape.x0 for shape in figure.layout.shapes] == [9]
    assert [note.text for note in figure.layout.annotations] == ["chance 9%"]
    assert "<a " not in figure.to_json().replace("\\u003c", "<")
    assert len(drawn.dots_chart(rows[rows["series"] == "seen"], THEMES[0], "share (%)").data) == 1
    notes = drawn.dots_chart(rows, THEMES[0], "share (%)", has_values=True).layout.annotations
    written = {(note.y, note.xshift): note.text for note in notes if note.yref != "paper"}
    names = list(dict.fromkeys(rows["name"]))[::-1]
    columns = sorted({shift for _, shift in written})
    assert len(columns) == 2, "one for each series"
    for row in rows.to_dict("records"):
        column = columns[["seen", "unseen"].index(row["series"])]
        assert written[names.index(row["name"]), column] == f"{row['value']:.0f}"

    seed = pd.DataFrame({"name": ["a@seed=1"], "series": "seen", "value": 30.0, "seed_of": "a"})
    figure = drawn.dots_chart(pd.concat([rows.assign(seed_of=""), seed]), THEMES[0], "share (%)")
    ticks = figure.data[-1]
    place = dict(zip(figure.layout.yaxis.ticktext, figure.layout.yaxis.tickvals, strict=True))
    assert (list(ticks.x), list(ticks.y)) == ([30], [place["a"]])
    assert ticks.customdata[0] == "a@seed=1, seen: 30%"
    assert list(figure.data[0].x) == list(joins.x), "the line joins the model's own values"


def test_transformation_scatter_colors_marks_by_group():
    points = pd.DataFrame(
        {"name": ["Fog", HOSTILE], "group": ["weather", "codec"], "value": [0.5, 1.2], "recall": [0.9, 0.1]}
    )
    figure = drawn.transformation_scatter(points, THEMES[0], ("value", "recall"), ("shift", "recall (%)"))
    (marks,) = figure.data
    assert list(marks.x) == [0.5, 1.2]
    np.testing.assert_allclose(marks.y, [90, 10])
    assert list(marks.marker.color) == [THEMES[0].group("weather"), THEMES[0].group("codec")]
    assert figure.layout.xaxis.range[1] > 1.2
    assert "<a " not in figure.to_json().replace("\\u003c", "<")


def layers() -> pd.DataFrame:
    rows = pd.DataFrame({"base": ["zoo/mae"] * 3 + ["zoo/clip"] * 2, "layer": [1, 2, 3, 1, 2]})
    rows["difference"] = [-0.2, 0.1, 0.0, 0.05, 0.0]
    return rows.assign(
        value=rows["difference"] + 0.5,
        difference_low=rows["difference"] - 0.02,
        difference_high=rows["difference"] + 0.02,
        chosen=[False, True, False, False, True],
    )


@pytest.mark.parametrize("theme", THEMES)
def test_layer_chart_draws_a_panel_for_each_network_on_the_same_axes(theme):
    rows = layers()
    spec = charts.layer_chart(rows, theme, "Transformation", ["percentage points"])
    altair.Chart.from_dict(spec)  # refuses what Vega-Lite does not know
    values = pd.DataFrame(spec["data"]["values"])
    np.testing.assert_allclose(values["difference"], 100 * rows["difference"])
    assert values["of"].tolist() == ["1 of 3", "2 of 3", "3 of 3", "1 of 2", "2 of 2"]
    assert values["kind"].map(values["kind"].value_counts()).tolist() == [2, 2, 1, 2, 2]
    assert (values["kind"] == values["kind"][1]).tolist() == rows["chosen"].tolist()
    shift = values.assign(right=values["x"] - rows["layer"], down=values["y"] - values["difference"])
    panels = shift.groupby("model")[["right", "down"]].agg(["min", "max"])
    np.testing.assert_allclose(panels.xs("min", axis=1, level=1), panels.xs("max", axis=1, level=1))
    ends = values.groupby("model")["x"].agg(["min", "max"]).sort_values("min")
    assert ends["max"].iloc[0] < ends["min"].iloc[1]
    y = spec["layer"][-1]["encoding"]["y"]
    low, high = y["scale"]["domain"]
    assert low < values["y_low"].min()
    assert high > values["y_high"].max()
    scale = spec["layer"][-1]["encoding"]["color"]["scale"]
    styles = theme.model_styles(["zoo/mae", "zoo/clip"])
    assert scale["range"] == [styles["zoo/mae"].color, styles["zoo/clip"].color]


def test_layer_chart_highlights_the_hovered_network_in_all_other_panels():
    spec = charts.layer_chart(layers(), THEMES[0], "Transformation", ["percentage points"])
    name = spec["layer"][-1]["params"][0]["name"]
    (lines,) = (
        layer for layer in spec["layer"] if layer["encoding"].get("opacity", {}).get("condition", {}).get("param")
    )
    assert lines["encoding"]["opacity"]["condition"]["param"] == name
    assert lines["encoding"]["opacity"]["value"] < lines["encoding"]["opacity"]["condition"]["value"]
    others, own = pd.DataFrame(lines["data"]["values"]), pd.DataFrame(spec["data"]["values"])
    assert (others["model"] != others["panel"]).all()
    rows = others.groupby(["panel", "model"]).size()
    assert rows.tolist() == [own["model"].value_counts()[model] for _, model in rows.index]
    down = own.assign(down=own["y"] - own["difference"]).groupby("model")["down"].first()
    differences = own.groupby("model")["difference"].apply(list)
    for (panel, model), values in others.groupby(["panel", "model"])["y"]:
        np.testing.assert_allclose(values - down[panel], differences[model])


@pytest.mark.parametrize("count", [1, 4, 9])
def test_layer_chart_labels_ticks_of_every_row_of_panels(count):
    rows = pd.concat([layers().iloc[:3].assign(base=f"model{i}") for i in range(count)], ignore_index=True)
    spec = charts.layer_chart(rows, THEMES[0], "Transformation", ["percentage points"])
    ticks = pd.DataFrame(spec["layer"][1]["data"]["values"])
    own = pd.DataFrame(spec["data"]["values"])
    downs = sorted(set((own["y"] - own["difference"]).round(6)))
    assert len(downs) == -(-count // 3)
    assert (ticks["text"] == "0").sum() == len(downs)
    np.testing.assert_allclose(sorted(ticks["y"][ticks["text"] == "0"]), downs)
    numbers = ticks["text"].str.replace("\N{MINUS SIGN}", "-").astype(float)
    assert {round(y - number, 6) for y, number in zip(ticks["y"], numbers, strict=True)} == set(downs)


def test_layer_chart_draws_intervals_as_bands():
    spec = charts.layer_chart(layers(), THEMES[0], "Transformation", ["percentage points"])
    altair.Chart.from_dict(spec)
    assert "area" in {layer["mark"]["type"] for layer in spec["layer"]}
    assert {"low", "high"} <= {entry["field"] for entry in spec["layer"][-1]["encoding"]["tooltip"]}
    json.dumps(spec, allow_nan=False)


@pytest.mark.parametrize("theme", THEMES)
def test_a_training_is_drawn_over_its_steps_in_panels(theme):
    names = ["fine", "content", "group:blur", "group:noise", "clean-shift"]
    rows = pd.DataFrame(
        [
            {
                "step": step,
                "name": name,
                "value": 0.1 * i + 0.02,
                "low": 0.1 * i,
                "high": 0.1 * i + 0.05,
                "chance": 0.03,
            }
            for i, step in enumerate((480, 60, 120, 240))
            for name in names
        ]
    )
    figure = drawn.training_chart(rows, theme)
    lines = {trace.name: trace for trace in figure.data}
    assert set(lines) == {"transformation", "content", "blur", "noise", "shift of clean images"}
    assert list(lines["content"].x) == [60, 120, 240, 480]
    np.testing.assert_allclose(lines["content"].y, [12, 22, 32, 2])
    np.testing.assert_allclose(lines["shift of clean images"].y, [0.12, 0.22, 0.32, 0.02])
    assert len({lines[name].yaxis for name in ("content", "blur", "shift of clean images")}) == 3
    assert lines["blur"].line.color == theme.group("blur"), "hues belong to groups"
    assert lines["transformation"].line.color == theme.text
    assert figure.layout.xaxis.type == "log", "each checkpoint has half the steps of the next"
    even = drawn.training_chart(rows.assign(step=rows["step"] * 0 + 100).query("name == 'fine'"), theme)
    assert even.layout.xaxis.type != "log"
    assert [words.text for words in even.layout.annotations] == ["transformation, by step"]


@pytest.mark.parametrize("theme", THEMES)
def test_reliability_chart_draws_calibrated_answers_on_the_diagonal(theme):
    bins = pd.DataFrame({"stated": [0.2, 0.7], "fraction": [0.2, 0.7], "weight": [0.75, 0.25]})
    bins = pd.concat([bins.assign(set="one"), bins.assign(set="two", fraction=0.5)])
    diagonal, one, two = drawn.reliability_chart(bins, theme).data
    assert list(diagonal.x) == list(diagonal.y) == [0, 100]
    np.testing.assert_allclose(one.x, one.y)
    np.testing.assert_allclose(two.y, 50)
    assert one.marker.size[0] > one.marker.size[1]
    assert (one.name, two.name) == ("one", "two")
    assert one.line.color != two.line.color


@pytest.mark.parametrize("parts", [{"content": 0.5, "look": 0.2, "rest": 0.3},
                                   {"content": 0.5, "look": 0.2, "both": 0.1, "rest": 0.2}])  # fmt: skip
def test_parts_of_the_variance_are_stacked_from_the_first_bar_on_top(parts):
    models = ("zoo/mae", "zoo/clip", "baseline/dhash")
    rows = pd.DataFrame([(m, p, v) for m in models for p, v in parts.items()], columns=["model", "part", "value"])
    rows = rows.assign(low=rows["value"] - 0.05, high=rows["value"] + 0.05)
    figure = drawn.variance_chart(rows, THEMES[0])
    assert figure.layout.barmode == "stack"
    # Of one repetition, the two cannot be separated.
    names = ["interaction", "residual (strength)"] if "both" in parts else ["interaction and residual"]
    assert [t.name for t in figure.data] == ["content", "appearance", *names]
    assert list(figure.data[0].y) == [model_title(model) for model in models[::-1]]
    np.testing.assert_allclose(np.sum([t.x for t in figure.data], axis=0), 100)
    assert len({t.marker.color for t in figure.data}) == len(figure.data)


@pytest.mark.parametrize("theme", THEMES)
def test_evidence_chart_draws_every_score_and_the_image_among_them(theme):
    clean, edited = np.linspace(-5, 1, 40), np.linspace(-1, 9, 3000)
    figure = drawn.evidence_chart(2.0, clean, edited, theme)
    first, second = figure.data
    np.testing.assert_allclose(sorted(first.x), clean)
    assert len(second.x) < len(edited), "of many scores, evenly spaced ranks"
    np.testing.assert_allclose(np.median(second.x), np.median(edited), atol=0.05)
    assert figure.layout.shapes[0].x0 == figure.layout.shapes[0].x1 == 2.0
    low, high = figure.layout.xaxis.range
    assert low < -5
    assert high > 9
    assert len(drawn.evidence_chart(20.0, clean, edited[:0], theme).data) == 1


@pytest.mark.parametrize("theme", THEMES)
def test_no_group_has_a_gray_color_which_means_not_selected(theme):
    def saturation(color: str) -> float:
        channels = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
        return (max(channels) - min(channels)) / max(channels)

    assert all(saturation(theme.group(group)) > 0.3 for group in GROUPS if group != "identity")


def test_transformation_scatter_names_every_point_as_label_or_in_the_legend():
    names = [f"Transformation number {i}" for i in range(30)]
    points = pd.DataFrame({"name": names, "group": "blur", "shift": np.linspace(0.5, 0.52, 30), "value": 0.5})
    figure = drawn.transformation_scatter(points, THEMES[0], ("shift", "value"), ("shift", "recall"))
    marks, *keys = figure.data
    labels = {text.strip("\N{NO-BREAK SPACE}") for text in marks.text} - {""}
    assert 0 < len(labels) < 30
    assert labels.isdisjoint(key.name for key in keys)
    assert labels | {key.name for key in keys} == set(names)
    unlabeled = [symbol for symbol, text in zip(marks.marker.symbol, marks.text, strict=True) if not text]
    assert unlabeled == [key.marker.symbol for key in keys]
