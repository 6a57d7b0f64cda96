"""Figures hold the numbers they were given, treat names as data, and are readable in both themes."""

from __future__ import annotations

import html
from types import SimpleNamespace

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from probing_core import charts
from probing_core.charts.theme import SYMBOLS
from probing_core.measures.notation import model_title
from probing_core.transforms import GROUPS
from tests.contrast import contrast

THEMES = [charts.Theme(False), charts.Theme(True)]


def _checked(chart):
    """The same chart as Plotly reads it, which refuses what it does not know."""
    return lambda *arguments, **named: go.Figure(chart(*arguments, **named))


drawn = SimpleNamespace(**{name: _checked(getattr(charts, name)) for name in charts.__all__ if name.endswith("_chart")})
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


@pytest.mark.parametrize("theme", THEMES)
def test_leaderboard(theme):
    figure = drawn.leaderboard_chart(board(), theme)
    dots = figure.data[0]
    assert list(dots.x) == [20, 70, 80]
    assert [("open" in s) for s in dots.marker.symbol] == [False, True, False]
    assert "<" not in dots.y[1]
    assert "too few photographs" in dots.customdata[0][0]
    assert [html.unescape(about[-1]) for about in dots.customdata] == list(board()["model"])[::-1], "a click chooses it"
    assert "chance 3.0 %" in figure.layout.annotations[0].text


def test_the_best_is_filled_even_if_it_is_a_baseline_that_is_compared():
    """Beside a ranking of encoders, baselines are all apart; where they take part, one may be the best."""
    first = board().assign(model=["baseline/pixels", "zoo/mae", "zoo/clip"])
    assert [("open" in s) for s in drawn.leaderboard_chart(first, THEMES[0]).data[0].marker.symbol] == [
        False,
        True,
        False,
    ]
    beside = board().assign(value=[0.6, 0.5, 0.2])
    above = pd.concat([beside.iloc[[2]].assign(value=0.9, p=np.nan), beside.iloc[:2]], ignore_index=True)
    assert [("open" in s) for s in drawn.leaderboard_chart(above, THEMES[0]).data[0].marker.symbol] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("theme", THEMES)
def test_other_seeds_are_ticks_on_the_line_of_their_model(theme):
    seed = board().iloc[[1]].assign(model=f"{HOSTILE}@seed=1", seed_of=HOSTILE, value=0.75, low=0.7, high=0.8)
    dots, ticks = drawn.leaderboard_chart(pd.concat([board(), seed]), theme).data
    assert len(dots.x) == 3
    assert list(ticks.x) == [75]
    assert list(ticks.y) == [dots.y[1]]
    assert ticks.marker.symbol == "line-ns"
    assert "<b>75.0 %</b> (95 % interval 70.0 to 80.0)" in ticks.customdata[0]
    assert "<a " not in ticks.customdata[0]


def test_names_are_data_in_charts():
    figure = drawn.leaderboard_chart(board(), THEMES[0])
    assert "<a " not in figure.to_json().replace("\\u003c", "<")


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
    figure = drawn.dots_chart(rows, THEMES[0], "share (%)", groups={"a": "blur"}, marks=[9.0])
    joins, seen, unseen, *keys = figure.data
    assert [(key.name, key.showlegend) for key in keys] == [("seen", None), ("unseen", None)]
    assert keys[0].marker.color not in seen.marker.color[:1], "the legend is of no group"
    assert (seen.showlegend, unseen.showlegend) == (False, False)
    assert list(joins.x) == [50, 50, None, 20, 80, None]
    assert (list(seen.x), list(unseen.x)) == ([80, 50], [20])
    assert list(seen.y) == [1, 0]
    assert list(seen.marker.color) == [THEMES[0].group("blur"), THEMES[0].text]
    assert len(figure.layout.shapes) == 1
    assert "<a " not in figure.to_json().replace("\\u003c", "<")
    assert len(drawn.dots_chart(rows[rows["series"] == "seen"], THEMES[0], "share (%)").data) == 1

    seed = pd.DataFrame({"name": ["a@seed=1"], "series": "seen", "value": 30.0, "seed_of": "a"})
    figure = drawn.dots_chart(pd.concat([rows.assign(seed_of=""), seed]), THEMES[0], "share (%)")
    ticks = figure.data[-1]
    place = dict(zip(figure.layout.yaxis.ticktext, figure.layout.yaxis.tickvals, strict=True))
    assert (list(ticks.x), list(ticks.y)) == ([30], [place["a"]])
    assert ticks.customdata[0] == "a@seed=1, seen: 30 %"
    assert list(figure.data[0].x) == list(joins.x), "the line joins the model's own values"


def test_layers_chart_holds_its_rows():
    layers = pd.DataFrame({"base": ["m"] * 3, "layer": [0, 1, 2], "value": 0.5, "low": 0.4, "high": 0.6, "chance": 0.1})
    both_tasks = pd.concat([layers.assign(task=task) for task in ("content", "fine")])
    fine, content = drawn.layers_chart(both_tasks, THEMES[0]).data
    assert list(fine.x) == list(content.x) == [0, 1, 2]
    assert (fine.xaxis, content.xaxis, fine.showlegend, content.showlegend) == ("x", "x2", True, False)
    alone = drawn.layers_chart(layers.assign(task="content"), THEMES[0])
    assert [note.text for note in alone.layout.annotations] == ["what is shown", "chance 10%"]


@pytest.mark.parametrize("theme", THEMES)
def test_a_training_is_drawn_over_its_steps_in_panels(theme):
    names = ["fine", "content", "group:blur", "group:noise", "untouched-shift"]
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
    assert set(lines) == {"transformation", "content", "blur", "noise", "shift, untouched"}
    assert list(lines["content"].x) == [60, 120, 240, 480]
    np.testing.assert_allclose(lines["content"].y, [12, 22, 32, 2])
    np.testing.assert_allclose(lines["shift, untouched"].y, [0.12, 0.22, 0.32, 0.02])
    assert len({lines[name].yaxis for name in ("content", "blur", "shift, untouched")}) == 3
    assert lines["blur"].line.color == theme.group("blur"), "hues belong to groups"
    assert lines["transformation"].line.color == theme.text
    assert figure.layout.xaxis.type == "log", "each checkpoint has half the steps of the next"
    even = drawn.training_chart(rows.assign(step=rows["step"] * 0 + 100).query("name == 'fine'"), theme)
    assert even.layout.xaxis.type != "log"
    assert [words.text for words in even.layout.annotations] == ["transformation, by step"]


@pytest.mark.parametrize("theme", THEMES)
def test_answers_that_are_right_as_often_as_they_say_are_drawn_on_the_diagonal(theme):
    bins = pd.DataFrame({"called": [0.2, 0.7], "share": [0.2, 0.7], "weight": [0.75, 0.25]})
    bins = pd.concat([bins.assign(set="one"), bins.assign(set="two", share=0.5)])
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
    names = ["both together", "rest"] if "both" in parts else ["both together and rest"]  # of one repetition
    assert [t.name for t in figure.data] == ["content", "look", *names]
    assert list(figure.data[0].y) == [model_title(model) for model in models[::-1]]
    np.testing.assert_allclose(np.sum([t.x for t in figure.data], axis=0), 100)
    assert len({t.marker.color for t in figure.data}) == len(figure.data)
