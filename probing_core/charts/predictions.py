"""What every model says of one picture, and how that moves with a strength."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from probing_core.charts.theme import SYMBOLS, Theme, base_figure, escape

PANELS = 3
"""Models side by side, unless a caller has less room."""


def predictions_chart(rows: pd.DataFrame, theme: Theme, top: int = 5, columns: int = PANELS) -> go.Figure:
    """The most probable classes of each model side by side.

    Args:
        rows: ``model``, ``class``, ``group``, ``probability``, most probable first within a model.
        top: how many classes.
        columns: how many models side by side.
    """
    models = list(dict.fromkeys(rows["model"]))
    columns = min(columns, len(models))
    lines = -(-len(models) // columns)
    figure = make_subplots(
        lines,
        columns,
        subplot_titles=[escape(m) for m in models],
        horizontal_spacing=0.14,
        shared_xaxes="all",
        figure=base_figure(theme, 60 + (34 * top + 50) * lines, showlegend=False),
    )
    for i, model in enumerate(models):
        best = rows[rows["model"] == model].head(top).iloc[::-1]
        figure.add_trace(
            go.Bar(
                x=best["probability"] * 100,
                y=best["class"].map(escape),
                orientation="h",
                marker={"color": [theme.group(g) for g in best["group"]]},
                text=[f"{p:.0%}" for p in best["probability"]],
                textposition="outside",
                cliponaxis=False,
                hovertemplate="%{y}: %{x:.1f} %<extra></extra>",
            ),
            row=i // columns + 1,
            col=i % columns + 1,
        )
    figure.update_xaxes(range=[0, 115], showticklabels=False, showgrid=False, zeroline=False)
    figure.update_yaxes(showgrid=False)
    return figure


def strength_chart(
    curve: pd.DataFrame,
    value: str,
    theme: Theme,
    title: str,
    axis: str,
    mark: float,
    bounds: tuple[str, str] | None = None,
    learned: tuple[float, float] | None = None,
) -> go.Figure:
    """One line a model over the strength.

    Args:
        curve: ``model``, ``strength`` and the column ``value``.
        title: of the vertical axis.
        axis: of the horizontal one.
        mark: the strength that is chosen.
        bounds: columns of the 95 % interval's ends, where there is one.
        learned: the range of strengths that probes learned from, to be shaded.
    """
    figure = base_figure(theme, 380, legend={"orientation": "h", "y": -0.25})
    for i, (model, rows) in enumerate(curve.groupby("model", sort=False)):
        color = theme.muted if str(model).startswith("baseline/") else theme.series(i)
        figure.add_trace(
            go.Scatter(
                x=rows["strength"],
                y=rows[value],
                name=escape(model),
                mode="lines+markers",
                line={"color": color, "width": 2},
                marker={"symbol": SYMBOLS[i % len(SYMBOLS)], "size": 8},
                error_y=_interval(rows, value, bounds, color) if bounds else None,
                hovertemplate="%{y:.3g} at %{x:.3g}",
            )
        )
    if learned is not None:
        figure.add_vrect(x0=learned[0], x1=learned[1], fillcolor=theme.muted, opacity=0.12, line_width=0, layer="below")
    figure.add_vline(x=mark, line={"dash": "dot", "color": theme.muted})
    figure.update_xaxes(title=axis)
    figure.update_yaxes(title=title, rangemode="tozero")
    return figure


def _interval(rows: pd.DataFrame, value: str, bounds: tuple[str, str], color: str) -> dict:
    low, high = bounds
    return {
        "type": "data",
        "symmetric": False,
        "array": rows[high] - rows[value],
        "arrayminus": rows[value] - rows[low],
        "thickness": 1.5,
        "width": 3,
        "color": color,
    }
