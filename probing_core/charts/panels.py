"""Figures with several panels."""

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
    height: int,
    gap: float,
    traces: Sequence[dict[str, Any]],
    xaxis: dict[str, Any],
    yaxes: Sequence[dict[str, Any]],
    **layout: Any,
) -> Figure:
    """Create a figure with panels side by side.

    Args:
        titles: title of each panel.
        height: height of the figure without its menu, in pixels.
        gap: distance between two panels, as a fraction of the width of the figure.
        traces: traces, each with the axes of its panel (see `axes_of`).
        xaxis: settings of all horizontal axes (see `axis_style`).
        yaxes: settings of the vertical axis of each panel.
    """
    width = (1 - gap * (len(titles) - 1)) / len(titles)
    axes, annotations = {}, []
    for panel, (title, yaxis) in enumerate(zip(titles, yaxes, strict=True)):
        left = panel * (width + gap)
        x, y = axes_of(panel).values()
        axes[f"xaxis{x[1:]}"] = axis_style(theme, **xaxis, anchor=y, domain=[left, min(1.0, left + width)])
        axes[f"yaxis{y[1:]}"] = axis_style(theme, **yaxis, anchor=x)
        annotations.append(
            {
                "text": escape(title),
                "x": left + width / 2,
                "y": 1,
                "xref": "paper",
                "yref": "paper",
                "xanchor": "center",
                "yanchor": "bottom",
                "showarrow": False,
                "font": {"size": 13, "color": theme.text},
            }
        )
    figure = base_figure(theme, height + MENU, traces, annotations=annotations, **layout)
    figure["layout"] |= axes | {"margin": MARGIN | {"t": MARGIN["t"] + MENU}}
    return figure
