from __future__ import annotations

import numpy as np
import pytest

from probing_core.errors import BadArray
from probing_core.measures.information import codelength, compression, control_labels


def test_control_labels_depend_on_the_type_alone_and_are_balanced():
    types = np.random.default_rng(0).integers(0, 60, 2000)
    labels = control_labels(types, 6, seed=3)
    by_type = {t: set(labels[types == t]) for t in np.unique(types)}
    assert all(len(s) == 1 for s in by_type.values())
    assert np.bincount([next(iter(s)) for s in by_type.values()]).tolist() == [10] * 6
    assert (control_labels(types, 6, seed=4) != labels).any()


def test_a_code_of_guesses_compresses_nothing_and_blocks_tile_the_images():
    images = np.repeat(np.random.default_rng(0).permutation(1000), 3)
    seen = []

    def guess(known, coded):
        assert set(images[known]).isdisjoint(images[coded])
        seen.append((len(known), len(coded)))
        return len(coded) * np.log(8)

    bits = codelength(guess, images, 8)
    assert compression(bits, len(images), 8) == pytest.approx(1)
    assert [known for known, _ in seen] == [3 * n for n in (1, 2, 4, 8, 16, 32, 62, 125, 250, 500)]
    assert sum(coded for _, coded in seen) == len(images) - 3


def test_a_perfect_probe_pays_for_the_first_block_alone():
    assert codelength(lambda known, coded: 0.0, np.arange(1000), 8) == pytest.approx(3)


def test_one_image_is_refused():
    with pytest.raises(BadArray):
        codelength(lambda known, coded: 0.0, np.zeros(5), 8)
