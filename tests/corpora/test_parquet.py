from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from probing_core.corpora import open_corpus, parquet
from probing_core.corpora.parquet import ParquetCorpus
from probing_core.errors import BadCorpus, BadImage
from tests.corpora.pictures import made, made_png


def written(path: Path, columns: dict[str, object], **options) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


def full(count: int = 7) -> dict[str, object]:
    return {
        "image": [made_png(n) for n in range(count)],
        "label": [f"label-{n % 3}" for n in range(count)],
        "image_id": [f"id-{n}" for n in range(count)],
        "base_id": [f"base-{n // 2}" for n in range(count)],
        "split": [("train", "val", "test", "pretrain")[n // 2] for n in range(count)],
        "license": ["CC0-1.0"] * count,
        "style": ["photo", "photo", "cartoon", "photo", "photo", None, "sketch"],
        "near_gray": [False, True, False, False, None, False, True],
        "flat_corners": [False, False, False, True, False, False, True],
        "held_out_class": [False, True, False, None, False, False, False],
        "width": [24] * count,
    }


def test_pictures_are_found_by_ids_in_any_order_and_alphabet(tmp_path: Path) -> None:
    columns = full() | {"image_id": ["b", "ä", "a", "图", "aa", "Z", "id"]}
    corpus = ParquetCorpus(written(tmp_path / "x.parquet", columns, row_group_size=2))
    for image_id, content in zip(columns["image_id"], columns["image"], strict=True):
        assert corpus.read_bytes(image_id) == content
    for unknown in ("", "A", "zz", "龍"):
        with pytest.raises(KeyError):
            corpus.read_bytes(unknown)


def test_all_columns(tmp_path: Path) -> None:
    rows = ParquetCorpus(written(tmp_path / "x.parquet", full())).rows
    assert rows["image_id"].tolist() == [f"id-{n}" for n in range(7)]
    assert rows["base_id"].tolist() == [f"base-{n // 2}" for n in range(7)]
    assert rows["split"].tolist() == ["train", "train", "val", "val", "test", "test", "pretrain"]
    assert rows["color"].tolist() == [True, False, False, True, True, True, False]
    assert rows["geometry"].tolist() == [True, True, True, False, True, True, False]
    assert rows["why_not"].tolist() == [
        "",
        "near gray",
        "style cartoon",
        "flat corners",
        "",
        "",
        "style sketch; near gray; flat corners",
    ]
    assert rows["style"].tolist() == ["photo", "photo", "cartoon", "photo", "photo", "", "sketch"]
    assert rows["held_out_class"].tolist() == [False, True, False, False, False, False, False]
    assert rows["width"].tolist() == [24] * 7


def test_rows_may_serve_the_calibration_of_verdicts_alone(tmp_path: Path) -> None:
    columns = full() | {"split": ["train"] * 2 + ["calibrate"] * 4 + ["test"]}
    assert ParquetCorpus(written(tmp_path / "x.parquet", columns)).rows["split"].tolist() == columns["split"]
    columns["split"] = ["train", "calibrate", *columns["split"][2:]]
    with pytest.raises(BadCorpus, match="photographs in more than one split"):
        ParquetCorpus(written(tmp_path / "y.parquet", columns))


def test_image_and_label_are_enough(tmp_path: Path) -> None:
    corpus = ParquetCorpus(written(tmp_path / "x.parquet", {k: full()[k] for k in ("image", "label")}))
    assert corpus.rows["image_id"].tolist() == [f"{n:06d}" for n in range(7)]
    assert (corpus.rows["base_id"] == corpus.rows["image_id"]).all()
    assert corpus.rows["split"].eq("").all()
    assert np.array_equal(corpus.load("000004"), made(4))


@pytest.mark.parametrize("group", [1, 3, 100])
def test_pictures_load_in_any_order_and_from_threads(group: int, tmp_path: Path) -> None:
    corpus = ParquetCorpus(written(tmp_path / "x.parquet", full(), row_group_size=group))
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(7), 20))
    with ThreadPoolExecutor(8) as pool:
        loaded = list(pool.map(lambda n: corpus.load(f"id-{n}"), order))
    assert all(np.array_equal(image, made(n)) for image, n in zip(loaded, order, strict=True))
    assert corpus._last_read.cache_info().currsize <= parquet.CACHED_GROUPS


def test_the_fingerprint_is_of_contents_not_of_place_or_row_groups(tmp_path: Path) -> None:
    first = ParquetCorpus(written(tmp_path / "x.parquet", full())).fingerprint
    assert ParquetCorpus(written(tmp_path / "y.parquet", full(), row_group_size=2)).fingerprint == first
    for column, value in (("image", made_png(90)), ("label", "other"), ("split", "pretrain")):
        changed = full()
        changed[column] = [*changed[column][:6], value]
        other = written(
            tmp_path / "z.parquet", changed if column != "split" else {**full(), "base_id": full()["image_id"]}
        )
        assert ParquetCorpus(other).fingerprint != first


def test_a_fingerprint_decodes_nothing(tmp_path: Path) -> None:
    columns = {"image": [made_png(0), b"not a picture", None], "label": ["a", "b", None]}
    corpus = ParquetCorpus(written(tmp_path / "x.parquet", columns))
    assert corpus.fingerprint
    for image_id, message in (("000001", "is text"), ("000002", "is empty")):
        with pytest.raises(BadImage, match=message):
            corpus.load(image_id)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": None}, "has no column image. Expected image"),
        ({"image": None, "label": None}, "has no columns image or label"),
        ({"image": ["text"] * 7}, "column image of x.parquet must contain encoded bytes; got type string"),
        ({"label": list(range(7))}, "column label of x.parquet must contain text; got type int64"),
        ({"near_gray": ["yes"] * 7}, "column near_gray of x.parquet must contain booleans; got type string"),
        ({"width": [1.5] * 7}, "column width of x.parquet must contain integers; got type double"),
        ({"image_id": ["same", "same", *"abcde"]}, "2 rows with a duplicate image_id, such as 'same'"),
        ({"image_id": ["", *"abcdef"]}, "row without an image_id"),
        ({"image_id": ["a\0", *"bcdefg"]}, "image_id with a NUL character"),
        ({"split": ["training"] * 7}, "split 'training'. Use train, val, test, pretrain or calibrate"),
        ({"base_id": ["one"] * 7}, r"photographs in more than one split \(1, such as 'one'\)"),
    ],
)
def test_clear_errors_for_columns(change: dict[str, object], message: str, tmp_path: Path) -> None:
    columns = {name: value for name, value in (full() | change).items() if value is not None}
    with pytest.raises(BadCorpus, match=message):
        ParquetCorpus(written(tmp_path / "x.parquet", columns))


def test_clear_errors_for_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.parquet").write_text("image,label\n")
    whole = written(tmp_path / "whole.parquet", full())
    (tmp_path / "cut.parquet").write_bytes(whole.read_bytes()[:-100])
    written(tmp_path / "none.parquet", {"image": pa.array([], pa.binary()), "label": pa.array([], pa.string())})
    for name, message in (
        ("gone.parquet", "does not exist"),
        (".", "is a folder"),
        ("text.parquet", "not a readable Parquet file"),
        ("cut.parquet", "not a readable Parquet file"),
        ("none.parquet", "has no rows"),
    ):
        with pytest.raises(BadCorpus, match=message):
            open_corpus(f"parquet:{tmp_path / name}")
    monkeypatch.setattr(parquet, "MAX_GROUP_BYTES", 1000)
    with pytest.raises(BadCorpus, match="row_group_size=1000"):
        ParquetCorpus(whole)


def test_damaged_pages_are_one_sentence(tmp_path: Path) -> None:
    path = written(tmp_path / "x.parquet", full(), compression="zstd")
    data = bytearray(path.read_bytes())
    data[4:1200] = bytes(1196)
    path.write_bytes(data)
    with pytest.raises(BadCorpus, match="is corrupted"):
        ParquetCorpus(path).load("id-0")


def test_text_may_be_encoded_as_a_dictionary(tmp_path: Path) -> None:
    columns = full() | {"label": pa.array(full()["label"]).dictionary_encode()}
    assert ParquetCorpus(written(tmp_path / "x.parquet", columns)).rows["label"][1] == "label-1"
