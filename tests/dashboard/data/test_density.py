"""Where points are dense: the place of a name, and lines around most of them."""

from __future__ import annotations

import numpy as np
import pytest
from dashboard.data.density import MIN_CONTOURED, SHARES, contours, densest, ends
from matplotlib.path import Path as Polygon


def inside(lines: list[np.ndarray], points: np.ndarray) -> np.ndarray:
    """Return which points an odd number of the lines enclose."""
    return np.sum([Polygon(line).contains_points(points) for line in lines], axis=0) % 2 == 1


def test_the_densest_place_is_in_the_crowd():
    rng = np.random.default_rng(0)
    crowd, others = rng.normal([0.5, -0.3], 0.02, (60, 2)), rng.uniform(-1, 1, (100, 2))
    assert np.hypot(*(np.array(densest(np.vstack([others, crowd]))) - [0.5, -0.3])) < 0.05
    assert densest(np.array([[1.0, -1.0]])) == (1, -1)  # in the last cell


@pytest.mark.parametrize("spread", [0.1, 0.2])
def test_around_a_normal_distribution_the_lines_are_its_circles(spread):
    """The circle that encloses a share s of a normal distribution has the radius spread * sqrt(-2 ln(1 - s))."""
    points = np.random.default_rng(0).normal([0.1, -0.2], spread, (100_000, 2))
    for share, lines in zip(SHARES, contours(points[np.abs(points).max(axis=1) < 1]), strict=True):
        (line,) = lines
        radii = np.hypot(*(line - [0.1, -0.2]).T)
        assert radii == pytest.approx(spread * np.sqrt(-2 * np.log(1 - share)), rel=0.08)


@pytest.mark.parametrize("seed", range(4))
def test_lines_close_and_enclose_their_share_of_islands_and_rings(seed):
    rng = np.random.default_rng(seed)
    angles = rng.uniform(0, 2 * np.pi, 3000)
    ring = np.stack([np.cos(angles), np.sin(angles)], 1) * rng.normal(0.5, 0.03, (3000, 1))
    islands = [rng.normal(rng.uniform(-0.9, 0.9, 2), 0.05, (800, 2)) for _ in range(3)]
    points = np.vstack([ring, *islands]).clip(-1, 1)
    found = contours(points)
    assert all(np.array_equal(line[0], line[-1]) for lines in found for line in lines)
    half, most = (inside(lines, points) for lines in found)
    assert half.mean() == pytest.approx(SHARES[0], abs=0.05)
    assert most.mean() == pytest.approx(SHARES[1], abs=0.05)
    assert (half & ~most).mean() < 0.001, "what lies in the inner line lies in the outer one"


def test_what_lies_at_the_edge_of_the_map_is_enclosed_too():
    points = np.random.default_rng(0).uniform(0.7, 1, (2000, 2)) * [1, -1]
    for share, (line,) in zip(SHARES, contours(points), strict=True):
        assert np.array_equal(line[0], line[-1])
        assert Polygon(line).contains_points(points).mean() == pytest.approx(share, abs=0.1)


def test_few_points_have_no_lines_and_a_single_one_no_circle():
    crowd = np.random.default_rng(0).normal(0, 0.03, (99, 2))
    assert contours(crowd[: MIN_CONTOURED - 1]) == [[], []]
    assert contours(np.empty((0, 2))) == [[], []]
    alone = np.vstack([crowd, [[0.9, 0.9]]])
    assert [len(lines) for lines in contours(alone)] == [1, 1]


def test_a_name_stands_above_or_below_the_line_around_its_place():
    turn = np.linspace(0, 2 * np.pi, 41)
    circle = np.stack([np.cos(turn), np.sin(turn)], 1)
    lines = [circle * 0.5, circle * 0.9, circle * 0.1 + 0.7]
    above, below = ends((0.2, 0.1), lines)
    assert above == pytest.approx((0, 0.5))
    assert below == pytest.approx((0, -0.5))
    assert ends((-0.9, 0.9), lines[:1]) == [(-0.9, 0.9)] * 2
