"""How embeddings move, and what their layers know."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from probing_core.charts.theme import SYMBOLS, Theme, base_figure, error_bar, escape


def shift_chart(points: pd.DataFrame, theme: Theme) -> go.Figure:
    """Each transform by how far it moves the embedding, and how well the probe tells it.

    Args:
        points: ``transform``, ``group``, ``value`` (normalized shift), ``value_recall`` (fraction).
    """
    figure = base_figure(theme, 480, legend={"orientation": "h", "y": -0.2})
    looks = theme.members(list(points["transform"]), list(points["group"]))
    for group, rows in points.groupby("group", sort=False):
        figure.add_trace(
            go.Scatter(
                x=rows["value"],
                y=rows["value_recall"] * 100,
                name=escape(group),
                mode="markers+text",
                text=rows["transform"].map(escape),
                textposition="top center",
                textfont={"size": 10},
                marker={
                    "color": [looks[t][0] for t in rows["transform"]],
                    "symbol": [looks[t][1] for t in rows["transform"]],
                    "size": 11,
                },
                hovertemplate="%{text}: shift %{x:.2f}, told right %{y:.0f} %<extra></extra>",
            )
        )
    figure.update_xaxes(title="shift (1: as far as another picture)", rangemode="tozero")
    figure.update_yaxes(title="told right (%)", range=[0, 106])
    return figure


def layers_chart(rows: pd.DataFrame, theme: Theme) -> go.Figure:
    """A line for each model over its layers, with intervals.

    Args:
        rows: ``base`` (model without layer), ``layer``, ``value``, ``low``, ``high`` (fractions).
    """
    figure = _accuracy_lines(rows, "base", "layer", theme)
    figure.update_xaxes(title="layer", dtick=1)
    return figure


def dimension_chart(rows: pd.DataFrame, theme: Theme) -> go.Figure:
    """A line for each model over the number of principal components, with intervals.

    Args:
        rows: ``model``, ``dimensions``, ``value``, ``low``, ``high`` (fractions), ``chance``.
    """
    figure = _accuracy_lines(rows, "model", "dimensions", theme)
    ticks = [d for d in sorted(rows["dimensions"].unique()) if d & (d - 1) == 0]
    figure.update_xaxes(title="principal components", type="log", tickvals=ticks)
    figure.add_hline(y=float(rows["chance"].iloc[0]) * 100, line={"dash": "dot", "color": theme.warning})
    return figure


def _accuracy_lines(rows: pd.DataFrame, series: str, along: str, theme: Theme) -> go.Figure:
    figure = base_figure(theme, 400, legend={"orientation": "h", "y": -0.25})
    for i, (name, part) in enumerate(rows.groupby(series, sort=False)):
        color = theme.muted if str(name).startswith("baseline/") else theme.series(i)
        figure.add_trace(
            go.Scatter(
                x=part[along],
                y=part["value"] * 100,
                name=escape(name),
                mode="lines+markers",
                line={"color": color},
                marker={"symbol": SYMBOLS[i % len(SYMBOLS)], "size": 9},
                error_y=error_bar(part, color),
            )
        )
    figure.update_yaxes(title="balanced accuracy (%)", rangemode="tozero")
    return figure
