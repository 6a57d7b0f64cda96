"""Placement of point labels without overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PLOT = (280, 250)
"""Width and height of the plot on a phone in pixels.

The page width is unknown when labels are placed, but labels that do not overlap on a phone do not overlap on wider
pages either. On a phone, no label is clipped.
"""

CHARACTER_PX = 6.0
"""Width of a character in pixels."""

LINE_PX = 14.0
"""Height of a line of text in pixels."""

LABEL_GAP_PX = 9.0
"""Distance in pixels from a point to its label."""

EDGE_PX = 20.0
"""Distance in pixels from the right end of the axis to the edge of the plot."""

MARK_RADIUS_PX = 6.5
"""Radius of a point in pixels."""

POSITIONS = {
    "middle right": (LABEL_GAP_PX, -LINE_PX / 2),
    "top right": (0.0, LABEL_GAP_PX),
    "bottom right": (0.0, -LABEL_GAP_PX - LINE_PX),
}
"""Plotly's ``textposition``, the best first -> pixels from a point to the left and lower edge of its label."""

LEFT_POSITIONS = {
    "middle left": (LABEL_GAP_PX, -LINE_PX / 2),
    "top left": (0.0, LABEL_GAP_PX),
    "bottom left": (0.0, -LABEL_GAP_PX - LINE_PX),
}
"""Plotly's ``textposition`` for labels to the left -> pixels from a point to the right and lower edge of its label."""


def place_labels(
    x: np.ndarray,
    y: np.ndarray,
    texts: Sequence[str],
    plot: tuple[float, float] = PLOT,
    left: bool = False,
    lines: np.ndarray | None = None,
) -> list[tuple[str, str]]:
    """Return the text and the Plotly ``textposition`` of each point; the text is empty if it would overlap another.

    Labels with fewer free positions are placed first.

    Args:
        x, y: coordinates of the points, as fractions of the axis ranges.
        texts: the label of each point.
        plot: width and height of the plot in pixels.
        left: whether labels may be to the left of their points.
        lines: (M, 4) ends of horizontal and vertical lines that no label may cross, as fractions: x and y of the lower
            left end, then of the upper right end.
    """
    at = np.column_stack([x, y]) * plot
    size = np.array([[CHARACTER_PX * len(text), LINE_PX] for text in texts]).reshape(-1, 1, 2)
    names, lower = list(POSITIONS), at[:, None] + np.array(list(POSITIONS.values()))
    if left:
        names += LEFT_POSITIONS
        offset = np.array(list(LEFT_POSITIONS.values())) * (-1, 1)
        lower = np.concatenate([lower, at[:, None] + offset - size * (1, 0)], axis=1)
    boxes = np.concatenate([lower, lower + size], axis=2)  # (points, positions, edges)
    covers = _overlap(boxes[:, :, None], np.hstack([at - MARK_RADIUS_PX, at + MARK_RADIUS_PX]))
    moved = at[:, None, 0] * (1 - PLOT[0] / plot[0])  # scale from this plot to a plot on a phone
    free = (
        (boxes[..., 0] - moved >= 0)
        & (boxes[..., 2] - moved <= PLOT[0] + EDGE_PX)
        & ~(covers & ~np.eye(len(at), dtype=bool)[:, None]).any(2)
    )
    if lines is not None:
        free &= ~_overlap(boxes[:, :, None], lines * np.tile(plot, 2)).any(2)
    placed = [("", names[0])] * len(texts)
    while free.any():
        point = int(np.where(free.any(1), free.sum(1), len(names) + 1).argmin())
        position = int(free[point].argmax())
        placed[point] = texts[point], names[position]
        free[point] = False
        free &= ~_overlap(boxes, boxes[point, position])
    return placed


def _overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return whether boxes (..., 4) overlap, each with its left, lower, right and upper edge in pixels."""
    return np.asarray(((a[..., :2] < b[..., 2:]) & (b[..., :2] < a[..., 2:])).all(-1))
