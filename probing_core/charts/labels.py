"""Names next to points, where there is room for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

PLOT = (240, 250)
"""Pixels between the outermost points of a chart on a phone. Labels are placed before anyone knows how wide the page
is, and what does not overlap there does not on a wider one."""

CHARACTER, LINE, GAP, EDGE, MARK = 6.0, 14.0, 9.0, 20.0, 6.5
"""Pixels: of a letter, of a line, from a point to its label, from the outermost point to the plot's right edge, and
from the middle of a point to its edge."""

POSITIONS = ("top right", "top left", "bottom right", "bottom left")
"""Clear of error bars, which are horizontal and vertical."""

AROUND = (*POSITIONS, "middle right", "middle left", "top center", "bottom center")
"""Positions for points without error bars."""


Box = tuple[float, float, float, float]
"""Left, lower, right and upper edge, in pixels."""


def place_labels(
    x: pd.Series,
    y: pd.Series,
    texts: Sequence[str],
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    size: tuple[int, int] = PLOT,
    positions: Sequence[str] = POSITIONS,
) -> list[tuple[str, str]]:
    """Return for each point its text and Plotly's ``textposition``; the text is empty where it would cover another.

    Texts with the fewest free places are placed first.

    Args:
        x, y: of the points, in the units of their axes.
        texts: what would stand beside each.
        x_range, y_range: what the axes show, if that is more than the points.
        size: pixels of what they show, across and up.
        positions: those to choose from, the best first.
    """
    at = np.column_stack([_pixels(x, size[0], x_range), _pixels(y, size[1], y_range)])
    points = [(px - MARK, py - MARK, px + MARK, py + MARK) for px, py in at]
    free: dict[int, dict[str, Box]] = {}
    for i, text in enumerate(texts):
        boxes = {position: _box(at[i], text, position) for position in positions}
        inside = {p: box for p, box in boxes.items() if box[0] >= 0 and box[2] <= size[0] + EDGE}
        others = points[:i] + points[i + 1 :]
        free[i] = {p: box for p, box in inside.items() if not any(_overlap(box, other) for other in others)}
    placed = dict.fromkeys(range(len(texts)), ("", positions[0]))
    while free := {i: boxes for i, boxes in free.items() if boxes}:
        i = min(free, key=lambda i: len(free[i]))
        position, taken = next(iter(free.pop(i).items()))
        placed[i] = texts[i], position
        free = {
            other: {p: box for p, box in boxes.items() if not _overlap(box, taken)} for other, boxes in free.items()
        }
    return list(placed.values())


def _pixels(values: pd.Series, length: int, shown: tuple[float, float] | None) -> np.ndarray:
    numbers = values.to_numpy(float)
    low, high = shown or (numbers.min(initial=np.inf), numbers.max(initial=-np.inf))
    return (numbers - low) / (high - low or 1.0) * length


def _box(point: np.ndarray, text: str, position: str) -> Box:
    up, along = position.split()
    width, aside = CHARACTER * len(text), GAP if up == "middle" else 0
    x = point[0] + {"right": aside, "center": -width / 2, "left": -aside - width}[along]
    y = point[1] + {"top": GAP, "middle": -LINE / 2, "bottom": -GAP - LINE}[up]
    return x, y, x + width, y + LINE


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
