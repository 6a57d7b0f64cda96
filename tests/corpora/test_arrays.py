from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from probing_core.corpora import COLUMNS
from probing_core.corpora.arrays import ArrayCorpus
from probing_core.errors import BadCorpus, BadImage
from tests.conftest import scene


def test_a_list_of_arrays_and_pictures_is_a_corpus_of_photographs():
    gray = scene(2, 40)[..., 0]
    corpus = ArrayCorpus([scene(0, 40), Image.fromarray(scene(1, 50)), gray], labels=["a", "b", 3])
    assert list(corpus.rows.columns) == list(COLUMNS)
    assert corpus.rows["base_id"].is_unique
    assert corpus.rows["label"].tolist() == ["a", "b", "3"]
    ids = corpus.rows["image_id"].tolist()
    assert np.array_equal(corpus.load(ids[0]), scene(0, 40))
    assert np.array_equal(corpus.load(ids[1]), scene(1, 50))
    assert np.array_equal(corpus.load(ids[2]), np.repeat(gray[..., None], 3, axis=2))


def test_the_fingerprint_is_that_of_the_pictures_and_labels():
    pictures = [scene(i, 40) for i in range(3)]
    one = ArrayCorpus(pictures, labels=["a", "b", "c"]).fingerprint
    assert ArrayCorpus([picture.copy() for picture in pictures], labels=["a", "b", "c"]).fingerprint == one
    assert ArrayCorpus(pictures, labels=["a", "b", "b"]).fingerprint != one
    assert ArrayCorpus(pictures[::-1], labels=["a", "b", "c"]).fingerprint != one
    pictures[1] = pictures[1] ^ 1
    assert ArrayCorpus(pictures, labels=["a", "b", "c"]).fingerprint != one


def test_what_is_no_list_of_pictures_is_refused():
    with pytest.raises(BadCorpus, match="no picture"):
        ArrayCorpus([])
    with pytest.raises(BadCorpus, match="got 1 for 2 pictures"):
        ArrayCorpus([scene(0, 40), scene(1, 40)], labels=["a"])
    with pytest.raises(BadImage, match="uint8"):
        ArrayCorpus([np.zeros((4, 4, 3))])
