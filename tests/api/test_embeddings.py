"""Embeddings without their pictures: what people have is read, scored and calibrated, and what is hostile refused."""

from __future__ import annotations

import json
import pickle
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from probing_core.api.embeddings import probe_of, reading, score_embeddings
from probing_core.cli import main
from probing_core.detector.calibration import p_values
from probing_core.errors import BadConfig, BadRun, UnknownName
from probing_core.probes.portable import PortableProbe
from tests.probes.test_portable import made_probe

DIM = 24


@pytest.fixture(scope="module")
def probe() -> PortableProbe:
    return made_probe(DIM)


def rows(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.5, 1.5, (n, DIM)).astype(np.float32)


def clip_retrieval(folder: Path, *sizes: int, apart: bool = False) -> list[np.ndarray]:
    images, names = (folder / "img_emb", folder / "metadata") if apart else (folder, folder)
    images.mkdir(parents=True, exist_ok=True)
    names.mkdir(parents=True, exist_ok=True)
    made = []
    for i, size in enumerate(sizes):
        made.append(rows(size, i).astype(np.float16))
        np.save(images / f"img_emb_{i}.npy", made[-1])
        table = pd.DataFrame({"image_path": [f"{i}/{row}.jpg" for row in range(size)], "caption": "x"})
        table.to_parquet(names / f"metadata_{i}.parquet", row_group_size=7)
    return made


def table(out: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(out / "scores" / f"{name}.parquet")


@pytest.mark.parametrize("apart", [False, True])
def test_folders_of_clip_retrieval_are_scored_row_by_row(probe, tmp_path, monkeypatch, apart):
    monkeypatch.setattr(reading, "BLOCK", 16)
    parts = clip_retrieval(tmp_path / "laion", 50, 0, 33, apart=apart)
    found = score_embeddings(tmp_path / "laion", tmp_path / "out", probe)
    assert (found.rows, found.altered, found.errors) == (83, None, ())
    assert [path.name for path in found.tables] == [f"img_emb_{i}.npy.parquet" for i in range(3)]
    for i, X in enumerate(parts):
        mine = table(tmp_path / "out", f"img_emb_{i}.npy")
        assert list(mine) == ["row", "key", "group", "class", "score"]
        assert list(mine["key"]) == [f"{i}/{row}.jpg" for row in range(len(X))]
        assert list(mine["row"]) == list(range(len(X)))
        score, group, best = probe.answer(X)
        np.testing.assert_allclose(mine["score"], score, rtol=1e-6, atol=1e-5)
        assert list(mine["group"]) == [probe.group_names[g] for g in group]
        assert list(mine["class"]) == [probe.class_names[c] for c in best]
    assert sum(found.groups.values()) == 83
    assert PortableProbe.from_bytes((tmp_path / "out" / "probe.safetensors").read_bytes()).backbone == probe.backbone


def test_archives_of_datacomp_are_read_without_executing_them(probe, tmp_path):
    X = rows(40)
    folder = tmp_path / "metadata"
    folder.mkdir()
    np.savez(folder / "00a.npz", b32_img=rows(40)[:, :8], l14_img=X, l14_txt=rows(40, 1))
    pd.DataFrame({"uid": [f"{i:032x}" for i in range(40)], "url": "http://x"}).to_parquet(folder / "00a.parquet")
    found = score_embeddings(folder, tmp_path / "out", probe)
    mine = table(tmp_path / "out", "00a.npz")
    assert found.rows == 40
    assert list(mine["key"]) == [f"{i:032x}" for i in range(40)]
    np.testing.assert_allclose(mine["score"], probe.answer(X)[0], rtol=1e-6)

    np.savez_compressed(folder / "00a.npz", b32_img=X)
    (error,) = score_embeddings(folder, tmp_path / "out", probe).errors
    assert "holds embeddings of 'ViT-B-32', and the probe is for embeddings of 'open_clip:ViT-L-14/openai'" in error
    np.savez(folder / "00a.npz", l14_img=X, other_img=X)
    (error,) = score_embeddings(folder, tmp_path / "out", probe).errors
    assert "name one with --column: l14_img, other_img" in error
    assert score_embeddings(folder, tmp_path / "out", probe, column="other_img").rows == 40
    (error,) = score_embeddings(folder, tmp_path / "out", probe, column="none").errors
    assert "has no array 'none'; there are: l14_img, other_img" in error


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.large_list(pa.float64()), pa.list_(pa.float32(), DIM)])
def test_columns_of_lists_are_read(probe, tmp_path, kind):
    X = rows(30)
    made = pa.table({"id": pa.array(range(30)), "embedding": pa.array(X.tolist(), kind)})
    pq.write_table(made, tmp_path / "mine.parquet", row_group_size=7)
    assert score_embeddings(tmp_path / "mine.parquet", tmp_path / "out", probe).rows == 30
    mine = table(tmp_path / "out", "mine.parquet")
    assert list(mine["key"]) == [str(i) for i in range(30)]
    np.testing.assert_allclose(mine["score"], probe.answer(X)[0], rtol=1e-5)

    pq.write_table(made.replace_schema_metadata({"model": "zoo/mae"}), tmp_path / "mine.parquet")
    (error,) = score_embeddings(tmp_path / "mine.parquet", tmp_path / "out", probe).errors
    assert "mine.parquet' holds embeddings of 'zoo/mae', and the probe is for" in error


def test_nothing_is_called_altered_without_a_hundred_clean_rows(probe, tmp_path):
    clip_retrieval(tmp_path / "laion", 60)
    np.save(tmp_path / "clean.npy", rows(99, 9))
    with pytest.raises(BadConfig, match="100 untouched rows are needed at least .* and there are 99"):
        score_embeddings(tmp_path / "laion", tmp_path / "out", probe, tmp_path / "clean.npy")
    with pytest.raises(
        BadConfig, match="among the embeddings that are scored; untouched rows serve the calibration alone"
    ):
        score_embeddings(tmp_path / "laion", tmp_path / "out", probe, tmp_path / "laion" / "img_emb_0.npy")
    clean = rows(150, 9)
    clean[3] = np.nan
    np.save(tmp_path / "clean.npy", clean)
    found = score_embeddings(tmp_path / "laion", tmp_path / "out", probe, tmp_path / "clean.npy")
    mine = table(tmp_path / "out", "img_emb_0.npy")
    untouched = np.delete(probe.answer(clean)[0], 3)
    assert found.clean == 149
    np.testing.assert_allclose(mine["p"], p_values(mine["score"].to_numpy(np.float64), untouched), atol=1e-2)
    assert (mine["verdict"] == "altered").equals(mine["p"] <= 0.05)
    assert found.altered == int((mine["p"] <= 0.05).sum()) == sum(found.groups.values())


def test_untouched_rows_are_called_altered_as_often_as_promised(probe, tmp_path):
    everything = rows(20_000, 4)
    np.save(tmp_path / "clean.npy", everything[:1000])
    np.save(tmp_path / "others.npy", everything[1000:])
    found = score_embeddings(tmp_path / "others.npy", tmp_path / "out", probe, tmp_path / "clean.npy")
    assert 0.03 < found.altered / found.rows < 0.07


def test_a_second_call_does_what_is_missing(probe, tmp_path):
    clip_retrieval(tmp_path / "laion", 20, 30)
    out = tmp_path / "out"
    first = score_embeddings(tmp_path / "laion", out, probe)
    times = [path.stat().st_mtime_ns for path in first.tables]
    first.tables[1].unlink()
    (out / "scores" / "img_emb_1.npy.parquet.1234abcd.probing.tmp").write_bytes(b"half")
    again = score_embeddings(tmp_path / "laion", out, probe)
    assert (again.rows, again.groups) == (first.rows, first.groups)
    assert {path.name for path in (out / "scores").iterdir()} == {path.name for path in first.tables}
    assert again.tables[0].stat().st_mtime_ns == times[0]
    other = score_embeddings(tmp_path / "laion", out, made_probe(DIM, seed=1))
    assert other.tables[0].stat().st_mtime_ns != times[0], "another probe, other scores"
    first.tables[0].write_bytes(b"damaged")
    assert score_embeddings(tmp_path / "laion", out, probe).rows == 50
    (tmp_path / "laion" / "img_emb_0.npy").write_bytes(b"no")
    assert score_embeddings(tmp_path / "laion", out, probe).rows == 30
    assert not first.tables[0].exists(), "scores of what the file was"


def header(text: bytes, version: bytes = b"\x01\x00") -> bytes:
    length = struct.pack("<H" if version == b"\x01\x00" else "<I", len(text))
    return b"\x93NUMPY" + version + length + text


HOSTILE = {
    "pickled": (lambda path: np.save(path, np.array([{"a": 1}, None], object)), "holds pickled objects, which are not"),
    "a pickle": (lambda path: path.write_bytes(pickle.dumps([1, 2])), "is no array of NumPy"),
    "empty": (lambda path: path.write_bytes(b""), "is no array of NumPy"),
    "another dimension": (lambda path: np.save(path, np.zeros((5, 7), np.float32)), "holds rows of 7 numbers, and the"),
    "flat": (lambda path: np.save(path, np.zeros(48, np.float32)), r"of the shape \(48,\); expected are floating"),
    "whole numbers": (lambda path: np.save(path, np.zeros((5, DIM), int)), "holds int64 of the shape"),
    "by column": (lambda path: np.save(path, np.asfortranarray(np.zeros((5, DIM)))), "column by column; expected are"),
    "huge header": (lambda path: path.write_bytes(header(b"{" * 20_000)), "has a header of 20,000 bytes; expected"),
    "header of gigabytes": (
        lambda path: path.write_bytes(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}"),
        "has a header of 4,294,967,295 bytes",
    ),
    "code in its header": (
        lambda path: path.write_bytes(header(b"__import__('os').abort()\n")),
        "could not be read as embeddings",
    ),
    "more promised than there": (
        lambda path: path.write_bytes(
            header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 24), }\n") + b"\0" * 96
        ),
        "holds 96 bytes of numbers, and its header says 96,000,000,000,000",
    ),
    "cut short": (
        lambda path: (np.save(path, rows(9)), path.write_bytes(path.read_bytes()[:-5])),
        "holds 859 bytes of numbers, and its header says 864; fetch it again",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_give_one_sentence_and_the_others_go_on(probe, tmp_path, case):
    make, words = HOSTILE[case]
    make(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", rows(12))
    found = score_embeddings(tmp_path, tmp_path / "out", probe)
    assert found.rows == 12
    (error,) = found.errors
    assert error.startswith(f"'{tmp_path / 'a.npy'}' ")
    assert re.search(words, error), error
    assert "\n" not in error
    assert not (tmp_path / "out" / "scores" / "a.npy.parquet").exists()


def test_metadata_that_is_missing_or_of_another_length_is_named(probe, tmp_path):
    clip_retrieval(tmp_path / "laion", 20, 30)
    pd.DataFrame({"image_path": ["x"] * 29}).to_parquet(tmp_path / "laion" / "metadata_1.parquet")
    found = score_embeddings(tmp_path / "laion", tmp_path / "out", probe)
    assert found.rows == 20
    assert "img_emb_1.npy' holds 30 rows, and metadata_1.parquet beside it 29" in found.errors[0]
    pd.DataFrame({"caption": ["x"] * 30}).to_parquet(tmp_path / "laion" / "metadata_1.parquet")
    (error,) = score_embeddings(tmp_path / "laion", tmp_path / "out", probe).errors
    assert "has no names of its rows: metadata_1.parquet beside it has none of uid" in error
    (tmp_path / "laion" / "metadata_1.parquet").unlink()
    with pytest.raises(BadConfig, match=r"img_emb_1.npy' lacks its metadata; expected metadata_1.parquet"):
        score_embeddings(tmp_path / "laion", tmp_path / "out", probe)


def test_rows_that_are_not_finite_are_counted_and_have_no_score(probe, tmp_path):
    X = rows(40)
    X[[7, 9]] = np.nan
    np.save(tmp_path / "mine.npy", X)
    np.save(tmp_path / "clean.npy", rows(120, 1))
    found = score_embeddings(tmp_path / "mine.npy", tmp_path / "out", probe, tmp_path / "clean.npy")
    assert found.rows == 38
    assert found.errors == (
        "'mine.npy' holds 2 rows with values that are not finite numbers, the first is row 7; they have no score.",
    )
    mine = table(tmp_path / "out", "mine.npy")
    assert mine.loc[[7, 9], ["group", "class", "score", "p", "verdict"]].isna().all(axis=None)
    assert mine.drop([7, 9])[["group", "class", "score", "p", "verdict"]].notna().all(axis=None)


def test_the_probe_of_a_run_names_its_backbone_and_what_lacks_one_is_told(tmp_path):
    probe = probe_of("zoo/mae")
    assert probe.dim == 192
    assert probe.backbone["model"] == "zoo/mae"
    assert len(probe.backbone["weights"]) == 64
    assert probe.backbone["preprocessing"]["size"] == [128, 128]
    assert probe.backbone["pooling"] == "mean"
    assert len(probe.group_names) == 10
    with pytest.raises(UnknownName, match=r"has no probe of 'zoo/no'; `probing rank zoo/no` makes one. It has: zoo/"):
        probe_of("zoo/no")
    with pytest.raises(BadRun, match="There is no probe"):
        probe_of(str(tmp_path / "probe.safetensors"))
    with pytest.raises(BadConfig, match="There is no file or folder"):
        score_embeddings(tmp_path / "nowhere", tmp_path / "out", probe)
    with pytest.raises(BadConfig, match="holds no embeddings"):
        score_embeddings(tmp_path, tmp_path / "out2", probe)


def test_the_command_prints_a_table_or_json_and_one_line_an_error(probe, tmp_path, capsys):
    (tmp_path / "probe.safetensors").write_bytes(probe.to_bytes())
    clip_retrieval(tmp_path / "laion", 50)
    np.save(tmp_path / "clean.npy", rows(200, 5))
    command = [
        *("embeddings", str(tmp_path / "laion"), "--out", str(tmp_path / "out")),
        *("--model", str(tmp_path / "probe.safetensors")),
    ]
    assert main(command) == 0
    printed = capsys.readouterr()
    assert "most probable, if altered" in printed.out
    assert "50 rows are scored" in printed.err
    assert "none is called altered without --clean" in printed.err
    assert main([*command, "--clean", str(tmp_path / "clean.npy"), "--json"]) == 0
    printed = capsys.readouterr()
    for row in json.loads(printed.out):
        assert set(row) == {"group", "called altered"}
    assert "of untouched rows of the same source 5 % would be, as far as 200 untouched ones tell" in printed.err
    (tmp_path / "laion" / "img_emb_1.npy").write_bytes(b"no")
    pd.DataFrame({"key": ["a"]}).to_parquet(tmp_path / "laion" / "metadata_1.parquet")
    assert main(command) == 2
    printed = capsys.readouterr().err
    assert [line for line in printed.splitlines() if line.startswith("error: ")] == [
        f"error: '{tmp_path / 'laion' / 'img_emb_1.npy'}' is no array of NumPy."
    ]


def test_a_fresh_process_needs_no_framework(probe, tmp_path):
    (tmp_path / "probe.safetensors").write_bytes(probe.to_bytes())
    clip_retrieval(tmp_path / "laion", 50)
    command = [
        *("embeddings", str(tmp_path / "laion"), "--out", str(tmp_path / "out")),
        *("--model", str(tmp_path / "probe.safetensors")),
    ]
    code = (
        f"import sys; from probing_core.cli import main; code = main({command!r}); "
        "print(code, [m for m in ('torch', 'sklearn', 'onnxruntime', 'openvino', 'streamlit') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_memory_does_not_grow_with_the_rows(probe, tmp_path):
    """Peak of a fresh process over 8 MB of embeddings and over 157."""
    code = (
        "import sys; from probing_core.api.embeddings import probe_of, score_embeddings; "
        "from lab.benchmarks._common import peak_mb; from pathlib import Path; "
        "score_embeddings(Path(sys.argv[1]), Path(sys.argv[2]), probe_of(sys.argv[3])); print(peak_mb())"
    )
    (tmp_path / "probe.safetensors").write_bytes(probe.to_bytes())
    peaks = []
    for blocks in (20, 400):
        np.save(tmp_path / f"{blocks}.npy", np.tile(rows(reading.BLOCK), (blocks, 1)))
        arguments = [str(tmp_path / name) for name in (f"{blocks}.npy", f"out-{blocks}", "probe.safetensors")]
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
        )
        peaks.append(float(done.stdout))
    grown = peaks[1] - peaks[0]
    assert grown < 40, f"the file is 149 MB larger, and the peak grew by {grown:.0f} MB"
