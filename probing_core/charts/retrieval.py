"""Parts of the variance."""

from __future__ import annotations

import numpy as np
import pandas as pd

from probing_core.charts.figure import (
    Figure,
    base_figure,
    escape,
    legend_below,
    model_label,
    percent,
)
from probing_core.charts.theme import Theme

PARTS = {"content": "content", "look": "look", "both": "both together", "rest": "rest"}


def variance_chart(rows: pd.DataFrame, theme: Theme, along: str) -> Figure:
    """Draw one bar for each model or layer, of its parts of the variance.

    Args:
        rows: the column ``along``, whose values name the bars from the top, ``part``, ``value``, ``low``, ``high``
            (fractions).
    """
    bars = list(dict.fromkeys(rows[along]))[::-1]
    colors = {"content": theme.accent, "look": theme.warning, "both": theme.text, "rest": theme.muted}
    traces = []
    for part, title in PARTS.items():
        some = rows[rows["part"] == part].set_index(along).reindex(bars)
        if some["value"].isna().all():
            continue
        value = percent(some["value"])
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": title,
                "x": value,
                "y": [model_label(b) for b in bars] if along == "model" else [escape(b) for b in bars],
                "text": [f"{v:.0f}" if v >= 5 else "" for v in value],
                "textposition": "inside",
                "insidetextanchor": "middle",
                "textangle": 0,
                "textfont": {"color": theme.text if part == "rest" else theme.background},
                "marker": {"color": colors[part], "opacity": 0.45 if part == "rest" else 1},
                "customdata": [
                    f"95 % interval {100 * low:.1f} to {100 * high:.1f}" if np.isfinite(low) else "no interval"
                    for low, high in zip(some["low"], some["high"], strict=True)
                ],
                "hovertemplate": f"%{{y}}: {title} %{{x:.1f}} % (%{{customdata}})<extra></extra>",
            }
        )
    return base_figure(
        theme,
        140 + 32 * len(bars),
        traces,
        {"title": "share of the variance (%)", "range": [0, 100]},
        {"showgrid": False},
        barmode="stack",
        bargap=0.25,
        legend=legend_below() | {"traceorder": "normal"},
    )
