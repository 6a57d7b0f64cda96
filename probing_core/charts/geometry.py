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
    figure = base_figure(theme, 400, legend={"orientation": "h", "y": -0.25})
    for i, (base, part) in enumerate(rows.groupby("base", sort=False)):
        color = theme.series(i)
        figure.add_trace(
            go.Scatter(
                x=part["layer"],
                y=part["value"] * 100,
                name=escape(base),
                mode="lines+markers",
                line={"color": color},
                marker={"symbol": SYMBOLS[i % len(SYMBOLS)], "size": 9},
                error_y=error_bar(part, color),
            )
        )
    figure.update_xaxes(title="layer", dtick=1)
    figure.update_yaxes(title="balanced accuracy (%)", rangemode="tozero")
    return figure
