"""Crops of an image, and the probabilities that are joined of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from probing_core.answers.crops import MAX_TILES, cut, join, tile_corners

GROUPS = ("identity", "color", "noise")


def picture(height, width):
    y, x = np.mgrid[:height, :width]
    return np.stack([x % 256, y % 256, (x + y) % 256], axis=-1).astype(np.uint8)


def test_cut_leaves_an_image_of_the_views_size():
    image = picture(128, 128)
    look = cut(image, 128)
    assert look.kind == "direct"
    assert look.tiles == ()
    assert np.array_equal(look.whole, image)


@pytest.mark.parametrize(("height", "width"), [(128, 128), (5000, 128), (128, 5000), (1500, 1500), (300, 5000)])
def test_cut_shares_no_memory_with_the_image(height, width):
    image = picture(height, width)
    assert not any(np.shares_memory(part, image) for part in cut(image, 128).images)


@pytest.mark.parametrize(("side", "kind"), [(40, "direct"), (192, "direct"), (193, "combined"), (1000, "combined")])
def test_cut_makes_tiles_by_the_shorter_side(side, kind):
    assert cut(picture(side, side + 300), 128).kind == kind


@given(height=st.integers(32, 1200), width=st.integers(32, 1200))
@example(height=971, width=97)  # one column of tiles, too long for all of them
@example(height=97, width=971)
@settings(max_examples=40, deadline=None)
def test_cut_makes_crops_of_the_views_size_and_tiles_at_their_own_scale(height, width):
    image = picture(height, width)
    look = cut(image, 64)
    assert look.whole.shape == (64, 64, 3)
    assert len(look.tiles) <= MAX_TILES
    assert (len(look.tiles) > 0) == (min(height, width) > 96)
    for tile in look.tiles:
        assert tile.shape == (64, 64, 3)
        # Neighbors differ by one step: nothing was scaled.
        assert ((tile[:, 1:, 0].astype(int) - tile[:, :-1, 0]) % 256 == 1).all()


def test_cut_covers_every_corner():
    image = picture(500, 700)
    tiles = cut(image, 128).tiles
    corners = {(int(t[0, 0, 0]), int(t[0, 0, 1])) for t in tiles}
    assert (0, 0) in corners
    assert ((700 - 128) % 256, (500 - 128) % 256) in corners


def test_join_takes_noise_from_tiles_and_color_from_both():
    whole, tiles = np.array([0.2, 0.7, 0.1]), np.array([[0.2, 0.1, 0.7], [0.3, 0.1, 0.6]])
    joined = join(np.stack([whole, *tiles]), GROUPS)
    logs = np.log(tiles).mean(0)
    expected = np.exp([0.5, 0.5, 0.2] * np.log(whole) + [0.5, 0.5, 0.8] * logs)
    np.testing.assert_allclose(joined, expected / expected.sum())


def test_join_keeps_probabilities_on_which_all_crops_agree():
    whole = np.array([0.2, 0.7, 0.1])
    np.testing.assert_allclose(join(whole[None], GROUPS), whole)
    np.testing.assert_allclose(join(np.stack([whole] * 4), GROUPS), whole)
    assert np.isfinite(join(np.array([[1.0, 0, 0], [0, 0, 1.0]]), GROUPS)).all()


def test_tile_corners_are_those_of_the_tiles():
    image = picture(500, 700)
    tiles = cut(image, 128).tiles
    corners = tile_corners(500, 700, 128)
    assert len(corners) == len(tiles) == len(set(corners))
    assert all(np.array_equal(image[y : y + 128, x : x + 128], t) for (x, y), t in zip(corners, tiles, strict=True))
    assert tile_corners(128, 900, 128) == []
