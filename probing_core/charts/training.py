"""Chart of the scores of an encoder by training step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from probing_core.charts.figure import MARGIN, Figure, chance_line, error_bar, escape, legend_below
from probing_core.charts.panels import axes_of, paneled_figure
from probing_core.charts.theme import SYMBOLS, Theme
from probing_core.measures.notation import GROUP_SUBSET, interval_text

PANELS = {
    "tasks": ("transformation and content", "balanced accuracy (%)"),
    "groups": ("by group of transformations", "recall (%)"),
    "shift": ("clean images", "shift (1: mean distance between photographs)"),
}
"""Name of a panel -> title of the panel, and title of its vertical axis."""

MAX_TICKS = 8
"""Maximum number of steps for which every step has a tick on a logarithmic axis."""

NAMES = {
    "fine": "transformation",
    "content": "content",
    "clean-shift": "shift of clean images",
}

LOG_RATIO = 1.5
"""Minimum median ratio between consecutive steps for a logarithmic axis."""


def training_chart(rows: pd.DataFrame, theme: Theme) -> Figure:
    """Draw scores by training step, with panels for transformation and content, groups, and the shift of clean images.

    Args:
        rows: table with the columns ``step``, ``name`` (``fine``, ``content``, ``group:...`` or ``clean-shift``),
            ``value``, ``low``, ``high`` and ``chance`` (fractions).
    """
    rows = rows.sort_values("step", kind="stable")
    panel_of = rows["name"].map(_panel)
    panels = [panel for panel in PANELS if (panel_of == panel).any()]
    traces = []
    for place, panel in enumerate(panels):
        panel_rows, axes = rows[panel_of == panel], axes_of(place)
        for i, name in enumerate(dict.fromkeys(panel_rows["name"])):
            traces.append(_line(panel_rows[panel_rows["name"] == name], panel, i, theme) | axes)
    titles = [PANELS[panel][0] for panel in panels]
    if "content" not in set(rows["name"]):
        titles[0] = titles[0].removesuffix(" and content")
    figure = paneled_figure(
        theme,
        [f"{title}, by step" for title in titles],
        430,
        0.09,
        traces,
        _scale(rows["step"]),
        [{"rangemode": "tozero", "title": PANELS[panel][1]} for panel in panels],
        legend=legend_below(),
    )
    chance = rows.loc[rows["name"] == "fine", "chance"]
    if panels[0] == "tasks" and len(chance):
        figure["layout"]["shapes"] = [chance_line(float(chance.iloc[0]) * 100, theme, axes_of(0))]
    figure["layout"]["margin"] = MARGIN | {"t": figure["layout"]["margin"]["t"], "l": 16}
    return figure


def _panel(name: str) -> str:
    if name.startswith(GROUP_SUBSET):
        return "groups"
    return "shift" if name == "clean-shift" else "tasks"


def _line(rows: pd.DataFrame, panel: str, place: int, theme: Theme) -> dict[str, Any]:
    name = str(rows["name"].iloc[0])
    share = 1 if panel == "shift" else 100
    value, low, high = (rows[column].to_numpy(float) * share for column in ("value", "low", "high"))
    if panel == "groups":
        title, color = name.removeprefix(GROUP_SUBSET), theme.group(name.removeprefix(GROUP_SUBSET))
    else:
        title = NAMES[name]
        color = theme.muted if name == "content" else theme.text
    unit, digits = ("", 2) if panel == "shift" else ("%", 1)
    return {
        "type": "scatter",
        "x": rows["step"].to_numpy(),
        "y": value,
        "name": escape(title),
        "mode": "lines+markers",
        "line": {"color": color, "dash": "dash" if name == "content" else "solid"},
        "marker": {"symbol": SYMBOLS[place % len(SYMBOLS)], "size": 8},
        "error_y": error_bar(value, low, high, color, thickness=1, width=2) | {"visible": panel != "groups"},
        "customdata": [
            f"(95% CI {text})" if (text := interval_text(a, b, f"{{:.{digits}f}}".format, "")) else "(no interval)"
            for a, b in zip(low, high, strict=True)
        ],
        "hovertemplate": f"step %{{x:,}}: %{{y:.{digits}f}}{unit} %{{customdata}}",
    }


def _scale(steps: pd.Series) -> dict[str, Any]:
    distinct = np.unique(steps.to_numpy())
    if len(distinct) < 3 or distinct[0] <= 0 or np.median(distinct[1:] / distinct[:-1]) < LOG_RATIO:
        return {}
    ticks = {"tickvals": distinct, "ticktext": [f"{step:,}" for step in distinct]} if len(distinct) <= MAX_TICKS else {}
    return {"type": "log"} | ticks
