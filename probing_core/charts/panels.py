"""Panels of one figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from probing_core.charts.figure import MARGIN, MENU, Figure, axis_style, base_figure, escape
from probing_core.charts.theme import Theme


def axes_of(panel: int) -> dict[str, str]:
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
) -> Figure:
    """Return a figure with an empty panel for each of ``titles``, row by row from the upper left.

    Args:
        gaps: between two columns and between two rows, as fractions of the figure's width and height.
        xaxis, yaxis: settings of all horizontal and all vertical axes, as in `base_figure`.
    """
    rows = -(-len(titles) // columns)
    width = (1 - gaps[0] * (columns - 1)) / columns
    depth = (1 - gaps[1] * (rows - 1)) / rows
    axes, annotations = {}, []
    for panel, title in enumerate(titles):
        left = panel % columns * (width + gaps[0])
        top = 1 - panel // columns * (depth + gaps[1])
        x, y = axes_of(panel).values()
        across, up = [left, min(1.0, left + width)], [max(0.0, top - depth), top]
        axes[f"xaxis{x[1:]}"] = axis_style(theme, **xaxis, anchor=y, domain=across)
        axes[f"yaxis{y[1:]}"] = axis_style(theme, **yaxis, anchor=x, domain=up)
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
    figure = base_figure(theme, height + MENU, annotations=annotations, **layout)
    figure["layout"] |= axes | {"margin": MARGIN | {"t": MARGIN["t"] + MENU}}
    return figure
