"""Names next to points, where there is room for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

PLOT = (520, 320)
"""Pixels between the outermost points of a chart that is 640 wide, the narrowest on our pages. Labels are placed before
the width is known; those that do not overlap here do not on a wider page."""

CHARACTER, LINE, GAP, EDGE = 6.0, 14.0, 9.0, 20.0
"""Pixels: width of a letter, height of a line, from a point to its label, from the last point to the right edge."""

POSITIONS = ("top right", "top left", "bottom right", "bottom left")
"""Clear of error bars, which are horizontal and vertical."""


def place_labels(
    x: pd.Series,
    y: pd.Series,
    texts: Sequence[str],
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    size: tuple[int, int] = PLOT,
) -> list[tuple[str, str]]:
    """Return for each point its text and Plotly's ``textposition``; the text is empty where it would cover another.

    Args:
        x, y: in the units of their axes.
        x_range, y_range: ranges of the axes, if larger than those of the points.
        size: pixels of these ranges.
    """
    at = np.column_stack([_pixels(x, size[0], x_range), _pixels(y, size[1], y_range)])
    taken = [(px - GAP, py - GAP, px + GAP, py + GAP) for px, py in at]  # by the points themselves
    placed = []
    for i, text in enumerate(texts):
        others = taken[:i] + taken[i + 1 :]
        boxes = {position: _box(at[i], text, position) for position in POSITIONS}
        inside = {p: box for p, box in boxes.items() if box[0] >= 0 and box[2] <= size[0] + EDGE}
        free = [p for p, box in inside.items() if not any(_overlap(box, other) for other in others)]
        if free:
            taken.append(boxes[free[0]])
        placed.append((text, free[0]) if free else ("", POSITIONS[0]))
    return placed


def _pixels(values: pd.Series, length: int, shown: tuple[float, float] | None) -> np.ndarray:
    numbers = values.to_numpy(float)
    low, high = shown or (numbers.min(initial=np.inf), numbers.max(initial=-np.inf))
    return (numbers - low) / (high - low or 1.0) * length


def _box(point: np.ndarray, text: str, position: str) -> tuple[float, float, float, float]:
    up, along = position.split()
    y = point[1] + (GAP if up == "top" else -GAP - LINE)
    width = CHARACTER * len(text)
    x = point[0] + (0 if along == "right" else -width)
    return x, y, x + width, y + LINE


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
