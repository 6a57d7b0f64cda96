"""Baselines made of the hashes of the package ImageHash."""

from __future__ import annotations

import imagehash
import numpy as np
import PIL.Image
import pytest

from probing_core.corpora import open_corpus
from probing_core.models import load_embedder
from tests.models.made import pictures

THEIRS = {"baseline/dhash": imagehash.dhash, "baseline/phash": imagehash.phash}


@pytest.fixture(scope="module")
def photographs() -> list[np.ndarray]:
    corpus = open_corpus("photos")
    return [corpus.load(name) for name in corpus.rows["image_id"].iloc[::5]]


@pytest.mark.parametrize("name", THEIRS)
def test_bits_are_those_of_the_package(name, photographs):
    flat = [np.full((40, 60, 3), value, np.uint8) for value in (0, 17, 255)]
    images = [*photographs, *pictures(), *flat]
    expected = [THEIRS[name](PIL.Image.fromarray(image)).hash.ravel() for image in images]
    embeddings = load_embedder(name).embed(images)
    np.testing.assert_array_equal(embeddings, np.array(expected, np.float32))
    assert len(np.unique(embeddings, axis=0)) > len(photographs) / 2


def test_recipes_say_which_hash():
    one, other = (load_embedder(name).recipe() for name in THEIRS)
    assert one != other


@pytest.mark.parametrize("name", THEIRS)
def test_nothing_gives_nothing(name):
    assert load_embedder(name).embed([]).shape == (0, 64)
