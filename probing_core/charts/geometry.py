"""Charts of the shift of embeddings, and of layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from probing_core.charts.figure import (
    Figure,
    axis_style,
    base_figure,
    chance_line,
    error_bar,
    escape,
    legend_below,
    model_label,
    percent,
)
from probing_core.charts.labels import place_labels
from probing_core.charts.panels import axes_of, paneled_figure
from probing_core.charts.theme import Theme

MAX_BARS = 6
"""Lines whose intervals can be distinguished; those of more lines stand in the hover alone."""


LAYER_TASKS = {"fine": "what was done", "content": "what is shown"}
"""Tasks that are shown by layer, and the titles of their panels."""


def shift_chart(points: pd.DataFrame, theme: Theme) -> Figure:
    """Draw each transform by how far it moves the embedding, and how well the probe recognizes it.

    Args:
        points: ``transform``, ``group``, ``value`` (normalized shift), ``value_recall`` (fraction).
    """
    styles = theme.members(list(points["transform"]), list(points["group"]))
    names = list(points["transform"])
    labels = place_labels(
        points["value"], points["value_recall"], names, x_range=(0.0, points["value"].max()), y_range=(0.0, 1.0)
    )
    places = dict(zip(names, labels, strict=True))
    traces = [
        {
            "type": "scatter",
            "x": rows["value"].to_numpy(float),
            "y": percent(rows["value_recall"]),
            "name": escape(group),
            "mode": "markers+text",
            "text": [escape(places[t][0]) for t in rows["transform"]],
            "textposition": [places[t][1] for t in rows["transform"]],
            "textfont": {"size": 11, "color": theme.text},
            "customdata": [escape(t) for t in rows["transform"]],
            "marker": {
                "color": [styles[t][0] for t in rows["transform"]],
                "symbol": [styles[t][1] for t in rows["transform"]],
                "size": 11,
            },
            "hovertemplate": "%{customdata}: shift %{x:.2f}, recognized %{y:.0f} %<extra></extra>",
        }
        for group, rows in points.groupby("group", sort=False)
    ]
    return base_figure(
        theme,
        500,
        traces,
        {"title": "shift (1: as far as another picture)", "rangemode": "tozero"},
        {"title": "recognized (%)", "range": [-5, 106]},  # names below 0 have room
        showlegend=False,
    )


def layers_chart(rows: pd.DataFrame, theme: Theme) -> Figure:
    """Draw a panel a task, in it a line for each model over its layers, with intervals.

    Args:
        rows: ``task``, ``base`` (model without layer), ``layer``, ``value``, ``low``, ``high``, ``chance`` (fractions).
    """
    tasks = [task for task in LAYER_TASKS if (rows["task"] == task).any()]
    shapes, traces = [], []
    for panel, task in enumerate(tasks):
        of_task, axes = rows[rows["task"] == task], axes_of(panel)
        for trace in _accuracy_traces(of_task, "base", "layer", theme):
            traces.append(trace | axes | {"legendgroup": trace["name"], "showlegend": panel == 0})
        shapes.append(chance_line(float(of_task["chance"].iloc[0]) * 100, theme, axes))
    figure = paneled_figure(
        theme,
        [f"{LAYER_TASKS[task]}, by block" for task in tasks],
        len(tasks),
        400 + 10 * rows["base"].nunique(),
        (0.08, 0.0),
        {},
        {"rangemode": "tozero"},
        legend=legend_below(),
        shapes=shapes,
    )
    figure["data"] = traces
    words = axis_style(theme, "balanced accuracy (%)")["title"]
    figure["layout"]["yaxis"]["title"] = words  # of all panels; beside the first
    return _single_out(figure, theme)


def _accuracy_traces(rows: pd.DataFrame, series: str, along: str, theme: Theme) -> list[dict[str, Any]]:
    codes, names = pd.factorize(rows[series])
    styles = theme.model_styles(names)
    # Arrays: pandas takes half a millisecond for each column of each model.
    along_x, share = rows[along].to_numpy(), rows[["value", "low", "high"]].to_numpy(float) * 100
    traces = []
    for code, name in enumerate(names):
        at = codes == code
        value, low, high = share[at].T
        color, symbol, dash = styles[str(name)]
        trace = {
            "type": "scatter",
            "x": along_x[at],
            "y": value,
            "name": model_label(str(name)),
            "mode": "lines+markers",
            "line": {"color": color, "dash": dash},
            "marker": {"symbol": symbol, "size": 9},
            "customdata": [f"{a:.1f} to {b:.1f}" for a, b in zip(low, high, strict=True)],
            "hovertemplate": "%{y:.1f} % (95 % interval %{customdata})",
        }
        bars = {"error_y": error_bar(value, low, high, color)} if len(names) <= MAX_BARS else {}
        traces.append(trace | bars)
    return traces


MAX_IN_LEGEND = 8
"""Largest number of lines that a legend alone distinguishes; of more, few are named beside the line."""

STEEP = 1.5
"""Percent that a line rises or falls to its last point from which on its name would cover it on one side."""

FADED = 0.4
"""Opacity of a line that is not named, and of its entry in the legend."""


def _single_out(figure: Figure, theme: Theme) -> Figure:
    """Return ``figure``, whose traces are lines, with the highest and the lowest line of each panel, on average, named
    at their right ends, and all others faded.

    A figure of up to `MAX_IN_LEGEND` lines stays as it is.
    """
    panels: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for trace in figure["data"]:
        lines = panels.setdefault(trace.get("xaxis", "x"), {})
        lines.setdefault(trace.get("legendgroup", trace["name"]), []).append(trace)
    if max(map(len, panels.values()), default=0) <= MAX_IN_LEGEND:
        return figure
    for lines in panels.values():
        means = {name: float(np.nanmean(np.concatenate([one["y"] for one in parts]))) for name, parts in lines.items()}
        sides = {max(means, key=means.__getitem__): "top left", min(means, key=means.__getitem__): "bottom left"}
        for name, parts in lines.items():
            if name in sides:
                parts[-1].update(_named(parts[-1], name, sides[name], theme))
            for part in parts:
                part.update({"line": part["line"] | {"width": 3}} if name in sides else {"opacity": FADED})
    return figure


def _named(trace: dict[str, Any], name: str, side: str, theme: Theme) -> dict[str, Any]:
    """Return what writes ``name`` beside the right end of a line: on ``side`` of it, or where the line itself does not
    come from."""
    order = np.argsort(trace["x"])
    end = int(order[-1])
    rise = float(trace["y"][end] - trace["y"][order[-2]]) if len(order) > 1 else 0.0
    if abs(rise) > STEEP:
        side = "top left" if rise > 0 else "bottom left"
    texts = [name if i == end else "" for i in range(len(trace["x"]))]
    font = {"size": 12, "color": theme.text, "weight": 600}
    return {"mode": "lines+markers+text", "text": texts, "textposition": side, "textfont": font, "cliponaxis": False}
