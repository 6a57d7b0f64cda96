"""Chart of the edit score of an image, compared with the scores of clean and edited photographs."""

from __future__ import annotations

from typing import Any

import numpy as np

from probing_core.charts.figure import MARGIN_OF_RANGE, Figure, base_figure
from probing_core.charts.theme import Theme

CLEAN, EDITED = "Clean photographs", "Edited photographs"

HEIGHT = 162
MAX_MARKS = 1500
"""Maximum number of marks per row. If there are more scores, scores at evenly spaced ranks are drawn."""


def evidence_chart(score: float, clean_scores: np.ndarray, edited_scores: np.ndarray, theme: Theme) -> Figure:
    """Draw a strip plot with a tick for the score of each photograph, and a line at the edit score of an image.

    Args:
        score: edit score of the image.
        clean_scores: (N,) scores of clean photographs.
        edited_scores: (M,) scores of edited photographs. The array may be empty.
    """
    rows = {CLEAN: (clean_scores, theme.text)} | (
        {EDITED: (edited_scores, theme.warning)} if len(edited_scores) else {}
    )
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "x": _drawn(scores),
            "y": [name] * min(len(scores), MAX_MARKS),
            "marker": {
                "symbol": "line-ns",
                "size": 22,
                "opacity": 0.35,
                "line": {"width": 1, "color": color},
            },
            "hovertemplate": f"{name}: %{{x:.1f}}<extra></extra>",
            "showlegend": False,
        }
        for name, (scores, color) in rows.items()
    ]
    low, high = min(score, clean_scores.min(), *edited_scores), max(score, clean_scores.max(), *edited_scores)
    room = MARGIN_OF_RANGE * (high - low or 1.0)
    right = score > (low + high) / 2
    mark = {"xref": "x", "x0": score, "x1": score, "yref": "paper", "y0": 0, "y1": 1}
    label = {
        "x": score,
        "y": 1,
        "yref": "paper",
        "yanchor": "bottom",
        "xanchor": "right" if right else "left",
        "text": "<b>this image</b>",
        "showarrow": False,
        "font": {"color": theme.accent, "size": 13},
    }
    return base_figure(
        theme,
        HEIGHT,
        traces,
        {"title": "edit score (higher: more likely edited)", "range": [low - room, high + room], "zeroline": False},
        {"autorange": "reversed", "fixedrange": True, "showgrid": False},
        margin={"l": 8, "r": 22, "t": 28, "b": 8},
        shapes=[mark | {"type": "line", "line": {"color": theme.accent, "width": 3}}],
        annotations=[label],
        showlegend=False,
    )


def _drawn(scores: np.ndarray) -> np.ndarray:
    ordered = np.sort(scores)
    if len(ordered) <= MAX_MARKS:
        return ordered
    return ordered[np.linspace(0, len(ordered) - 1, MAX_MARKS).round().astype(int)]
