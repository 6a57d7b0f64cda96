"""`probing_core.samples`: the transformed images by which an encoder is scored, for one that runs elsewhere."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import probing_core
from probing_core.corpora import open_corpus
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


@pytest.mark.parametrize("kind", ["arrays", "folder", "photos", "reference"])
def test_samples_are_the_same_after_pickling(kind, samples, few_scenes):
    if kind != "arrays":
        images = few_scenes if kind == "folder" else open_corpus(kind)
        samples = probing_core.samples(images, transforms=TRANSFORMS, view=32, limit=2)
    copy = pickle.loads(pickle.dumps(samples))
    assert copy.table.equals(samples.table)
    assert all(np.array_equal(a, b) for a, b in zip(copy, samples, strict=True))


@pytest.mark.slow
def test_samples_are_read_by_the_workers_of_a_data_loader(samples):
    from torch.utils.data import DataLoader

    loader = DataLoader(samples, batch_size=5, num_workers=2, multiprocessing_context="spawn")
    loaded = np.concatenate([batch.numpy() for batch in loader])
    assert np.array_equal(loaded, np.stack(list(samples)))
