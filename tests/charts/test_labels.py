"""Names beside points, where there is room."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from probing_core import charts
from probing_core.charts.inside import MAX_IN_LEGEND
from probing_core.charts.labels import AROUND, CHARACTER, EDGE, GAP, LINE, MARK, POSITIONS, place_labels

SIZE = (240, 250)


def boxes_of(x: pd.Series, y: pd.Series, placed: list[tuple[str, str]]) -> list[tuple[float, float, float, float]]:
    """Where Plotly writes the texts that are placed: left, lower, right and upper edge."""
    found = []
    for at, up, (text, position) in zip(x * SIZE[0], y * SIZE[1], placed, strict=True):
        if not text:
            continue
        vertical, along = position.split()
        width, aside = CHARACTER * len(text), GAP if vertical == "middle" else 0
        left = {"right": at + aside, "left": at - aside - width, "center": at - width / 2}[along]
        lower = {"top": up + GAP, "middle": up - LINE / 2, "bottom": up - GAP - LINE}[vertical]
        found.append((left, lower, left + width, lower + LINE))
    return found


@pytest.mark.parametrize("positions", [POSITIONS, AROUND])
def test_no_name_covers_another_name_or_a_point_or_is_cut(positions):
    rng = np.random.default_rng(0)
    x, y = (pd.Series(rng.uniform(0, 1, 30)) for _ in range(2))
    texts = [f"name {i} {'long' * (i % 3)}" for i in range(30)]
    placed = place_labels(x, y, texts, (0, 1), (0, 1), SIZE, positions)
    boxes = boxes_of(x, y, placed)
    assert 10 < len(boxes) < 30
    for i, (left, lower, right, upper) in enumerate(boxes):
        assert left >= 0
        assert right <= SIZE[0] + EDGE
        for other in boxes[:i]:
            assert not (left < other[2] and other[0] < right and lower < other[3] and other[1] < upper)
    marks = [(a * SIZE[0], b * SIZE[1], text) for a, b, (text, _) in zip(x, y, placed, strict=True)]
    named = [mark for mark in marks if mark[2]]
    for (left, lower, right, upper), own in zip(boxes, named, strict=True):
        for mark in marks:
            if mark is not own:
                at, up, _ = mark
                assert not (left < at + MARK and at - MARK < right and lower < up + MARK and up - MARK < upper)


def test_more_places_leave_fewer_points_without_a_name():
    rng = np.random.default_rng(1)
    x, y = (pd.Series(rng.uniform(0, 1, 30)) for _ in range(2))
    texts = ["Gaussian blur"] * 30
    few, many = (
        sum(bool(t) for t, _ in place_labels(x, y, texts, (0, 1), (0, 1), SIZE, p)) for p in (POSITIONS, AROUND)
    )
    assert few < many


def shifts(count: int, crowd: int) -> pd.DataFrame:
    """Transforms of which ``crowd`` are in one spot and the others far from each other."""
    at = np.r_[np.full(crowd, 0.5), np.linspace(0, 1, count - crowd)]
    return pd.DataFrame(
        {"transform": [f"t{i}" for i in range(count)], "group": "blur", "value": at, "value_recall": at}
    )


@pytest.mark.parametrize(("crowd", "legend"), [(0, False), (9, True), (30, False)])
def test_a_point_has_its_name_beside_it_or_in_the_legend_unless_too_many_have_none(crowd, legend):
    figure = charts.shift_chart(shifts(8 + crowd, crowd), charts.Theme())
    unnamed = [trace["name"] for trace in figure["data"] if not trace["text"][0]]
    assert [trace["name"] for trace in figure["data"] if trace["showlegend"]] == unnamed
    assert figure["layout"]["showlegend"] == legend == (0 < len(unnamed) <= MAX_IN_LEGEND)


def test_the_legend_of_lines_has_only_the_names_that_no_line_carries():
    models = list("abcde")
    curve = pd.DataFrame({"model": np.repeat(models, 2), "strength": [1.0, 2.0] * 5})
    axis = charts.StrengthAxis("s", 1)
    apart = curve.assign(p=np.ravel([(0, end) for end in (10, 30, 50, 70, 90)]))
    assert not charts.strength_chart(apart, "p", charts.Theme(), "p", axis)["layout"]["showlegend"]
    same = charts.strength_chart(curve.assign(p=[0, 90] * 5), "p", charts.Theme(), "p", axis)
    *lines, names = same["data"]
    carried = {text.strip() for text in names["text"] if text}
    assert same["layout"]["showlegend"]
    assert 0 < len(carried) < 5
    assert {line["name"] for line in lines if line["showlegend"]} == set(models) - carried
