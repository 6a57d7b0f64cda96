"""Reliability diagram of predicted probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from probing_core.charts.figure import PERCENT, Figure, base_figure, escape, legend_below
from probing_core.charts.theme import SYMBOLS, Theme


def reliability_chart(bins: pd.DataFrame, theme: Theme) -> Figure:
    """Draw a reliability diagram: the fraction of edited images against the predicted probability of an edit.

    Args:
        bins: table with the columns ``set`` (name of the line), ``stated`` (predicted probability), ``fraction``
            (of edited images) and ``weight`` (determines the area of the mark), as fractions.
    """
    diagonal = {"x": [0, 100], "y": [0, 100], "mode": "lines", "line": {"color": theme.muted, "width": 1}}
    traces: list[dict[str, Any]] = [diagonal | {"type": "scatter", "hoverinfo": "skip", "showlegend": False}]
    for place, (name, rows) in enumerate(bins.groupby("set", sort=False)):
        weight = rows["weight"].to_numpy(float)
        traces.append({
            "type": "scatter",
            "name": escape(str(name)),
            "x": 100 * rows["stated"].to_numpy(float),
            "y": 100 * rows["fraction"].to_numpy(float),
            "customdata": 100 * weight,
            "mode": "lines+markers",
            "line": {"color": theme.series(place), "width": 1.5},
            "marker": {"symbol": SYMBOLS[place % len(SYMBOLS)], "size": 5 + 30 * np.sqrt(weight), "opacity": 0.85},
            "hovertemplate": "predicted %{x:.0f}%, edited %{y:.0f}%, %{customdata:.0f}% of the weight",
        })  # fmt: skip
    axes = ("predicted probability (%)", "fraction edited (%)")
    horizontal, vertical = ({"title": title, "range": list(PERCENT)} for title in axes)
    return base_figure(theme, 420, traces, horizontal, vertical, legend=legend_below())
