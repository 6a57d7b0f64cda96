from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from probing_core.corpora import COLUMNS
from probing_core.corpora.data_sets import ArrayCorpus
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
    with pytest.raises(BadCorpus, match="no images"):
        ArrayCorpus([])
    with pytest.raises(BadCorpus, match="got 1 labels for 2 images"):
        ArrayCorpus([scene(0, 40), scene(1, 40)], labels=["a"])
    with pytest.raises(BadImage, match=r"uint8.*image 1"):
        ArrayCorpus([scene(0, 40), np.zeros((4, 4, 3))])
    with pytest.raises(BadImage, match="got int"):
        ArrayCorpus(7)
    for items in (iter([scene(0, 40)]), {"train": [scene(0, 40)]}):
        with pytest.raises(BadCorpus, match="a dataset with a length and integer indices, got"):
            ArrayCorpus(items)


def test_copies_of_a_picture_are_one_photograph():
    corpus = ArrayCorpus([scene(0, 40), scene(1, 40), scene(0, 40)])
    assert corpus.rows["base_id"].tolist() == [corpus.rows["image_id"][i] for i in (0, 1, 0)]


def test_a_data_set_of_torch_gives_pictures_and_labels():
    torch = pytest.importorskip("torch")
    read = []

    class Data(torch.utils.data.Dataset):
        classes = ("cat", "dog")

        def __len__(self):
            return 6

        def __getitem__(self, index):
            read.append(index)
            return torch.from_numpy(scene(index, 40)).permute(2, 0, 1).float() / 255, torch.tensor(index % 2)

    corpus = ArrayCorpus(Data())
    assert corpus.rows["label"].tolist() == ["cat", "dog"] * 3
    assert np.array_equal(corpus.load(corpus.rows["image_id"][4]), scene(4, 40))
    assert read.count(4) == 2, "read again, and not kept"
    part = ArrayCorpus(torch.utils.data.Subset(Data(), [1, 3]))
    assert part.rows["label"].tolist() == ["dog", "dog"], "the names of the data set within"
    alone = ArrayCorpus(torch.utils.data.TensorDataset(torch.zeros(1, 3, 40, 40)))
    assert alone.rows["label"].tolist() == [""]


def test_of_a_large_data_set_no_more_is_read_than_a_limit_needs():
    read = set()

    class Many:
        def __len__(self):
            return 10**6

        def __getitem__(self, index):
            read.add(index)
            return scene(index, 40), index % 10

    corpus = ArrayCorpus(Many(), limit=5)
    assert len(read) == len(corpus.rows) == 20
    assert max(read) > 10**5, "drawn from all of it"
    assert ArrayCorpus(Many(), limit=5).fingerprint == corpus.fingerprint
    assert ArrayCorpus(Many(), limit=5, seed=1).fingerprint != corpus.fingerprint


def test_a_data_set_with_random_transforms_is_refused():
    class Random:
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return np.random.default_rng().integers(0, 256, (40, 40, 3), dtype=np.uint8), 0

    with pytest.raises(BadCorpus, match="a different image each time"):
        ArrayCorpus(Random())


def test_a_data_set_of_hugging_face_is_read_by_its_features():
    import datasets

    features = datasets.Features({"pixels": datasets.Image(), "kind": datasets.ClassLabel(names=["cat", "dog"])})
    pictures = [Image.fromarray(scene(i, 40)) for i in range(4)]
    made = datasets.Dataset.from_dict({"pixels": pictures, "kind": [0, 1, 1, 0]}, features=features)
    corpus = ArrayCorpus(made)
    assert corpus.rows["label"].tolist() == ["cat", "dog", "dog", "cat"]
    assert np.array_equal(corpus.load(corpus.rows["image_id"][3]), scene(3, 40))
    with pytest.raises(BadCorpus, match="no image column.*: kind"):
        ArrayCorpus(made.select_columns("kind"))


def test_array_corpus_reads_one_image_as_one_image():
    torch = pytest.importorskip("torch")
    pixels = scene(0, 40)
    for one in (pixels, pixels[..., 0], Image.fromarray(pixels), torch.from_numpy(pixels).permute(2, 0, 1)):
        corpus = ArrayCorpus(one, labels="cat")
        assert corpus.rows["label"].tolist() == ["cat"]
        assert corpus.load("0000000").shape == (40, 40, 3)


def test_array_corpus_reads_batches_of_every_floating_type():
    torch = pytest.importorskip("torch")
    batch = torch.stack([torch.from_numpy(scene(i, 40)).permute(2, 0, 1) / 255 for i in range(3)])
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        corpus = ArrayCorpus(batch.to(dtype))
        assert len(corpus.rows) == 3
        assert np.abs(corpus.load("0000002").astype(int) - scene(2, 40)).max() <= 1


def test_array_corpus_takes_labels_and_images_by_position():
    images, labels = [scene(i, 40) for i in range(3)], pd.Series(["a", "b", "c"], index=[2, 0, 1])
    assert ArrayCorpus(images, labels).rows["label"].tolist() == ["a", "b", "c"]
    assert ArrayCorpus(pd.Series(images, index=[5, 6, 7])).load("0000001").tolist() == images[1].tolist()
    with pytest.raises(BadCorpus, match="1 labels for 3 images"):
        ArrayCorpus(images, "dog")
