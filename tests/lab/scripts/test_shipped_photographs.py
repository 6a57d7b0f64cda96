"""The script that writes the photographs that ship, on a made corpus."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lab.scripts.shipped_photographs import COLUMNS, LICENSE, SOURCE, choose, detector_photographs, encoded, write
from probing_core.corpora.parquet import ParquetCorpus
from probing_core.errors import BadCorpus
from probing_core.paths import PHOTOGRAPHS_FILE, reference_run
from tests.corpora.pictures import made_png

BASE = {
    "width": 200,
    "height": 176,
    "source": "caltech101",
    "label": "llama",
    "style": "photo",
    "split": "test",
    "near_gray": False,
    "flat_corners": False,
    "held_out_class": True,
}
NOT_TAKEN = {
    "small": {"height": 175},
    "other": {"source": "pacs"},
    "drawn": {"style": "cartoon"},
    "learned": {"split": "pretrain"},
    "gray": {"near_gray": True},
    "padded": {"flat_corners": True},
    "seen": {"held_out_class": False},
}


def written(path: Path, rows: dict[str, dict[str, object]]) -> Path:
    full = [BASE | row | {"image_id": name, "image": made_png(n)} for n, (name, row) in enumerate(rows.items())]
    table = pa.Table.from_pylist(full)
    large = table.schema.get_field_index("label")
    table = table.set_column(large, "label", table["label"].cast(pa.large_string()))
    pq.write_table(table, path, row_group_size=2)
    return path


def test_what_the_rules_take_and_nothing_else(tmp_path):
    corpus = written(tmp_path / "x.parquet", {"a": {"split": "train"}, **NOT_TAKEN, "b": {}, "c": {"split": "val"}})
    shipped = choose(corpus, {"by request": ("b",)}, ())
    assert shipped.table["image_id"].to_pylist() == ["a", "c"]
    assert (shipped.chosen, shipped.excluded) == (3, {"by request": 1})
    source = ParquetCorpus(corpus)
    for image_id, image in zip(("a", "c"), shipped.table["image"].to_pylist(), strict=True):
        assert image == source.read_bytes(image_id)
    assert set(shipped.table.column_names) == {*COLUMNS, "base_id", "source", "license"}
    assert shipped.table["source"].unique().to_pylist() == [SOURCE]
    assert shipped.table["license"].unique().to_pylist() == [LICENSE]


def test_the_detector_learns_from_other_classes_and_reports_on_none_of_them(tmp_path):
    seen = {"held_out_class": False}
    corpus = written(
        tmp_path / "x.parquet",
        {**NOT_TAKEN, "ships": {}, "train": {**seen, "split": "train"}, "val": {**seen, "split": "val"}},
    )
    table = detector_photographs(corpus)
    splits = dict(zip(table["image_id"].to_pylist(), table["split"].to_pylist(), strict=True))
    assert splits == {"seen": "calibrate", "train": "train", "val": "val"}
    path = tmp_path / "further.parquet"
    path.write_bytes(encoded(table))
    assert set(ParquetCorpus(path).rows["image_id"]) == set(splits)


def test_pictures_of_one_photograph_share_the_first_id_that_ships(tmp_path):
    corpus = written(tmp_path / "x.parquet", {name: {} for name in "edcba"})
    shipped = choose(corpus, {"a copy": ("a",)}, (("a", "b", "d"), ("c", "e")))
    assert shipped.table["image_id"].to_pylist() == ["e", "d", "c", "b"]
    assert shipped.table["base_id"].to_pylist() == ["c", "b", "c", "b"]
    assert choose(corpus, {}, ()).table["base_id"].to_pylist() == ["e", "d", "c", "b", "a"]


def test_the_same_corpus_gives_the_same_bytes(tmp_path):
    rows = {name: {} for name in "abcde"}
    one = encoded(choose(written(tmp_path / "one.parquet", rows), {}, ()).table)
    again = encoded(choose(written(tmp_path / "again.parquet", rows), {}, ()).table)
    assert one == again
    file = pq.ParquetFile(io.BytesIO(one))
    assert file.num_row_groups == 1
    assert file.read().num_rows == 5


@pytest.mark.parametrize("label", ["Faces", "Faces_easy", "garfield", "snoopy"])
def test_portraits_and_trademarks_are_refused(tmp_path, label):
    corpus = written(tmp_path / "x.parquet", {"a": {}, "b": {"label": label}})
    with pytest.raises(BadCorpus, match=f"would give pictures of {label}"):
        choose(corpus, {}, ())


def test_an_id_that_is_misspelled_is_refused(tmp_path, capsys):
    corpus = written(tmp_path / "x.parquet", {"a": {}})
    with pytest.raises(BadCorpus, match="has no 'A' among what is chosen"):
        choose(corpus, {"by request": ("A",)}, ())
    with pytest.raises(BadCorpus, match="has no 'B' among what is chosen"):
        choose(corpus, {}, (("B", "a"),))
    assert write(corpus, tmp_path / "out.parquet") == 2  # none of the ids that are left out is there
    assert capsys.readouterr().err.startswith("error: x.parquet has no 'caltech101/")
    assert not (tmp_path / "out.parquet").exists()


def test_a_missing_column_is_named(tmp_path):
    table = pq.read_table(written(tmp_path / "x.parquet", {"a": {}})).drop_columns(["source"])
    pq.write_table(table, tmp_path / "y.parquet")
    with pytest.raises(BadCorpus, match="lacks source"):
        choose(tmp_path / "y.parquet", {}, ())


def test_what_ships_is_written_as_the_script_writes():
    """Row order, columns and texts of the file are those that it would be given today."""
    table = pq.read_table(reference_run() / PHOTOGRAPHS_FILE)
    assert set(table.column_names) == {*COLUMNS, "base_id", "source", "license"}
    assert table["source"].unique().to_pylist() == [SOURCE]
    assert table["license"].unique().to_pylist() == [LICENSE]
    assert pq.read_table(io.BytesIO(encoded(table))).equals(table)
