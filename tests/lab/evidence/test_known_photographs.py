"""Pictures that a table on the detector is of."""

from __future__ import annotations

import numpy as np

from lab.evidence.known_photographs import FILES, FOLDER, halved, quarters_of, stored


def test_quarters_put_together_are_the_picture_again():
    image = np.random.default_rng(0).integers(0, 256, (7, 10, 3), np.uint8)
    a, b, c, d = quarters_of(image)
    np.testing.assert_array_equal(np.vstack([np.hstack([a, b]), np.hstack([c, d])]), image)


def test_storing_and_halving_keep_what_a_picture_shows():
    image = np.repeat(np.repeat(np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8), 16, 0), 16, 1)
    again = stored(image)
    assert again.shape == image.shape
    assert 0 < np.abs(again.astype(int) - image).mean() < 25
    small = halved(image)
    assert small.shape == (48, 72, 3)
    assert np.abs(small.astype(int) - image[::2, ::2]).mean() < 25


def test_their_files_come_with_the_package():
    assert all((FOLDER / name).is_file() for name in FILES)
