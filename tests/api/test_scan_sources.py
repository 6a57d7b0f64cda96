"""Images are scanned in folders, object storage, Parquet files and datasets."""

from __future__ import annotations

import datetime
import decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from probing_core.api import scan_chunks
from probing_core.api.scan import scan
from probing_core.api.scan_tables import ParquetFiles, RemoteFile
from probing_core.cli import main
from probing_core.corpora import KINDS, CorpusKind
from probing_core.corpora import folder as storage
from probing_core.corpora.data_sets import ArrayCorpus
from probing_core.errors import BadConfig, BadCorpus
from probing_core.images import encode_png, read_image
from probing_core.transforms import resolve
from tests.conftest import scene
from tests.corpora.storage_server import BUCKET, s3_server

pytestmark = pytest.mark.slow

ANSWERS = ["edited", "answer", "p", "n", "width", "height", "flags"]


def pictures(count: int, first: int = 0) -> list[bytes]:
    blur = resolve("gaussian-blur")
    images = [scene(5000 + first + i, 40) for i in range(count)]
    rng = np.random.default_rng(0)
    return [encode_png(blur.apply(image, 2.0, rng) if i % 3 == 0 else image) for i, image in enumerate(images)]


@pytest.fixture(scope="module")
def encoded() -> list[bytes]:
    return pictures(24)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, encoded) -> Path:
    folder = tmp_path_factory.mktemp("sources") / "photos"
    folder.mkdir()
    for i, content in enumerate(encoded):
        (folder / f"{i:02d}.png").write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def shards(tmp_path_factory, encoded) -> Path:
    """Three Parquet files with row groups of three rows; one file has images as structs."""
    shards = tmp_path_factory.mktemp("shards") / "data"
    shards.mkdir()
    for shard in range(3):
        cells = encoded[8 * shard : 8 * shard + 8]
        ids = [f"{8 * shard + i:02d}.png" for i in range(8)]
        image: Any = [{"bytes": cell, "path": f"x/{i}"} for i, cell in zip(ids, cells, strict=True)] if shard else cells
        table = pa.table({"label": [f"=l{i}" for i in range(8)], "image": image, "image_id": ids})
        pq.write_table(table, shards / f"train-{shard}.parquet", row_group_size=3)
    return shards


@pytest.fixture(scope="module")
def expected(folder, detector_run, tmp_path_factory) -> pd.DataFrame:
    return scanned(folder, tmp_path_factory.mktemp("expected") / "scan", detector_run)


def scanned(source: Path | str, out: Path, run: Path, **options: Any) -> pd.DataFrame:
    scan(source, out, run, threads=2, **options)
    return pd.read_parquet(out / "verdicts.parquet").set_index("path")


def contents(out: Path) -> dict[str, bytes]:
    files = [path for path in out.rglob("*") if path.is_file() and "log" not in path.relative_to(out).parts]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def test_every_local_source_gets_the_answers_of_the_folder(folder, shards, expected, detector_run, tmp_path):
    for i, source in enumerate((f"folder:{folder}", f"parquet:{shards}", f"parquet:{shards}/train-1.parquet")):
        table = scanned(source, tmp_path / str(i), detector_run)
        assert len(table) == (8 if "train" in source else 24)
        pd.testing.assert_frame_equal(table[ANSWERS], expected.loc[table.index, ANSWERS])
    assert set(table["label"]) == {f"=l{i}" for i in range(8)}
    assert list(table["image.path"]) == [f"x/{name}" for name in table.index]
    csv = pd.read_csv(tmp_path / "1" / "verdicts.csv")
    assert csv["label"].str.startswith("'=l").all()
    page = (tmp_path / "1" / "index.html").read_text()
    assert "Scan of data" in page
    assert page.count("<img") == 24


@pytest.mark.skipif(find_spec("datasets") is None, reason="datasets is not installed")
def test_datasets_and_other_corpora_are_scanned(shards, expected, detector_run, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "dataset"
    folder.mkdir()
    for i in (1, 2):  # files of a dataset have the same types
        (folder / f"train-{i}.parquet").write_bytes((shards / f"train-{i}.parquet").read_bytes())
    table = scanned(f"hub:{folder}", tmp_path / "hub", detector_run)
    assert list(table.index) == [f"train/{i:07d}" for i in range(16)]
    pd.testing.assert_frame_equal(
        table[ANSWERS].reset_index(drop=True), expected.iloc[8:][ANSWERS].reset_index(drop=True)
    )
    assert list(table["image_id"]) == list(expected.index[8:])


def test_other_corpora_are_scanned(encoded, expected, detector_run, tmp_path):
    corpus = ArrayCorpus([read_image(content) for content in encoded], labels=[f"l{i}" for i in range(24)])
    kind = CorpusKind(name="few", description="few images", license="none", open=lambda argument: corpus)
    with KINDS.temporarily(kind):
        table = scanned("few", tmp_path / "few", detector_run)
    assert list(table["label"]) == [f"l{i}" for i in range(24)]
    pd.testing.assert_frame_equal(table[ANSWERS].reset_index(drop=True), expected[ANSWERS].reset_index(drop=True))


def test_object_storage_is_read_with_retries(folder, shards, expected, detector_run, tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "WAITS_S", (0.01, 0.01))
    with s3_server() as server:
        server.upload(folder, "folder")
        server.upload(shards, "shards")
        for name in ("folder:s3://{}/folder", "parquet:s3://{}/shards"):
            source, out = name.format(BUCKET), tmp_path / name.partition(":")[0]
            files, fails = storage.Storage(f"s3://{BUCKET}/x").files, []
            plain = files.cat_file

            def unsteady(*arguments, plain=plain, fails=fails, **options):
                fails.append(arguments)
                if len(fails) % 3 == 1:
                    raise ConnectionResetError("the server is gone")
                return plain(*arguments, **options)

            with monkeypatch.context() as patch:
                patch.setattr(files, "cat_file", unsteady)
                table = scanned(source, out, detector_run)
            assert fails
            pd.testing.assert_frame_equal(table[ANSWERS], expected.loc[table.index, ANSWERS])
            assert len(table) == 24

            def lost(*arguments, **options):
                raise ConnectionResetError("the server is gone")

            with monkeypatch.context() as patch:
                patch.setattr(files, "cat_file", lost)
                with pytest.raises(BadCorpus, match="run the same command again to resume"):
                    scan(source, tmp_path / f"lost-{out.name}", detector_run)
            table = scanned(source, tmp_path / f"lost-{out.name}", detector_run)
            assert contents(tmp_path / f"lost-{out.name}") == contents(out)


def test_broken_files_groups_and_rows_are_rows_of_errors(shards, encoded, expected, detector_run, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    content = bytearray((shards / "train-0.parquet").read_bytes())
    (broken / "a-cut.parquet").write_bytes(content[:1000])
    (broken / "b-foreign.parquet").write_bytes(b"no table")
    pq.write_table(pa.table({"text": ["no image"]}), broken / "c-text.parquet")
    place = content.index(encoded[3][60:90]) - 150  # the header of the page with images of the second row group
    content[place : place + 80] = b"\xff" * 80
    (broken / "d-group.parquet").write_bytes(content)
    cells = [None, b"", b"no image", encoded[0][:100], encoded[1]]
    pq.write_table(pa.table({"image": pa.array(cells, pa.binary())}), broken / "e-rows.parquet")
    pq.write_table(pa.table({"image": pa.array([], pa.binary())}), broken / "f-empty.parquet")
    table = scanned(f"parquet:{broken}", tmp_path / "scan", detector_run)
    bad = table[table["error"] != ""]
    assert set(bad["answer"]) == {"unreadable"}
    assert {name for name in bad.index if "#" not in name} == {"a-cut.parquet", "b-foreign.parquet", "c-text.parquet"}
    assert {name for name in bad.index if name.startswith("d-")} == {f"d-group.parquet#{i:07d}" for i in (3, 4, 5)}
    assert {name for name in bad.index if name.startswith("e-")} == {f"e-rows.parquet#{i:07d}" for i in range(4)}
    good = table[table["error"] == ""]
    assert set(good.index) == {"00.png", "01.png", "02.png", "06.png", "07.png", "e-rows.parquet#0000004"}
    names = ["00.png", "01.png", "02.png", "06.png", "07.png"]
    pd.testing.assert_frame_equal(good.loc[names, ANSWERS], expected.loc[names, ANSWERS])


ODD_COLUMNS: dict[str, Any] = {
    "list": [[1, 2], None],
    "struct": [{"a": 1, "b": ["x"]}, {"a": None, "b": None}],
    "decimal": [decimal.Decimal("1.50"), None],
    "when": [datetime.datetime(2020, 1, 1), None],
    "span": pa.array([1, None], pa.duration("s")),
    "day": [datetime.date(2020, 1, 1), None],
    "dictionary": pa.array(["a", "b"]).dictionary_encode(),
    "null": pa.nulls(2),
    "blob": [b"\x00\xff", None],
    "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
    "large": pa.array(["x", "y"], pa.large_string()),
    "half": pa.array(np.array([1, 2], np.float16)),
    "path": ["mine", "@yours"],
    "class": [1, 2],
    "=1+1": [True, None],
    "": ["no name", ""],
}


def test_columns_of_every_type_are_kept(encoded, detector_run, tmp_path):
    first = pa.table(ODD_COLUMNS | {"image": encoded[:2], "n_differs": [1, 2], "first": ["x", "y"]})
    twice = first.append_column("class", pa.array(["again", "twice"]))
    data = tmp_path / "data"
    data.mkdir()
    pq.write_table(twice, data / "0.parquet")
    second = {"image": encoded[2:4], "n_differs": [["a"], ["b"]], "list": ["text", None], "second": [1.5, None]}
    pq.write_table(pa.table(second), data / "1.parquet")
    scan(f"parquet:{data}", tmp_path / "scan", detector_run)
    table = pq.read_table(tmp_path / "scan" / "verdicts.parquet")
    for name, values in ODD_COLUMNS.items():
        stored = table[f"source.{name}" if name in ("path", "class") else name]
        wanted = pa.chunked_array([values]) if isinstance(values, pa.Array) else pa.chunked_array([pa.array(values)])
        if name != "list":  # text in the other file
            assert stored.slice(0, 2).to_pylist() == wanted.to_pylist(), name
            assert stored.slice(2).to_pylist() == [None, None], name
    assert table["list"].to_pylist() == ["[1, 2]", None, "text", None]
    assert table["n_differs"].to_pylist() == ["1", "2", "['a']", "['b']"]
    assert table["class.2"].to_pylist() == ["again", "twice", None, None]
    assert table["first"].to_pylist() == ["x", "y", None, None]
    assert table["second"].to_pylist() == [None, None, 1.5, None]
    csv = pd.read_csv(tmp_path / "scan" / "verdicts.csv")
    assert len(csv) == 4
    assert len(csv.columns) == len(table.column_names)
    assert csv["source.path"].tolist()[:2] == ["mine", "'@yours"]


def test_a_killed_scan_of_tables_ends_with_the_same_bytes(shards, detector_run, tmp_path, monkeypatch):
    plain, kills = scan_chunks.Chunks.write, []

    class Killed(BaseException):
        pass

    def dying(self, index, *given):
        kills.append(index)
        if len(kills) % 2 == 0:
            plain(self, index, *given)
        raise Killed

    for out in (tmp_path / "whole", tmp_path / "killed"):
        with monkeypatch.context() as patch:
            if out.name == "killed":
                patch.setattr(scan_chunks.Chunks, "write", dying)
                for _ in range(6):
                    with pytest.raises(Killed):
                        scan(f"parquet:{shards}", out, detector_run)
        scan(f"parquet:{shards}", out, detector_run)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 200])
@pytest.mark.parametrize("group", [7, 64, 130, 1000])
def test_parts_of_a_table_are_its_rows_in_any_selection(tmp_path, rows, group):
    cells = [f"cell {i}".encode() for i in range(rows)]
    pq.write_table(pa.table({"image": cells, "i": range(rows)}), tmp_path / "t.parquet", row_group_size=group)
    source = ParquetFiles(str(tmp_path / "t.parquet"))
    assert sum(part.count for part in source.parts) == rows
    for step in (1, 2, 3):
        read = []
        selected = [[i for i in indices if i % step == 0] for indices in source.groups()]
        for indices in filter(None, selected):
            for part in source.read(indices):
                first = source.parts[part.index].place[4]
                assert [item.content for item in part.items] == cells[first : first + len(part.items)]
                assert part.columns["i"].to_pylist() == list(range(first, first + len(part.items)))
                assert [item.name for item in part.items][:1] == [f"t.parquet#{first:07d}"]
                read.append(part.index)
        assert read == [i for i in range(len(source.parts)) if i % step == 0]


def test_remote_files_are_read_as_local_ones(tmp_path):
    content = np.random.default_rng(0).bytes(5000)
    (tmp_path / "file").write_bytes(content)
    remote = RemoteFile(storage.Storage(f"file://{tmp_path}"), "file")
    with (tmp_path / "file").open("rb") as local, remote:
        for offset, whence, count in ((10, 0, 5), (-20, 2, 100), (-15, 1, 3), (0, 2, 1), (4990, 0, 50), (0, 0, -1)):
            assert local.seek(offset, whence) == remote.seek(offset, whence)
            assert remote.read(count) == local.read(count)
            assert remote.tell() == local.tell()


@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
def test_ray_writes_the_same_bytes(shards, detector_run, tmp_path, capsys):
    scan(f"parquet:{shards}", tmp_path / "local", detector_run)
    command = ["scan", f"parquet:{shards}", "--out", str(tmp_path / "ray"), "--run", str(detector_run)]
    assert main([*command, "--executor", "ray"]) == 0
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
    assert main([*command, "--address", "auto"]) == 2
    assert "--executor ray" in capsys.readouterr().err


def test_sources_that_cannot_be_used_are_one_sentence(tmp_path, detector_run):
    (tmp_path / "empty").mkdir()
    for source, reason in (
        ("nothing", "is not a folder"),
        (f"parquet:{tmp_path}/none.parquet", "does not exist"),
        (f"parquet:{tmp_path}/empty", "contains no Parquet files"),
        (f"folder:{tmp_path}/empty", "contains no images"),
        ("folder:s3://user:secret@host/x", "contains a user name"),
        ("parquet:s3://user:secret@host/x", "contains a user name"),
        ("parquet:", "requires a FILE"),
    ):
        with pytest.raises((BadConfig, BadCorpus), match=reason):
            scan(source, tmp_path / "out", detector_run)
    assert not (tmp_path / "out").exists()
