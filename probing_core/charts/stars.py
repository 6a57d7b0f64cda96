"""The star of transformations, a panel for each model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from probing_core.charts.figure import Figure, escape, legend_below, trace_id
from probing_core.charts.labels import place_labels
from probing_core.charts.panels import axes_of, paneled_figure
from probing_core.charts.theme import Theme
from probing_core.measures.notation import in_percent

Span = tuple[float, float]

HEIGHT, ALONE, GAP = 310, 540, 34
"""Pixels from top to bottom of a panel among others and of one that stands alone, and between two of them, for the
title of the lower one."""

AXES, WIDEST = 20, 860
"""Pixels by which what a panel shows is smaller than the panel, and the widest panel: names are placed for that."""

EDGE = 0.06
"""Part of a panel's side along its edges where no ring is named."""

RING_ANGLES = np.arange(0, 360, 15)
"""Directions in degrees in which the lengths of rings may be written."""

MOST_NAMED = {HEIGHT: 7, ALONE: 16}
"""Height of a panel -> trails with a name beside them, the longest ones: more of them would cover each other."""

NAMED = 0.3
"""Part of the longest reach from which on a trail may have its name: near the middle it would cover others."""

RINGS = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Lengths around the middle that are marked, of which those are drawn that the longest offset reaches."""

MARGIN = 1.25
"""Side of what a panel shows over that of the square around all points: names stand outside of them."""

FADED = 0.15
"""Opacity of what is not chosen."""


def star_chart(stars: pd.DataFrame, theme: Theme, chosen: str = "") -> Figure:
    """Draw the mean offset of each transformation and its trail from weak to strong, a panel for each model, which is
    larger where it is the only one.

    Args:
        stars: ``model``, ``transform``, ``group``, ``step`` (0 the mean offset, then the trail), ``x``, ``y`` (already
            at the square root of their distance from the middle), ``hover``, ``share`` (fraction), ``sample`` (what a
            point carries, -1 for nothing).
        chosen: transformation that stands out.
    """
    models = list(stars["model"].unique())
    columns = min(3, len(models))
    rows = -(-len(models) // columns)
    panel_height = HEIGHT if len(models) > 1 else ALONE
    height = rows * panel_height + (rows - 1) * GAP + 50
    axis = {
        "showticklabels": False,
        "showgrid": False,
        "zeroline": False,
        "showline": False,
        "constrain": "domain",
    }
    shares = stars.groupby("model", sort=False)["share"].first()
    figure = paneled_figure(
        theme,
        [f"{model} · {in_percent(shares[model])} of the spread" for model in models],
        columns,
        height,
        (0.02, GAP / height),
        axis,
        axis,
        stacked=330,
        legend=legend_below() | {"itemsizing": "constant"},
        hovermode="closest",
        clickmode="event",
        shapes=[],
        uirevision="/".join(map(escape, models)),
    )
    groups = list(dict.fromkeys(stars["group"]))
    for panel, model in enumerate(models):
        axes = axes_of(panel)
        star = stars[stars["model"] == model]
        across, up = _shown(star, square=len(models) > 1)
        figure["layout"][f"xaxis{axes['xaxis'][1:]}"] |= {"range": across}
        figure["layout"][f"yaxis{axes['yaxis'][1:]}"] |= {"range": up, "scaleanchor": axes["xaxis"]}
        rings = [length for length in RINGS if _inside(_on_ring(length), across, up).any()]
        figure["layout"]["shapes"] += [_ring(length, theme, axes) for length in rings]
        names = _ring_names(rings, star, across, up, theme) | trace_id(model, "rings")
        traces = _groups(star, groups, theme, chosen, _named(star, across, up, chosen, panel_height))
        figure["data"] += [trace | axes for trace in (names, *traces)]
    figure["data"] += [_legend_entry(group, theme) for group in groups]
    return figure


def _groups(
    star: pd.DataFrame, groups: list[str], theme: Theme, chosen: str, named: dict[str, tuple[str, str]]
) -> list[dict[str, Any]]:
    """Return the traces of one panel: one for each group, the chosen transformation apart."""
    traces = []
    for group in groups:
        mine = star[star["group"] == group]
        for is_chosen in (False, True):
            part = mine[(mine["transform"] == chosen) == is_chosen]
            if part.empty:
                continue
            trace = _trails(part, theme, theme.group(group), named)
            trace |= {"name": escape(group), "legendgroup": escape(group), "showlegend": False}
            trace |= trace_id(str(star["model"].iloc[0]), f"{group}/{is_chosen}")
            traces.append(trace | ({"opacity": FADED} if chosen and not is_chosen else {}))
    return traces


def _legend_entry(group: str, theme: Theme) -> dict[str, Any]:
    """Return a trace of nothing, which stays in full color in the legend where trails are faded."""
    style = {"mode": "lines+markers", "marker": {"size": 9, "color": theme.group(group)}}
    entry = {"type": "scatter", "x": [None], "y": [None], "name": escape(group), "legendgroup": escape(group)}
    return entry | style | trace_id("", group)


def _shown(star: pd.DataFrame, square: bool) -> tuple[Span, Span]:
    """Return what the axes of a panel show: the middle and all points, in a rectangle as large as they need, or in a
    ``square``, so that panels beside each other have one size."""
    ends = np.array([[min(0.0, star[c].min()), max(0.0, star[c].max())] for c in ("x", "y")])
    sides = ends[:, 1] - ends[:, 0]
    halves = MARGIN * (np.full(2, sides.max()) if square else sides) / 2
    across, up = (
        (float(middle - (half or 1.0)), float(middle + (half or 1.0)))
        for middle, half in zip(ends.mean(axis=1), halves, strict=True)
    )
    return across, up


def _named(star: pd.DataFrame, across: Span, up: Span, chosen: str, height: int) -> dict[str, tuple[str, str]]:
    """Return the name at the end of trails and its side, by transformation; the chosen one and the longest come
    first."""
    tips = star.sort_values("step").groupby("transform", sort=False).tail(1)
    tips = tips.assign(radius=np.hypot(tips["x"], tips["y"])).sort_values("radius", ascending=False, kind="stable")
    tips = tips[(tips["radius"] >= NAMED * tips["radius"].max()) | (tips["transform"] == chosen)]
    tips = tips.sort_values("transform", key=lambda names: names != chosen, kind="stable").head(MOST_NAMED[height])
    texts = [str(name) for name in tips["transform"]]
    wide, high = across[1] - across[0], up[1] - up[0]
    scale = min((height - AXES) / high, (WIDEST if height == ALONE else height - AXES) / wide)
    labels = place_labels(tips["x"], tips["y"], texts, across, up, (round(scale * wide), round(scale * high)))
    return dict(zip(texts, labels, strict=True))


def _trails(part: pd.DataFrame, theme: Theme, color: str, named: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """Return a trace of some trails, each a line from the middle, and of their means, each a larger dot."""
    x, y, sizes, texts, sides, hovers, carried = ([] for _ in range(7))
    for name, rows in part.sort_values("step", kind="stable").groupby("transform", sort=False):
        trail, mean = rows[rows["step"] > 0], rows[rows["step"] == 0]
        drawn = trail if len(trail) else mean
        label, side = named.get(str(name), ("", "top right"))
        x += [0.0, *drawn["x"], None, *mean["x"], None]
        y += [0.0, *drawn["y"], None, *mean["y"], None]
        sizes += [0.0] + [3.0] * len(drawn) + [0.0] + [9.0] * len(mean) + [0.0]
        texts += [""] * len(drawn) + [escape(label), ""] + [""] * (len(mean) + 1)
        sides += [side] * (len(drawn) + len(mean) + 3)
        hovers += ["", *map(escape, drawn["hover"]), "", *map(escape, mean["hover"]), ""]
        carried += [None, *drawn["sample"].tolist(), None, *mean["sample"].tolist(), None]
    return {
        "type": "scatter",
        "mode": "lines+markers+text",
        "x": x,
        "y": y,
        "text": texts,
        "textposition": sides,
        "textfont": {"size": 11, "color": theme.text},
        "customdata": carried,
        "hovertext": hovers,
        "hovertemplate": "%{hovertext}<extra></extra>",
        "cliponaxis": False,
        "line": {"color": color, "width": 1.5},
        "marker": {"color": color, "size": sizes, "line": {"width": 0}},
    }


def _ring(length: float, theme: Theme, axes: dict[str, str]) -> dict[str, Any]:
    radius = float(np.sqrt(length))
    corners = {"x0": -radius, "x1": radius, "y0": -radius, "y1": radius}
    line = {"color": theme.grid, "width": 1}
    return {"type": "circle", "xref": axes["xaxis"], "yref": axes["yaxis"], "layer": "below", "line": line} | corners


def _on_ring(length: float) -> np.ndarray:
    """Return the places (directions, 2) at which the name of a ring may stand."""
    angles = np.radians(RING_ANGLES)
    return np.sqrt(length) * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _inside(places: np.ndarray, across: Span, up: Span) -> np.ndarray:
    """Return at which of the places (..., 2) a panel has room for a word."""
    ends = np.array([across, up])
    inset = EDGE * (ends[:, 1] - ends[:, 0])
    return np.all((places > ends[:, 0] + inset) & (places < ends[:, 1] - inset), axis=-1)


def _ring_names(rings: list[float], star: pd.DataFrame, across: Span, up: Span, theme: Theme) -> dict[str, Any]:
    """Return the length of each ring in percent, written in the direction in which points are farthest from them."""
    places = np.array([_on_ring(length) for length in rings]).reshape(len(rings), len(RING_ANGLES), 2)
    points = np.vstack([star[["x", "y"]].to_numpy(), [[0.0, 0.0]]])
    free = np.linalg.norm(places[:, :, None] - points, axis=3).min(axis=2)  # of each place from the nearest point
    free = np.where(_inside(places, across, up), free, -1.0)
    best = int(free.min(axis=0, initial=np.inf).argmax())
    return {
        "type": "scatter",
        "mode": "text",
        "x": places[:, best, 0],
        "y": places[:, best, 1],
        "text": [in_percent(length) for length in rings],
        "textfont": {"size": 10, "color": theme.muted},
        "hoverinfo": "skip",
        "showlegend": False,
    }
