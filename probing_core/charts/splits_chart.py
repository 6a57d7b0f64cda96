"""Chart of the number of photographs in each split."""

from __future__ import annotations

import pandas as pd

from probing_core.charts.figure import Figure, base_figure, escape
from probing_core.charts.theme import Theme

SPLIT_ROW = 44
"""Height of a bar, including the gap, in pixels."""


def splits_chart(counts: pd.DataFrame, theme: Theme) -> Figure:
    """Draw a bar for the number of photographs in each split.

    Args:
        counts: table with the columns ``label``, ``photographs`` and ``crops``. The first row is on top.
    """
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": counts["photographs"].to_numpy(),
        "y": [
            f"{escape(row.label)}<br>{row.photographs:,} photographs, {row.crops:,} crops"
            for row in counts.itertuples()
        ],
        "marker": {"color": theme.accent},
        "hoverinfo": "skip",
    }
    return base_figure(
        theme,
        80 + SPLIT_ROW * len(counts),
        [bars],
        {"title": "photographs", "rangemode": "tozero"},
        {"autorange": "reversed", "zeroline": False},
        showlegend=False,
        bargap=0.25,
    )
