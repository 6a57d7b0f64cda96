from __future__ import annotations

import numpy as np
import pytest

from probing_core.renderings import RENDERINGS
from probing_core.transforms import bank
from probing_core.transforms.distance import describe
from tests.conftest import scene

NAMES = [t.name for t in bank()]


def draws(name, side=96):
    picture = scene(3, side)
    return picture, [RENDERINGS[name](picture, np.random.default_rng(seed)) for seed in range(8)]


@pytest.mark.parametrize("name", RENDERINGS)
def test_a_rendering_is_a_picture_of_the_same_size_that_shows(name):
    assert name in NAMES
    picture, made = draws(name)
    before = picture.copy()
    for other in made:
        assert other.shape == picture.shape
        assert other.dtype == np.uint8
        assert np.abs(other.astype(int) - picture).mean() > 1
    assert np.array_equal(picture, before)


@pytest.mark.parametrize("name", RENDERINGS)
def test_a_rendering_follows_from_its_seed_and_varies_with_it(name):
    picture, made = draws(name)
    assert np.array_equal(made[0], RENDERINGS[name](picture, np.random.default_rng(0)))
    assert len({other.tobytes() for other in made}) > 2


@pytest.mark.parametrize("name", RENDERINGS)
def test_a_rendering_lies_as_far_from_its_picture_as_the_bank_does(name):
    """Within a factor of a few of the bank's own distance, at whatever size."""
    transform = next(t for t in bank() if t.name == name)
    for side in (64, 192):
        picture, made = draws(name, side)
        rngs = [np.random.default_rng(seed) for seed in range(8)]
        bank_made = [transform.apply(picture, transform.draw_strength(rng), rng) for rng in rngs]
        theirs, ours = (np.mean([describe(picture, p).distance for p in some]) for some in (made, bank_made))
        assert ours / 4 < theirs < ours * 4
