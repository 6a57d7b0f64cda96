"""Chart of the variance components of embeddings."""

from __future__ import annotations

import pandas as pd

from probing_core.charts.figure import Figure, base_figure, legend_below, model_label, percent
from probing_core.charts.theme import Theme
from probing_core.measures.notation import interval_in_percent

PARTS = {"content": "content", "look": "appearance", "both": "interaction", "rest": "residual (strength)"}
UNSEPARATED = "interaction and residual"
"""Name of the residual in runs with a single repetition, where the residual includes the interaction."""


def variance_chart(rows: pd.DataFrame, theme: Theme) -> Figure:
    """Draw a stacked bar with the variance components of each model.

    Args:
        rows: table with the columns ``model`` (from top to bottom), ``part``, ``value``, ``low`` and ``high``
            (fractions).
    """
    bars = list(dict.fromkeys(rows["model"]))[::-1]
    separated = bool((rows["part"] == "both").any())
    titles = PARTS if separated else PARTS | {"rest": UNSEPARATED}
    # Use a lighter gray for a separate residual. The opacity is part of the color, so it also applies to the legend.
    gray = f"{theme.muted}73" if separated else theme.muted
    colors = {"content": theme.accent, "look": theme.warning, "both": theme.text, "rest": gray}
    traces = []
    for part, title in titles.items():
        some = rows[rows["part"] == part].set_index("model").reindex(bars)
        if some["value"].isna().all():
            continue
        value = percent(some["value"])
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": title,
                "x": value,
                "y": [model_label(b) for b in bars],
                "text": [f"{v:.0f}" if v >= 5 else "" for v in value],
                "textposition": "inside",
                "insidetextanchor": "middle",
                "textangle": 0,
                "textfont": {"color": theme.text if part == "rest" and separated else theme.background},
                "marker": {"color": colors[part]},
                "customdata": list(map(interval_in_percent, some["low"], some["high"])),
                "hovertemplate": f"%{{y}}: {title} %{{x:.1f}}% (%{{customdata}})<extra></extra>",
            }
        )
    return base_figure(
        theme,
        140 + 32 * len(bars),
        traces,
        {"title": "fraction of the variance (%)", "range": [0, 100]},
        {"showgrid": False},
        barmode="stack",
        bargap=0.25,
        legend=legend_below() | {"traceorder": "normal"},
    )
