from __future__ import annotations

import cv2
import numpy as np
import pytest

from probing_core.transforms import bank
from probing_core.transforms.alternatives import WIDER_ALTERED, clean
from probing_core.transforms.distance import describe
from tests.conftest import scene

RENDERINGS = {t.name: t.alternative for t in bank() if t.alternative}
RENDERINGS |= {f"{name}, wider": altered for name, altered in WIDER_ALTERED.items()}


def draws(name, side=96):
    picture = scene(3, side)
    return picture, [RENDERINGS[name](picture, np.random.default_rng(seed)) for seed in range(8)]


@pytest.mark.parametrize("name", RENDERINGS)
def test_a_rendering_is_a_picture_of_the_same_size_that_shows_and_follows_from_its_seed(name):
    picture, made = draws(name)
    before = picture.copy()
    for other in made:
        assert other.shape == picture.shape
        assert other.dtype == np.uint8
        assert np.abs(other.astype(int) - picture).mean() > 1
    assert np.array_equal(made[0], RENDERINGS[name](picture, np.random.default_rng(0)))
    assert np.array_equal(picture, before)
    assert len({other.tobytes() for other in made}) > 2


@pytest.mark.parametrize("name", RENDERINGS)
def test_a_rendering_lies_as_far_from_its_picture_as_the_bank_does(name):
    """Within a factor of a few of the bank's own distance, at whatever size."""
    transform = next(t for t in bank() if t.name == name.removesuffix(", wider"))
    for side in (64, 192):
        picture, made = draws(name, side)
        rngs = [np.random.default_rng(seed) for seed in range(8)]
        bank_made = [transform.apply(picture, transform.draw_strength(rng), rng) for rng in rngs]
        theirs, ours = (np.mean([describe(picture, p).distance for p in some]) for some in (made, bank_made))
        assert ours / 4 < theirs < ours * 4


@pytest.mark.parametrize("size", [(96, 96), (132, 150), (400, 300)])
def test_a_clean_picture_is_a_part_of_its_source_and_little_else(size):
    source = cv2.resize(scene(3, 400), size[::-1], interpolation=cv2.INTER_AREA)
    before, view = source.copy(), 96
    for seed in range(12):
        made = clean(source, view, np.random.default_rng(seed))
        assert made.shape == (view, view, 3)
        assert made.dtype == np.uint8
        if size == (96, 96):  # nothing to choose from: the source itself, at most mirrored, sharpened or stored
            sides = [source, source[:, ::-1]]
            assert min(np.abs(made.astype(int) - side).mean() for side in sides) < 8
    assert np.array_equal(source, before)
    first = clean(source, view, np.random.default_rng(0))
    assert np.array_equal(first, clean(source, view, np.random.default_rng(0)))


def test_corners_are_filled_in_several_ways():
    white = np.full((64, 64, 3), 255, np.uint8)
    corners = [RENDERINGS["rotate"](white, np.random.default_rng(seed))[0, 0, 0] for seed in range(30)]
    assert 0 in corners  # black
    assert 255 in corners  # a mirror, the rim, the other side, or magnified


def test_streaks_of_rain_lie_along_one_direction():
    """Second implementation: the structure tensor of drawn rain on an even ground has one strong direction."""
    gray = np.full((128, 128, 3), 90, np.uint8)
    for seed in range(12):
        made = RENDERINGS["rain"](gray, np.random.default_rng(seed))[8:-8, 8:-8].mean(2)
        down, across = np.gradient(made)
        assert np.abs(across).sum() > 1.3 * np.abs(down).sum()


@pytest.mark.parametrize("name", RENDERINGS)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_alternatives_compute_only_numbers(name):
    # Large kernels ring at isolated bright pixels, and black is at the edge of the range.
    picture = np.zeros((300, 320, 3), np.uint8)
    picture[::37, ::41], picture[:20], picture[:, 250:] = 255, (255, 0, 0), scene(3, 300)[:, :70]
    with np.errstate(all="raise", under="ignore"):
        for seed in range(6):
            RENDERINGS[name](picture, np.random.default_rng(seed))
