"""Panels of one figure, a model each. Plotly's own ``make_subplots`` takes ten times as long, on every change of a
page, since it checks and copies the figure panel by panel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from probing_core.charts.theme import Theme, axis_style, base_figure, escape

MENU = 24
"""Pixels above the titles of panels, where the chart's own menu is."""


def axes_of(panel: int) -> dict[str, str]:
    """What a trace says to be drawn in the panel with this number, from 0."""
    number = "" if panel == 0 else str(panel + 1)
    return {"xaxis": f"x{number}", "yaxis": f"y{number}"}


def paneled_figure(
    theme: Theme,
    titles: Sequence[str],
    columns: int,
    height: int,
    gaps: tuple[float, float],
    xaxis: dict[str, Any],
    yaxis: dict[str, Any],
    **layout: Any,
) -> go.Figure:
    """An empty figure with a panel under each of ``titles``, row by row from the upper left.

    Args:
        gaps: between two columns and between two rows, as fractions of the figure's width and height.
        xaxis, yaxis: what all horizontal and all vertical axes have in common.
    """
    rows = -(-len(titles) // columns)
    width = (1 - gaps[0] * (columns - 1)) / columns
    depth = (1 - gaps[1] * (rows - 1)) / rows
    annotations = []
    for panel, title in enumerate(titles):
        left = panel % columns * (width + gaps[0])
        top = 1 - panel // columns * (depth + gaps[1])
        x, y = axes_of(panel).values()
        layout[f"xaxis{x[1:]}"] = axis_style(theme) | xaxis | {"anchor": y, "domain": [left, min(1.0, left + width)]}
        layout[f"yaxis{y[1:]}"] = axis_style(theme) | yaxis | {"anchor": x, "domain": [max(0.0, top - depth), top]}
        annotations.append(
            {
                "text": escape(title),
                "x": left + width / 2,
                "y": top,
                "xref": "paper",
                "yref": "paper",
                "xanchor": "center",
                "yanchor": "bottom",
                "showarrow": False,
                "font": {"size": 13, "color": theme.text},
            }
        )
    layout["margin"] = {"l": 8, "r": 16, "t": 32 + MENU, "b": 8}
    return base_figure(theme, height + MENU, annotations=annotations, **layout)
