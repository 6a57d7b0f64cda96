"""Charts of more lines than shades and symbols distinguish: few are named, the others fade."""

from __future__ import annotations

from typing import Any

import numpy as np

from probing_core.charts.figure import Figure
from probing_core.charts.theme import Theme

MAX_IN_LEGEND = 8
"""Largest number of lines that a legend alone distinguishes; of more, few are named beside the line."""

STEEP = 1.5
"""Percent that a line rises or falls to its last point from which on its name would cover it on one side."""

FADED = 0.4
"""Opacity of a line that is not named, and of its entry in the legend."""


def single_out(figure: Figure, theme: Theme) -> Figure:
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
