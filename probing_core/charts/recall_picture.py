"""The recall of each group as a picture for documents that show no chart of Plotly, such as a model card."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd

from probing_core.charts.theme import Theme

WIDTH, ROW, MARGIN = 6.4, 0.32, 0.9
"""Inches: of the picture, of a row, and of what is above and below the rows."""

DOTS = 150
"""Pixels an inch."""


def recall_picture(rows: pd.DataFrame) -> bytes:
    """Draw the recall of each group with its 95 % interval, and the share that guessing gives, as PNG.

    Args:
        rows: ``group``, ``value``, ``low``, ``high`` (NaN where there is no interval) and ``chance``, fractions.
    """
    from matplotlib.figure import Figure  # no pyplot: nothing global

    theme, places = Theme(), np.arange(len(rows))[::-1]
    figure = Figure((WIDTH, MARGIN + ROW * len(rows)), DOTS, layout="constrained")
    axes = figure.add_subplot()
    axes.axvline(100 * rows["chance"].iloc[0], color=theme.muted, linewidth=1, linestyle="--")
    for place, row in zip(places, rows.to_dict("records"), strict=True):
        color = theme.group(row["group"])
        if np.isfinite(row["low"]):
            axes.plot([100 * row["low"], 100 * row["high"]], [place, place], color=color, linewidth=2)
        axes.plot(100 * row["value"], place, "o", color=color, markersize=6)
    axes.set_yticks(places, rows["group"])
    axes.set_xlim(-2, 102)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel("recall, % of the test images, with 95 % interval; dashed: guessing")
    axes.grid(axis="x", linewidth=0.5, alpha=0.5)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
