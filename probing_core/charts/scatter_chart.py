"""Scatter plots of two quantities for models or transformations."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd

from probing_core.charts.figure import (
    Figure,
    base_figure,
    error_bar,
    escape,
    legend_below,
    legend_mark,
    model_label,
    percent,
)
from probing_core.charts.labels import place_labels
from probing_core.charts.theme import Theme
from probing_core.measures.notation import BASELINE, TOO_FEW, interval_in_percent, model_title

LABEL_PADDING = "\N{NO-BREAK SPACE}" * 2
"""Spaces between a mark and its label."""

PLOT_PX = (560, 440)
"""Plot size in pixels for placing the labels of models."""

LEGEND_SYMBOLS = ("diamond", "square", "star", "triangle-up")
"""Symbols of transformations without a label, which are listed in the legend."""

WIDE_PX = (800, 480)
"""Plot size in pixels for placing the labels of transformations, which are shorter."""


def scatter_chart(points: pd.DataFrame, theme: Theme, x: str, y: str, titles: tuple[str, str]) -> Figure:
    """Draw a mark with two 95% CIs for each model. Models whose labels do not fit are listed in the legend.

    Args:
        points: table with the column ``model``, the columns ``x`` and ``y``, and the bounds of their intervals in
            columns that end in ``_low`` and ``_high`` (fractions).
        x, y: names of the columns on the horizontal and vertical axes.
        titles: titles of the two axes.
    """
    styles = theme.model_styles(points["model"])
    across, up = _ends(points, x), _ends(points, y)
    along, high = ((percent(points[column]) - ends[0]) / (ends[1] - ends[0]) for column, ends in ((x, across), (y, up)))
    titles_of = [model_title(model) for model in points["model"]]
    bars = np.vstack([_bars(points, x, along, high, across, 0), _bars(points, y, along, high, up, 1)])
    labels = place_labels(along, high, titles_of, PLOT_PX, left=True, lines=bars)
    traces = [
        _mark(row, x, y, titles, styles[row["model"]].color, theme, label)
        for row, label in zip(points.to_dict("records"), labels, strict=True)
    ]
    return base_figure(
        theme,
        560,
        traces,
        {"title": titles[0], "range": list(across), "zeroline": False},
        {"title": titles[1], "range": list(up), "zeroline": False},
        legend=legend_below(),
        showlegend=any(not text for text, _ in labels),
    )


def _bars(
    points: pd.DataFrame, column: str, along: np.ndarray, high: np.ndarray, ends: tuple[float, float], axis: int
) -> np.ndarray:
    """Return the intervals of a column as lines for `place_labels`. Missing intervals have zero length."""
    bars = np.column_stack([along, high, along, high])
    for place, end in ((axis, "low"), (axis + 2, "high")):
        values = percent(points[f"{column}_{end}"].fillna(points[column]))
        bars[:, place] = (values - ends[0]) / (ends[1] - ends[0])
    return bars


def _ends(points: pd.DataFrame, column: str) -> tuple[float, float]:
    low = float(percent(points[f"{column}_low"].fillna(points[column])).min())
    high = float(percent(points[f"{column}_high"].fillna(points[column])).max())
    room = 0.08 * (high - low) + 1
    return max(0.0, low - room), high + room


def _mark(
    row: dict[Any, Any], x: str, y: str, titles: tuple[str, str], color: str, theme: Theme, label: tuple[str, str]
) -> dict[str, Any]:
    text, position = label
    bars = {}
    for axis, column in (("x", x), ("y", y)):
        value, low, high = (np.array([100 * row[name]]) for name in (column, f"{column}_low", f"{column}_high"))
        bars[f"error_{axis}"] = error_bar(value, low, high, color, thickness=1, width=0)
    values = [
        f"{title}: {100 * row[column]:.1f} ({_interval(row, column)})"
        for title, column in zip(titles, (x, y), strict=True)
    ]
    return {
        "type": "scatter",
        "mode": "markers+text",
        "name": model_label(row["model"]),
        "x": [100 * row[x]],
        "y": [100 * row[y]],
        "text": [LABEL_PADDING + escape(text) + LABEL_PADDING if text else ""],
        "textposition": position,
        "textfont": {"size": 12, "color": theme.text},
        "cliponaxis": False,
        "marker": {"size": 11, "color": color, "symbol": "square" if row["model"].startswith(BASELINE) else "circle"},
        "customdata": [["<br>".join(values), escape(row["model"])]],
        "hovertemplate": f"{model_label(row['model'])}<br>%{{customdata[0]}}<extra></extra>",
        "showlegend": not text,
    } | bars


def _interval(row: dict[Any, Any], column: str) -> str:
    return interval_in_percent(row[f"{column}_low"], row[f"{column}_high"], missing=TOO_FEW)


def transformation_scatter(
    points: pd.DataFrame, theme: Theme, columns: tuple[str, str], titles: tuple[str, str]
) -> Figure:
    """Draw a mark for each transformation in the color of its group. Marks whose labels do not fit are in the legend.

    Args:
        points: table with the columns ``name`` and ``group``, and the two columns in ``columns``.
        columns: names of the columns on the horizontal and vertical axes. The second column contains fractions, which
            are drawn in percent.
        titles: titles of the two axes.
    """
    across, up = points[columns[0]].to_numpy(float), percent(points[columns[1]])
    end = 1.08 * float(across.max())
    labels = place_labels(across / end, (up + 5) / 110, list(points["name"]), WIDE_PX, left=True)
    unlabeled = [place for place, (text, _) in enumerate(labels) if not text]
    symbols = dict(zip(unlabeled, cycle(LEGEND_SYMBOLS)))
    colors = [theme.group(group) for group in points["group"]]
    marks = {
        "type": "scatter",
        "mode": "markers+text",
        "x": across,
        "y": up,
        "text": [LABEL_PADDING + escape(text) + LABEL_PADDING if text else "" for text, _ in labels],
        "textposition": [position for _, position in labels],
        "textfont": {"size": 11, "color": theme.text},
        "cliponaxis": False,
        "marker": {
            "size": 10,
            "color": colors,
            "symbol": [symbols.get(place, "circle") for place in range(len(points))],
        },
        "customdata": [
            escape(f"{name} ({group})") for name, group in zip(points["name"], points["group"], strict=True)
        ],
        "hovertemplate": "%{customdata}<br>shift %{x:.2f}, recall %{y:.1f}%<extra></extra>",
        "showlegend": False,
    }
    horizontal = {"title": titles[0], "range": [0, end], "zeroline": False}
    vertical = {"title": titles[1], "range": [-5, 105], "zeroline": False}
    keys = [
        legend_mark(escape(points["name"].iloc[place]), symbol, theme, colors[place])
        for place, symbol in symbols.items()
    ]
    legend = {"legend": legend_below(), "showlegend": True} if keys else {"showlegend": False}
    return base_figure(theme, 560, [marks, *keys], horizontal, vertical, **legend)
