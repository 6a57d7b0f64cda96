from __future__ import annotations

import itertools
import re

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from probing_core.charts import Theme, star_chart
from probing_core.charts.labels import _box, _overlap
from probing_core.charts.stars import ALONE, AXES, FADED, HEIGHT, MOST_NAMED, RING_ANGLES

THEMES = [Theme(dark=False), Theme(dark=True)]
GROUPS = {"blur": 3, "noise": 3, "<b>tone</b>": 4}


def stars(models: int = 2) -> pd.DataFrame:
    """Each transformation has a mean and a trail of three steps in a direction of its own."""
    rows = []
    names = [(f"{group}-{i}", group) for group, count in GROUPS.items() for i in range(count)]
    for model in range(models):
        for place, (name, group) in enumerate(names):
            angle, length = 2 * np.pi * place / len(names), 1 + place
            for step, share in enumerate((0.6, 0.3, 0.6, 1.0)):
                x, y = share * length * np.cos(angle), share * length * np.sin(angle)
                rows.append((f"m{model}", name, group, step, x, y, f"{name} {step}", 0.5, 10 * place + step))
    columns = ["model", "transform", "group", "step", "x", "y", "hover", "share", "sample"]
    return pd.DataFrame(rows, columns=columns)


def trails(figure: go.Figure) -> list:
    return [trace for trace in figure.data if trace.customdata is not None]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("models", [1, 2, 7])
def test_each_model_has_a_panel_with_every_point_where_it_is(theme, models):
    figure = go.Figure(star_chart(stars(models), theme))
    titles = [a.text for a in figure.layout.annotations]
    assert titles == [f"m{i} · 50 % of the spread" for i in range(models)]
    expected = sorted(zip(*stars(models)[["sample", "x", "y"]].to_numpy().T, strict=True))
    found = [
        (carried, x, y)
        for trace in trails(figure)
        for carried, x, y in zip(trace.customdata, trace.x, trace.y, strict=True)
        if carried is not None
    ]
    assert np.allclose(sorted(found), expected)
    for panel in range(models):
        number = "" if panel == 0 else panel + 1
        x, y = figure.layout[f"xaxis{number}"].range, figure.layout[f"yaxis{number}"].range
        if models > 1:
            assert x[1] - x[0] == pytest.approx(y[1] - y[0]), "as wide as high"
        mine = stars(1)
        assert x[0] < mine["x"].min() < mine["x"].max() < x[1]
        assert y[0] < mine["y"].min() < mine["y"].max() < y[1]


def test_every_trail_begins_in_the_middle_and_leads_from_weak_to_strong():
    (trace,) = [t for t in trails(go.Figure(star_chart(stars(1), THEMES[0]))) if t.name == "blur"]
    lengths = np.hypot([np.nan if x is None else x for x in trace.x], [np.nan if y is None else y for y in trace.y])
    parts = np.split(lengths, np.flatnonzero(np.isnan(lengths)))
    trail, mean = parts[0], parts[1][1:]
    assert trail[0] == 0
    assert (np.diff(trail) > 0).all()
    assert len(mean) == 1
    assert max(trace.marker.size) == trace.marker.size[len(trail) + 1], "the mean is the large dot"


def test_the_chosen_transformation_stands_out_and_has_its_name():
    figure = go.Figure(star_chart(stars(2), THEMES[0], "noise-1"))
    bright = [t for t in trails(figure) if t.opacity is None]
    assert len(bright) == 2
    for trace in bright:
        assert {h.partition(" ")[0] for h in trace.hovertext if h} == {"noise-1"}
        assert "noise-1" in trace.text
    assert {t.opacity for t in trails(figure)} == {None, FADED}
    legend = [t for t in figure.data if t.showlegend is not False]
    assert [t.legendgroup for t in legend] == list(dict.fromkeys(t.name for t in trails(figure)))
    assert all(t.opacity is None for t in legend), "the legend keeps its colors"


def test_names_do_not_cover_each_other():
    figure = star_chart(stars(1), THEMES[0])
    across, up = figure["layout"]["xaxis"]["range"], figure["layout"]["yaxis"]["range"]
    high = ALONE - AXES
    wide = high * (across[1] - across[0]) / (up[1] - up[0])
    pixels = lambda value, shown, size: (value - shown[0]) / (shown[1] - shown[0]) * size  # noqa: E731
    boxes = [
        _box(np.array([pixels(x, across, wide), pixels(y, up, high)]), text, side)
        for trace in figure["data"]
        if trace.get("customdata") is not None
        for x, y, text, side in zip(trace["x"], trace["y"], trace["text"], trace["textposition"], strict=True)
        if text
    ]
    assert len(boxes) >= 6
    assert not [pair for pair in itertools.combinations(boxes, 2) if _overlap(*pair)]


@pytest.mark.parametrize(("models", "height"), [(1, ALONE), (2, HEIGHT)])
def test_the_longest_trails_alone_have_names_and_rings_a_scale(models, height, monkeypatch):
    monkeypatch.setitem(MOST_NAMED, height, 3)
    figure = go.Figure(star_chart(stars(models), THEMES[0]))
    names = {text for trace in trails(figure) for text in trace.text if text}
    assert names == {"&lt;b&gt;tone&lt;/b&gt;-1", "&lt;b&gt;tone&lt;/b&gt;-2", "&lt;b&gt;tone&lt;/b&gt;-3"}
    rings = [trace for trace in figure.data if trace.mode == "text"]
    assert len(rings) == models
    points = np.vstack([stars(1)[["x", "y"]].to_numpy(), [[0, 0]]])
    across, up = figure.layout.xaxis.range, figure.layout.yaxis.range
    for trace in rings:
        assert all(re.fullmatch(r"\d+ %", text) for text in trace.text)
        lengths = np.hypot(trace.x, trace.y) ** 2
        assert [f"{length:.0%}".replace("%", " %") for length in lengths] == list(trace.text)

        def free(x, y):
            return min(np.hypot(*(points - [a, b]).T).min() for a, b in zip(x, y, strict=True))

        others = [(np.cos(np.radians(a)) * lengths**0.5, np.sin(np.radians(a)) * lengths**0.5) for a in RING_ANGLES]
        shown = [(x, y) for x, y in others if (abs(x) < 0.85 * across[1]).all() and (abs(y) < 0.85 * up[1]).all()]
        assert len(shown) > 3
        assert free(trace.x, trace.y) >= max(free(*other) for other in shown) - 1e-9, "where trails are farthest"
    chosen = go.Figure(star_chart(stars(models), THEMES[0], "blur-0"))
    assert "blur-0" in {text for trace in trails(chosen) for text in trace.text}, "though it is the shortest"


def test_names_are_data():
    figure = go.Figure(star_chart(stars(1), THEMES[0]))
    assert "<b>" not in figure.to_json().replace("\\u003c", "<")
