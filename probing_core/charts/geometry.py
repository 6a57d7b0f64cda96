"""How embeddings move, and what their layers know."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from probing_core.charts.labels import place_labels
from probing_core.charts.panels import axes_of, paneled_figure
from probing_core.charts.theme import Theme, base_figure, error_bar, escape, legend_below

MOST_BARS = 6
"""Lines whose intervals can be told from one another; those of more lines stand in the hover alone."""


LAYER_TASKS = {"fine": "which transformation", "content": "what is in the picture"}
"""Tasks that are shown by layer, and the titles of their panels."""


def shift_chart(points: pd.DataFrame, theme: Theme) -> go.Figure:
    """Each transform by how far it moves the embedding, and how well the probe tells it.

    Args:
        points: ``transform``, ``group``, ``value`` (normalized shift), ``value_recall`` (fraction).
    """
    figure = base_figure(theme, 500, legend=legend_below())
    looks = theme.members(list(points["transform"]), list(points["group"]))
    names = list(points["transform"])
    places = dict(zip(names, place_labels(points["value"], points["value_recall"], names), strict=True))
    for group, rows in points.groupby("group", sort=False):
        figure.add_trace(
            go.Scatter(
                x=rows["value"],
                y=rows["value_recall"] * 100,
                name=escape(group),
                mode="markers+text",
                text=[escape(places[t][0]) for t in rows["transform"]],
                textposition=[places[t][1] for t in rows["transform"]],
                textfont={"size": 11, "color": theme.text},
                customdata=rows["transform"].map(escape),
                marker={
                    "color": [looks[t][0] for t in rows["transform"]],
                    "symbol": [looks[t][1] for t in rows["transform"]],
                    "size": 11,
                },
                hovertemplate="%{customdata}: shift %{x:.2f}, told right %{y:.0f} %<extra></extra>",
            )
        )
    figure.update_xaxes(title_text="shift (1: as far as another picture)", rangemode="tozero")
    figure.update_yaxes(title_text="told right (%)", range=[0, 106])
    return figure


def layers_chart(rows: pd.DataFrame, theme: Theme) -> go.Figure:
    """A panel a task, in it a line for each model over its layers, with intervals.

    Args:
        rows: ``task``, ``base`` (model without layer), ``layer``, ``value``, ``low``, ``high``, ``chance`` (fractions).
    """
    tasks = [task for task in LAYER_TASKS if (rows["task"] == task).any()]
    figure = paneled_figure(
        theme,
        [LAYER_TASKS[task] for task in tasks],
        len(tasks),
        400 + 10 * rows["base"].nunique(),
        (0.08, 0.0),
        {"title_text": "layer"},
        {"rangemode": "tozero"},
        legend=legend_below(),
    )
    for panel, task in enumerate(tasks):
        part, axes = rows[rows["task"] == task], axes_of(panel)
        for trace in _accuracy_traces(part, "base", "layer", theme):
            figure.add_trace(trace.update(legendgroup=trace.name, showlegend=panel == 0, **axes))
        figure.add_shape(_chance(part, theme) | {"xref": f"{axes['xaxis']} domain", "yref": axes["yaxis"]})
    figure.update_layout(yaxis={"title_text": "balanced accuracy (%)"})
    return figure


def dimension_chart(rows: pd.DataFrame, theme: Theme) -> go.Figure:
    """A line for each model over the number of principal components, with intervals.

    Args:
        rows: ``model``, ``dimensions``, ``value``, ``low``, ``high`` (fractions), ``chance``.
    """
    figure = base_figure(theme, 400 + 10 * rows["model"].nunique(), legend=legend_below())
    figure.add_traces(_accuracy_traces(rows, "model", "dimensions", theme))
    ticks = [d for d in sorted(rows["dimensions"].unique()) if d & (d - 1) == 0]
    figure.update_xaxes(title_text="principal components", type="log", tickvals=ticks)
    figure.add_shape(_chance(rows, theme) | {"xref": "x domain"})
    figure.update_yaxes(title_text="balanced accuracy (%)", rangemode="tozero")
    return figure


def _accuracy_traces(rows: pd.DataFrame, series: str, along: str, theme: Theme) -> list[go.Scatter]:
    lines = rows[series].nunique()
    looks = theme.model_looks(rows[series])
    traces = []
    for name, part in rows.groupby(series, sort=False):
        color, symbol, dash = looks[str(name)]
        traces.append(
            go.Scatter(
                x=part[along],
                y=part["value"] * 100,
                name=escape(name),
                mode="lines+markers",
                line={"color": color, "dash": dash},
                marker={"symbol": symbol, "size": 9},
                error_y=error_bar(part, color) if lines <= MOST_BARS else None,
                customdata=[f"{low:.1f} to {high:.1f}" for low, high in part[["low", "high"]].to_numpy() * 100],
                hovertemplate="%{y:.1f} % (95 % interval %{customdata})",
            )
        )
    return traces


def _chance(rows: pd.DataFrame, theme: Theme) -> dict[str, Any]:
    """A dotted line across a panel."""
    height = float(rows["chance"].iloc[0]) * 100
    return {
        "type": "line",
        "x0": 0,
        "x1": 1,
        "y0": height,
        "y1": height,
        "line": {"dash": "dot", "color": theme.warning},
    }
