from __future__ import annotations

import numpy as np
import pytest

from probing_core.transforms import CATALOG, bank, cut_pair, cut_view, generator, prepare_source, source_side
from probing_core.transforms.transformation import SOURCE_MARGIN, grid
from probing_core.transforms.view import DENSITY, sub_pixel_warp
from tests.transforms.pictures import noise, photograph, sources

GEOMETRIC = [pytest.param(t, id=t.name) for t in bank() if t.warp is not None]


@pytest.mark.parametrize("transform", GEOMETRIC)
def test_nothing_is_read_beyond_the_source(transform) -> None:
    room = (source_side(128) - 1) / 2
    for fraction in (0, 0.5, 1):
        for draw in range(20):
            rng = generator(0, "x", transform.name, 0, draw)
            nudge = sub_pixel_warp(128, rng)
            x, y = nudge(*transform.warp((128, 128), transform.strength_at(fraction), rng))
            assert max(np.abs(x).max(), np.abs(y).max()) <= room


@pytest.mark.parametrize("transform", GEOMETRIC)
@pytest.mark.parametrize("shape", [(128, 128), (64, 900), (900, 64)])
def test_a_lone_picture_needs_no_fill(transform, shape: tuple[int, int]) -> None:
    """With red beyond the border, none of it would show: the border is repeated red only if it is read."""
    image = np.full((*shape, 3), 128, np.uint8)
    marked = image.copy()
    marked[0], marked[-1], marked[:, 0], marked[:, -1] = [(255, 0, 0)] * 4
    result = transform.apply(marked, transform.strongest, generator(0, "x", transform.name))
    reached = (result != 128).any(axis=2)
    assert reached.mean() < 0.1  # the frame itself may be seen where the map touches it, never a filled area


@pytest.mark.parametrize("size", [(40, 60), (176, 176), (500, 300)])
def test_sources_have_one_size(size: tuple[int, int]) -> None:
    side = DENSITY * source_side(128)
    assert prepare_source(noise(*size), 128).shape == (side, side, 3)
    assert source_side(128) == 176
    assert SOURCE_MARGIN >= 1.37


def test_the_pair_differs_by_the_transform_alone() -> None:
    source = prepare_source(photograph(), 128)
    for name in ("sepia", "fog", "rotate"):
        transform = CATALOG.get(name)
        draws = [generator(0, "x", name) for _ in range(2)]
        before, after = cut_pair(source, 128, transform, transform.strongest, draws[0])
        plain, same = cut_pair(source, 128, CATALOG.get("identity"), 0, draws[1])
        assert (before == plain).all()
        assert (plain == same).all()
        assert (before != after).any()


def test_views_of_another_side_scale_with_it() -> None:
    transform = CATALOG.get("gaussian-blur")
    small = cut_view(prepare_source(photograph(), 64), 64, transform, 3, generator(0, "x", "y"))
    large = cut_view(prepare_source(photograph(), 128), 128, transform, 3, generator(0, "x", "y"))
    halved = large.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    assert np.abs(small - halved).mean() < 5  # each has its own sub-pixel shift


def test_the_sub_pixel_warp_moves_by_a_few_pixels_at_most() -> None:
    x, y = grid((128, 128))
    for draw in range(50):
        moved = sub_pixel_warp(128, generator(0, "x", "y", draw))(x, y)
        assert max(np.abs(moved[0] - x).max(), np.abs(moved[1] - y).max()) <= 2.5


def test_sources_are_real() -> None:
    assert len({base for _, base, _ in sources()}) == 10
