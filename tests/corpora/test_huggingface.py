"""A data set as the hub converts it, read where it lies: here in a folder, through the same calls of fsspec."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from probing_core.corpora import huggingface, open_corpus
from probing_core.corpora.storage import Storage
from probing_core.errors import BadCorpus
from tests.corpora.pictures import made, made_png

FEATURES = {
    "image": {"_type": "Image"},
    "label": {"_type": "ClassLabel", "names": ["cat", "dog"]},
    "note": {"_type": "Value"},
}


def write(path: Path, numbers: list[int], features: dict = FEATURES, rows_a_group: int = 2) -> None:
    table = pa.table(
        {
            "image": [{"bytes": made_png(n), "path": None} for n in numbers],
            "label": [n % 2 if n < 5 else None for n in numbers],
            "note": ["x"] * len(numbers),
        }
    )
    about = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(about), path, row_group_size=rows_a_group)


def opened(root: Path, configuration: str = "") -> huggingface.HuggingFaceCorpus:
    return huggingface.HuggingFaceCorpus("hf:me/mine", Storage(f"file://{root}"), configuration)


@pytest.fixture
def root(tmp_path) -> Path:
    write(tmp_path / "default/train/0000.parquet", [0, 1, 2])
    write(tmp_path / "default/train/0001.parquet", [3, 0])
    write(tmp_path / "default/partial-validation/0000.parquet", [4])
    write(tmp_path / "default/test/0000.parquet", [5, 1])
    (tmp_path / "README.md").write_text("x")
    return tmp_path


def test_pictures_labels_and_splits_are_those_of_the_files(root):
    corpus = opened(root)
    rows = corpus.rows.set_index("image_id")
    assert sorted(rows.index) == [
        "test/0000000", "train/0000000", "train/0000001", "train/0000002", "train/0000003", "train/0000004",
        "validation/0000000",
    ]  # fmt: skip
    assert rows.at["train/0000001", "label"] == "dog"
    assert rows.at["validation/0000000", "split"] == "val"
    assert rows.at["test/0000000", "label"] == ""
    assert rows.at["train/0000004", "base_id"] == "train/0000000"
    assert corpus.skipped == [("test/0000001", "has the same bytes as train/0000001, which is in another split")]
    for image_id, number in (("train/0000002", 2), ("train/0000003", 3), ("validation/0000000", 4)):
        assert np.array_equal(corpus.load(image_id), made(number))


def test_the_fingerprint_is_that_of_the_pictures(root):
    first = opened(root).fingerprint
    assert opened(root).fingerprint == first
    write(root / "default/test/0000.parquet", [6, 1])
    assert opened(root).fingerprint != first


def test_splits_count_where_all_three_are_there(tmp_path):
    write(tmp_path / "one/train/0000.parquet", [0, 1])
    write(tmp_path / "two/train/0000.parquet", [2])
    assert set(opened(tmp_path, "one").rows["split"]) == {""}
    with pytest.raises(BadCorpus, match="it has: one, two; write hf:OWNER/NAME/CONFIGURATION"):
        opened(tmp_path)


def test_what_holds_no_pictures_is_one_sentence(tmp_path):
    write(tmp_path / "default/train/0000.parquet", [0], {"label": FEATURES["label"]})
    with pytest.raises(BadCorpus, match="no column of pictures; it has: image, label, note"):
        opened(tmp_path)
    (tmp_path / "default/train/0000.parquet").write_bytes(b"junk")
    with pytest.raises(BadCorpus, match="no Parquet"):
        opened(tmp_path)


@pytest.mark.parametrize("name", ["mine", "me/mine/x/y", "me/../x", "me/mine@main"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(BadCorpus, match="names no data set"):
        open_corpus(f"hf:{name}")


def test_without_a_network_there_is_one_sentence_at_once(monkeypatch):
    monkeypatch.setattr(huggingface, "answers", lambda url, seconds: False)
    with pytest.raises(BadCorpus, match="does not answer"):
        open_corpus("hf:me/mine")
