"""Maps of one to four models in one figure, so that one graphics context serves all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd

from probing_core.charts.figure import Figure, escape, trace_id
from probing_core.charts.panels import axes_of, paneled_figure
from probing_core.charts.theme import SYMBOLS, Theme

Styles = dict[str, tuple[str, str]]
"""Category -> (color, symbol)."""

STAR = "star"
"""The symbol of pictures that are not of the run, which no group has."""

HEIGHT = 560
"""Pixels of a figure with one row of panels."""


def map_chart(
    maps: dict[str, pd.DataFrame],
    theme: Theme,
    styles: Styles,
    marks: pd.DataFrame | None = None,
    revision: str = "",
) -> Figure:
    """Draw the points of each model in a panel of its own; each carries its sample in customdata.

    Args:
        maps: model -> ``sample``, ``x``, ``y``, ``category`` and ``hover`` text.
        styles: the categories in the order of the legend.
        marks: ``model``, ``x``, ``y``, ``name``: pictures that are not of the run, drawn as stars.
        revision: what the points are of; zoom and tool stay as they are as long as it and the models do.
    """
    columns = 1 if len(maps) == 1 else 2
    rows = -(-len(maps) // columns)
    bare = {"showticklabels": False, "showgrid": False, "zeroline": False, "showline": False}
    figure = paneled_figure(
        theme,
        list(maps),
        columns,
        HEIGHT if rows == 1 else 2 * HEIGHT - 160,
        (0.03, 0.06),
        bare,
        bare,
        stacked=300,
        showlegend=True,
        legend={"itemsizing": "constant", "font": {"size": 12}, "tracegroupgap": 2},
        hovermode="closest",
        clickmode="event",
        uirevision="/".join([revision, *map(escape, maps)]),
    )
    for i, (model, points) in enumerate(maps.items()):
        axes = axes_of(i)
        figure["data"] += [trace | axes | trace_id(model, trace["name"]) for trace in _traces(points, styles, i == 0)]
        if marks is not None:
            figure["data"].append(_stars(marks[marks["model"] == model], theme) | axes | trace_id(model, "marks/"))
    return figure


def _traces(points: pd.DataFrame, styles: Styles, in_legend: bool) -> list[dict[str, Any]]:
    """Return a trace for each category that has points."""
    columns = {
        "x": points["x"].to_numpy(np.float32).round(3),  # a map is tens wide: less than a pixel, in half the digits
        "y": points["y"].to_numpy(np.float32).round(3),
        "customdata": points["sample"].to_numpy(np.int32),
        "text": np.array([escape(text) for text in points["hover"]], object),
    }
    size = 6 if len(points) <= 2000 else 4  # more would cover each other
    rows_of = points.groupby("category", sort=False, observed=True).indices
    return [
        {
            "type": "scattergl",
            **{column: values[rows_of[category]] for column, values in columns.items()},
            "mode": "markers",
            "marker": {"color": color, "symbol": symbol, "size": size, "opacity": 0.85},
            "hovertemplate": "%{text}<extra></extra>",
            "name": escape(category),
            "legendgroup": escape(category),
            "showlegend": in_legend,
        }
        for category, (color, symbol) in styles.items()
        if category in rows_of
    ]


def _stars(marks: pd.DataFrame, theme: Theme) -> dict[str, Any]:
    names = [escape(name) for name in marks["name"]]
    return {
        "type": "scatter",
        "x": marks["x"].to_numpy(float),
        "y": marks["y"].to_numpy(float),
        "mode": "markers+text",
        "marker": {
            "symbol": STAR,
            "size": 18,
            "color": theme.warning,
            "line": {"color": theme.background, "width": 1.5},
        },
        "text": names,
        "textposition": "top center",
        "textfont": {"color": theme.text, "size": 13},
        "hovertemplate": "%{text}<extra></extra>",
        "showlegend": False,
    }


def group_styles(groups: Iterable[str], theme: Theme) -> Styles:
    """Return the styles of groups: some colors are the same to many people, so each has a symbol, too."""
    symbols = cycle(symbol for symbol in SYMBOLS if symbol != STAR)
    return {group: (theme.group(group), symbol) for group, symbol in zip(groups, symbols, strict=False)}


def category_styles(categories: Sequence[str], theme: Theme) -> Styles:
    """Return the styles of labels that have no group: colors repeat after eight, symbols after ten."""
    return {c: (theme.series(i), SYMBOLS[(i // 8 + i) % len(SYMBOLS)]) for i, c in enumerate(categories)}
