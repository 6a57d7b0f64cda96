"""Placement of point labels without overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PLOT = (280, 250)
"""Width and height of a plot on a phone, in pixels.

The page width is not known when labels are placed. Labels that do not overlap on a phone do not overlap on wider
pages either.
"""

CHARACTER_PX = 6.0
"""Assumed width of a character in pixels."""

LINE_PX = 14.0
"""Height of a line of text in pixels."""

LABEL_GAP_PX = 9.0
"""Distance between a point and its label in pixels."""

EDGE_PX = 20.0
"""Distance between the right end of the axis and the edge of the plot in pixels."""

MARK_RADIUS_PX = 6.5
"""Radius of a point in pixels."""

POSITIONS = {
    "middle right": (LABEL_GAP_PX, -LINE_PX / 2),
    "top right": (0.0, LABEL_GAP_PX),
    "bottom right": (0.0, -LABEL_GAP_PX - LINE_PX),
}
"""Plotly ``textposition``, best first -> offset in pixels from a point to the lower left corner of its label."""

LEFT_POSITIONS = {
    "middle left": (LABEL_GAP_PX, -LINE_PX / 2),
    "top left": (0.0, LABEL_GAP_PX),
    "bottom left": (0.0, -LABEL_GAP_PX - LINE_PX),
}
"""Like `POSITIONS`, for labels on the left. Offsets are mirrored and refer to the lower right corner of the label."""


def place_labels(
    x: np.ndarray,
    y: np.ndarray,
    texts: Sequence[str],
    plot: tuple[float, float] = PLOT,
    left: bool = False,
    lines: np.ndarray | None = None,
) -> list[tuple[str, str]]:
    """Choose positions for labels so that they do not overlap.

    Labels with the fewest free positions are placed first.

    Args:
        x, y: coordinates of the points, as fractions of the axis ranges.
        texts: label of each point.
        plot: width and height of the plot in pixels.
        left: whether labels can be placed to the left of their points.
        lines: (M, 4) horizontal and vertical lines that labels must not cross. Each row contains the x and y
            coordinates of the lower left end and of the upper right end, as fractions of the axis ranges.

    Returns:
        Text and Plotly ``textposition`` for each point. The text is empty if there is no space for the label.
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
    moved = at[:, None, 0] * (1 - PLOT[0] / plot[0])  # scale positions to a plot on a phone
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
    """Return whether the boxes ``a`` and ``b`` (..., 4) overlap. Boxes are (left, lower, right, upper) in pixels."""
    return np.asarray(((a[..., :2] < b[..., 2:]) & (b[..., :2] < a[..., 2:])).all(-1))
