"""`probing_core.samples`: the transformed images by which an encoder is scored, for one that runs elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

import probing_core
from tests.compute.test_samples import make_all
from tests.conftest import scene

TRANSFORMS = ("brighten", "contrast", "gaussian-blur", "motion-blur")


@pytest.fixture(scope="module")
def samples():
    return probing_core.samples([scene(i, 60) for i in range(4)], transforms=TRANSFORMS, view=32)


def test_they_are_a_sequence_in_one_order(samples):
    assert len(samples) == 4 * 6
    one_by_one = [samples[i] for i in range(len(samples))]
    assert all(image.shape == (32, 32, 3) and image.dtype == np.uint8 for image in one_by_one)
    for made in (list(samples), samples[:], [samples[i - len(samples)] for i in range(len(samples))]):
        assert all(np.array_equal(a, b) for a, b in zip(made, one_by_one, strict=True))
    assert np.array_equal(samples[3:9:2][1], one_by_one[5])
    with pytest.raises(IndexError):
        samples[len(samples)]


def test_the_table_says_what_each_of_them_is(samples):
    table = samples.table
    assert len(table) == len(samples)
    first = table[table["image_id"] == table["image_id"][0]]
    assert first["transform"].tolist() == ["identity", "identity", *TRANSFORMS]
    assert first["draw"].tolist() == [0, 1, 0, 0, 0, 0]


def test_they_are_those_of_a_run(few_scenes):
    samples = probing_core.samples(few_scenes, transforms=TRANSFORMS, view=32)
    pictures, rows = make_all(samples.recipe, samples.corpus)
    assert samples.table["transform"].tolist() == rows["transform"].tolist()
    for place in (0, 7, len(samples) - 1):
        assert np.array_equal(samples[place], pictures[place])
