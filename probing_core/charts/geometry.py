"""How embeddings move, and what their layers know."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from probing_core.charts.labels import place_labels
from probing_core.charts.theme import Theme, base_figure, error_bar, escape, legend_below

MOST_BARS = 6
"""Lines whose intervals can be told from one another; those of more lines stand in the hover alone."""


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
    """A line for each model over its layers, with intervals.

    Args:
        rows: ``base`` (model without layer), ``layer``, ``value``, ``low``, ``high`` (fractions).
    """
    figure = _accuracy_lines(rows, "base", "layer", theme)
    figure.update_xaxes(title_text="layer", dtick=1)
    return figure


def dimension_chart(rows: pd.DataFrame, theme: Theme) -> go.Figure:
    """A line for each model over the number of principal components, with intervals.

    Args:
        rows: ``model``, ``dimensions``, ``value``, ``low``, ``high`` (fractions), ``chance``.
    """
    figure = _accuracy_lines(rows, "model", "dimensions", theme)
    ticks = [d for d in sorted(rows["dimensions"].unique()) if d & (d - 1) == 0]
    figure.update_xaxes(title_text="principal components", type="log", tickvals=ticks)
    figure.add_hline(y=float(rows["chance"].iloc[0]) * 100, line={"dash": "dot", "color": theme.warning})
    return figure


def _accuracy_lines(rows: pd.DataFrame, series: str, along: str, theme: Theme) -> go.Figure:
    lines = rows[series].nunique()
    figure = base_figure(theme, 400 + 10 * lines, legend=legend_below())
    looks = theme.model_looks(rows[series])
    for name, part in rows.groupby(series, sort=False):
        color, symbol, dash = looks[str(name)]
        figure.add_trace(
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
    figure.update_yaxes(title_text="balanced accuracy (%)", rangemode="tozero")
    return figure
