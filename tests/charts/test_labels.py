"""Names beside points, where there is room."""

from __future__ import annotations

import numpy as np
import pytest

from probing_core.charts.labels import CHARACTER_PX, EDGE_PX, LABEL_GAP_PX, LINE_PX, MARK_RADIUS_PX, PLOT, place_labels


def boxes_of(x: np.ndarray, y: np.ndarray, placed: list[tuple[str, str]]) -> list[tuple[float, float, float, float]]:
    """Where Plotly writes the texts that are placed: left, lower, right and upper edge."""
    found = []
    for at, up, (text, position) in zip(x * PLOT[0], y * PLOT[1], placed, strict=True):
        if not text:
            continue
        vertical = position.removesuffix(" right")
        left = at + (LABEL_GAP_PX if vertical == "middle" else 0)
        lower = {"top": up + LABEL_GAP_PX, "middle": up - LINE_PX / 2, "bottom": up - LABEL_GAP_PX - LINE_PX}[vertical]
        found.append((left, lower, left + CHARACTER_PX * len(text), lower + LINE_PX))
    return found


@pytest.mark.parametrize("left", [False, True])
def test_no_name_is_cut_on_a_phone_where_labels_are_placed_for_a_wide_plot(left):
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0, 1, (2, 30))
    texts = [f"transformation {i}" for i in range(30)]
    placed = place_labels(x, y, texts, (800, 480), left=left)
    named = [(at * PLOT[0], text, position) for at, (text, position) in zip(x, placed, strict=True) if text]
    assert len(named) > 10
    for at, text, position in named:
        width = CHARACTER_PX * len(text) + LABEL_GAP_PX * position.startswith("middle")
        assert at - width >= 0 if position.endswith("left") else at + width <= PLOT[0] + EDGE_PX


def test_no_name_covers_another_name_or_a_point_or_is_cut():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 1, (2, 30))
    texts = [f"name {i} {'long' * (i % 3)}" for i in range(30)]
    placed = place_labels(x, y, texts)
    boxes = boxes_of(x, y, placed)
    assert 10 < len(boxes) < 30
    for i, (left, lower, right, upper) in enumerate(boxes):
        assert right <= PLOT[0] + EDGE_PX
        for other in boxes[:i]:
            assert not (left < other[2] and other[0] < right and lower < other[3] and other[1] < upper)
    marks = [(a * PLOT[0], b * PLOT[1], text) for a, b, (text, _) in zip(x, y, placed, strict=True)]
    named = [mark for mark in marks if mark[2]]
    for (left, lower, right, upper), own in zip(boxes, named, strict=True):
        for mark in marks:
            if mark is not own:
                at, up, _ = mark
                assert not (
                    left < at + MARK_RADIUS_PX
                    and at - MARK_RADIUS_PX < right
                    and lower < up + MARK_RADIUS_PX
                    and up - MARK_RADIUS_PX < upper
                )
