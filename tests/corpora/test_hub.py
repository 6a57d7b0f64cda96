"""``hub:NAME`` over small data sets that are made on the spot: `datasets` loads a folder as it loads the hub."""

from __future__ import annotations

import io
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import datasets
import numpy as np
import pytest

from probing_core.corpora import data_sets, open_corpus
from probing_core.errors import BadCorpus, BadImage
from tests.corpora.pictures import made, made_png

FEATURES = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def write(path: Path, numbers: list[int]) -> None:
    columns = {"image": [{"bytes": made_png(n), "path": None} for n in numbers], "label": [n % 2 for n in numbers]}
    path.parent.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_dict(columns, features=FEATURES).to_parquet(path)


def test_pictures_labels_and_splits_are_those_of_the_data_set(tmp_path):
    for split, numbers in (("train", [0, 1, 2, 0]), ("validation", [4]), ("test", [5, 1])):
        write(tmp_path / f"mine/data/{split}-00000-of-00001.parquet", numbers)
    corpus = open_corpus(f"hub:{tmp_path}/mine")
    rows = corpus.rows.set_index("image_id")
    assert rows["split"].value_counts().to_dict() == {"train": 4, "val": 1, "test": 1}
    assert rows.at["train/0000001", "label"] == "dog"
    assert rows.at["train/0000003", "base_id"] == "train/0000000", "a copy"
    assert corpus.skipped == [("test/0000001", "has the same bytes as train/0000001, which is in a different split")]
    with ThreadPoolExecutor(4) as threads:
        ids = ["train/0000002", "validation/0000000", "test/0000000"] * 8
        for found, number in zip(threads.map(corpus.load, ids), [2, 4, 5] * 8, strict=True):
            assert np.array_equal(found, made(number))
    assert open_corpus(f"hub:{tmp_path}/mine").fingerprint == corpus.fingerprint


def test_a_folder_of_pictures_is_a_data_set_and_is_decoded_by_us(tmp_path):
    for name, content in (("cat/a.png", made_png(1)), ("dog/b.png", made_png(2)), ("dog/c.png", made_png(3)[:60])):
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_bytes(content)
    corpus = open_corpus(f"hub:{tmp_path}/mine")
    assert corpus.rows["label"].tolist() == ["cat", "dog", "dog"]
    assert np.array_equal(corpus.load("train/0000001"), made(2))
    with pytest.raises(BadImage, match="corrupted or truncated"):
        corpus.load("train/0000002")


def test_tar_files_are_a_data_set(tmp_path):
    (tmp_path / "mine").mkdir()
    with tarfile.open(tmp_path / "mine/train-0.tar", "w") as shard:
        for name, content in (("0.png", made_png(0)), ("0.cls", b"7"), ("1.png", made_png(1)), ("1.cls", b"8")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            shard.addfile(member, io.BytesIO(content))
    corpus = open_corpus(f"hub:{tmp_path}/mine")
    assert corpus.rows["label"].tolist() == ["7", "8"]
    assert np.array_equal(corpus.load("train/0000001"), made(1))


def test_a_file_outside_of_the_data_set_is_not_read(tmp_path):
    (tmp_path / "secret.png").write_bytes(made_png(1))
    outside = [{"bytes": None, "path": str(tmp_path / "secret.png")}]
    data = datasets.Dataset.from_dict({"image": outside}, features=datasets.Features({"image": datasets.Image()}))
    with pytest.raises(BadCorpus, match="file outside the dataset"):
        data_sets.HubCorpus("hub:x", {"train": data}, tmp_path / "mine")


def test_what_holds_no_pictures_is_one_sentence(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BadCorpus, match="no image column.*: a, b"):
        open_corpus(f"hub:{tmp_path}/mine")
    (tmp_path / "mine/x.csv").write_text("")
    with pytest.raises(BadCorpus, match="cannot be loaded") as told:
        open_corpus(f"hub:{tmp_path}/mine")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", ["me/mine/x/y", "me/../x", "me/mine@main", "/nowhere", "-rf"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(BadCorpus, match="is not a dataset name"):
        open_corpus(f"hub:{name}")


def test_without_the_network_or_the_library_there_is_one_sentence_at_once(monkeypatch):
    monkeypatch.setattr(data_sets, "answers", lambda url: False)
    with pytest.raises(BadCorpus, match="cannot be loaded .*is unreachable") as told:
        open_corpus("hub:me/mine")
    assert "\n" not in str(told.value)
    assert not datasets.config.HF_HUB_OFFLINE
    monkeypatch.setattr(data_sets, "find_spec", lambda name: None)
    with pytest.raises(BadCorpus, match="pip install"):
        open_corpus("hub:me/mine")
