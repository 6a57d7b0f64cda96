"""Names to the right of points, where there is room for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PLOT = (280, 250)
"""Pixels of what the axes show on a phone, across and up. Labels are placed before anyone knows how wide the page is,
and what does not overlap there does not on a wider one."""

CHARACTER, LINE, GAP, EDGE, MARK = 6.0, 14.0, 9.0, 20.0, 6.5
"""Pixels: of a letter, of a line, from a point to its label, from the right end of the axis to the plot's edge, and
from the middle of a point to its edge."""

POSITIONS = {"middle right": (GAP, -LINE / 2), "top right": (0.0, GAP), "bottom right": (0.0, -GAP - LINE)}
"""Plotly's ``textposition``, the best first -> pixels from a point to the left and lower edge of its label."""


Box = tuple[float, float, float, float]
"""Left, lower, right and upper edge, in pixels."""


def place_labels(x: np.ndarray, y: np.ndarray, texts: Sequence[str]) -> list[tuple[str, str]]:
    """Return for each point its text and Plotly's ``textposition``; the text is empty where it would cover another.

    Texts with the fewest free places are placed first.

    Args:
        x, y: of the points, as fractions of what the axes show.
        texts: what would stand beside each.
    """
    at = np.column_stack([x * PLOT[0], y * PLOT[1]])
    points = [(px - MARK, py - MARK, px + MARK, py + MARK) for px, py in at]
    free: dict[int, dict[str, Box]] = {}
    for i, text in enumerate(texts):
        boxes = {position: _box(at[i], text, position) for position in POSITIONS}
        inside = {p: box for p, box in boxes.items() if box[2] <= PLOT[0] + EDGE}
        others = points[:i] + points[i + 1 :]
        free[i] = {p: box for p, box in inside.items() if not any(_overlap(box, other) for other in others)}
    placed = dict.fromkeys(range(len(texts)), ("", next(iter(POSITIONS))))
    while free := {i: boxes for i, boxes in free.items() if boxes}:
        i = min(free, key=lambda i: len(free[i]))
        position, taken = next(iter(free.pop(i).items()))
        placed[i] = texts[i], position
        free = {
            other: {p: box for p, box in boxes.items() if not _overlap(box, taken)} for other, boxes in free.items()
        }
    return list(placed.values())


def _box(point: np.ndarray, text: str, position: str) -> Box:
    left, lower = point + np.array(POSITIONS[position])
    return left, lower, left + CHARACTER * len(text), lower + LINE


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
