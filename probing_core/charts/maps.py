"""Maps of one to four models in one figure, so that one selection and one graphics context serve all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from probing_core.charts.figure import Figure, escape, trace_id
from probing_core.charts.panels import axes_of, paneled_figure
from probing_core.charts.theme import SYMBOLS, Theme

Styles = dict[str, tuple[str, str]]
"""Category -> (color, symbol)."""

HEIGHT = 560
"""Pixels of a figure with one row of panels."""

FADED = 0.08
"""Opacity of what is not selected."""

MAX_ENLARGED = 200
"""Up to so many selected points are drawn larger; more would hide each other."""


def map_chart(
    maps: dict[str, pd.DataFrame],
    theme: Theme,
    styles: Styles | None = None,
    unit: str = "",
    selected: ArrayLike = (),
    arrows: pd.DataFrame | None = None,
    marks: pd.DataFrame | None = None,
    revision: str = "",
) -> Figure:
    """Draw the points of each model in a panel of its own; each carries its sample in customdata.

    Args:
        maps: model -> ``sample``, ``x``, ``y``, ``category`` (or a number ``amount``) and ``hover`` text.
        styles: the categories in the order of the legend; None colors by ``amount``.
        unit: what ``amount`` is, for the color bar.
        selected: samples to emphasize; all others fade.
        arrows: ``model``, ``x``, ``y``, ``to_x``, ``to_y``: from clean to transformed.
        marks: ``model``, ``x``, ``y``, ``name``: pictures that are not of the run, drawn as stars.
        revision: what the points are of; zoom and tool stay as they are as long as it and the models do.
    """
    columns = 1 if len(maps) == 1 else 2
    chosen = np.asarray(selected)
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
        showlegend=styles is not None,
        legend={"itemsizing": "constant", "font": {"size": 12}, "tracegroupgap": 2},
        hovermode="closest",
        clickmode="event",
        uirevision="/".join([revision, *map(escape, maps)]),
    )
    for i, (model, points) in enumerate(maps.items()):
        axes = axes_of(i)
        traces = _by_category(points, styles, i == 0) if styles else [_by_amount(points, theme, unit, i == 0)]
        figure["data"] += [
            trace | axes | _emphasis(trace["customdata"], chosen) | trace_id(model, trace.get("name", ""))
            for trace in traces
        ]
        if marks is not None:
            figure["data"].append(_stars(marks[marks["model"] == model], theme) | axes | trace_id(model, "marks/"))
        if arrows is not None:
            figure["layout"]["annotations"] += _arrows(arrows[arrows["model"] == model], theme, axes)
    return figure


def _by_category(points: pd.DataFrame, styles: Styles, first: bool) -> list[dict[str, Any]]:
    traces = []
    categories = points["category"].to_numpy(object)
    columns = _columns(points)
    for category, (color, symbol) in styles.items():
        rows = np.flatnonzero(categories == category)
        if not len(rows):
            continue
        marker = {"color": color, "symbol": symbol, "size": _size(len(points)), "opacity": 0.85}
        name = escape(category)
        trace = _trace({name: values[rows] for name, values in columns.items()}, marker)
        traces.append(trace | {"name": name, "legendgroup": name, "showlegend": first})
    return traces


def _by_amount(points: pd.DataFrame, theme: Theme, unit: str, first: bool) -> dict[str, Any]:
    marker = {
        "color": points["amount"].to_numpy(np.float32),
        "colorscale": "Viridis" if theme.dark else "Cividis",
        "showscale": first,
        "colorbar": {"title": {"text": unit}, "thickness": 10, "outlinewidth": 0},
        "size": _size(len(points)),
        "opacity": 0.85,
    }
    return _trace(_columns(points), marker)


def _size(points: int) -> int:
    """Return the pixels of a marker: smaller where many would cover each other."""
    return 6 if points <= 2000 else 4


def _columns(points: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the arrays that a trace holds of its points."""
    return {
        "x": points["x"].to_numpy(np.float32).round(3),  # a map is tens wide: less than a pixel, in half the digits
        "y": points["y"].to_numpy(np.float32).round(3),
        "customdata": points["sample"].to_numpy(np.int32),
        "text": np.array([escape(text) for text in points["hover"]], object),
    }


def _trace(columns: dict[str, np.ndarray], marker: dict[str, Any]) -> dict[str, Any]:
    style = {"mode": "markers", "marker": marker, "hovertemplate": "%{text}<extra></extra>"}
    return {"type": "scattergl", **columns, **style}


def _emphasis(samples: np.ndarray, selected: np.ndarray) -> dict[str, Any]:
    if not len(selected):
        return {}
    return {
        "selectedpoints": np.flatnonzero(np.isin(samples, selected)).tolist(),
        "selected": {"marker": {"opacity": 1} | ({"size": 11} if len(selected) <= MAX_ENLARGED else {})},
        "unselected": {"marker": {"opacity": FADED}},
    }


def _stars(marks: pd.DataFrame, theme: Theme) -> dict[str, Any]:
    names = [escape(name) for name in marks["name"]]
    return {
        "type": "scatter",
        "x": marks["x"].to_numpy(float),
        "y": marks["y"].to_numpy(float),
        "mode": "markers+text",
        "marker": {
            "symbol": "star",
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


def _arrows(arrows: pd.DataFrame, theme: Theme, axes: dict[str, str]) -> list[dict[str, Any]]:
    x, y = axes.values()
    return [
        {
            "x": a.to_x, "y": a.to_y, "ax": a.x, "ay": a.y, "xref": x, "yref": y, "axref": x, "ayref": y,
            "showarrow": True, "arrowhead": 2, "arrowsize": 1, "arrowwidth": 1.2, "arrowcolor": theme.text,
            "opacity": 0.7, "text": "",
        }
        for a in arrows.itertuples()
    ]  # fmt: skip


def category_styles(categories: Sequence[str], theme: Theme) -> Styles:
    """Return the styles of labels that have no group: colors repeat after eight, symbols after ten."""
    return {c: (theme.series(i), SYMBOLS[(i // 8 + i) % len(SYMBOLS)]) for i, c in enumerate(categories)}
