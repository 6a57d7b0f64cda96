"""Corrupted and foreign files give an error that names the file and says what helps."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from probing_core.answers.answer import Posterior
from probing_core.detector.detector import Detector
from probing_core.errors import BadRun
from probing_core.probes.probe import FitFacts, LinearProbe
from probing_core.run import files

ARRAYS = {"embeddings": np.arange(12, dtype=np.float32).reshape(4, 3), "half": np.ones((2, 2), np.float16)}
TABLE = pd.DataFrame({"a": np.arange(40), "b": [f"n{i}" for i in range(40)], "c": np.linspace(0, 1, 40)})


def parquet(table: pd.DataFrame) -> bytes:
    file = io.BytesIO()
    files.write_tables([table], file)
    return file.getvalue()


def probe() -> bytes:
    ones = np.ones(3, np.float32)
    facts = FitFacts(1.0, False, True, 2, 0.5, path=((1.0, 0.5),))
    return LinearProbe(("a", "b"), np.ones((2, 3), np.float32), ones[:2], ones, ones, facts).to_bytes()


def detector() -> bytes:
    layers = tuple((np.ones((2, 2), np.float32), np.ones(2, np.float32)) for _ in range(3))
    return Detector(("a", "b"), ("x", "y"), np.ones(2), np.ones(2), (layers,)).to_bytes()


Read = Callable[..., object]
KINDS: dict[str, tuple[bytes, Read]] = {
    "table": (parquet(TABLE), files.read_table),
    "columns": (parquet(TABLE), partial(files.read_table, columns=["c", "a"])),
    "arrays": (save(ARRAYS), files.read_arrays),
    "mapped": (save(ARRAYS), partial(files.map_array, array="embeddings")),
    "names": (save(ARRAYS), files.array_names),
    "toml": (b'a = 1\n[b]\nc = ["x", 2.5]\n', files.read_toml),
    "json": (b'{"a": [1, {"b": null}], "c": "x"}', files.read_json),
    "probe": (probe(), partial(files.read_object, parse=LinearProbe.from_bytes)),
    "detector": (detector(), partial(files.read_object, parse=Detector.from_bytes)),
    "posterior": (Posterior(1.0, 0.5).to_bytes(), partial(files.read_object, parse=Posterior.from_bytes)),
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
entries = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F32", "F16", "BF16", "F8_E4M3", "I64", "BOOL", "X"]) | json_values,
        "shape": st.lists(st.integers(-2, 2**62), max_size=3) | json_values,
        "data_offsets": st.lists(st.integers(-2, 2**62), max_size=3) | json_values,
    },
)
headers = st.dictionaries(
    st.sampled_from(["embeddings", "__metadata__", "weight", ""]), entries | json_values, max_size=3
)


@st.composite
def corrupted(draw: st.DrawFn, content: bytes, is_safetensors: bool) -> bytes:
    kinds = ["cut", "flip", "insert", "foreign", "size", *(["header"] if is_safetensors else [])]
    kind = draw(st.sampled_from(kinds))
    if kind == "cut":
        return content[: draw(st.integers(0, len(content) - 1))]
    if kind == "foreign":
        return draw(st.binary(max_size=40) | st.sampled_from([b"[" * 50_000, b"a = " + b"[" * 50_000, b"\xff\xfe"]))
    if kind == "size":
        size = draw(st.integers(0, 2**64 - 1) | st.sampled_from([len(content), len(content) - 8, 2**31, 2**63]))
        return size.to_bytes(8, "little") + content[8:]
    if kind == "header":
        header = json.dumps(draw(headers)).encode()
        return len(header).to_bytes(8, "little") + header + draw(st.binary(max_size=64))
    changed = bytearray(content)
    for place in draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        if kind == "flip":
            changed[place] ^= draw(st.integers(1, 255))
        else:
            changed[place:place] = draw(st.binary(min_size=1, max_size=8))
    return bytes(changed)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_readers_raise_one_kind_of_error_for_corrupted_files(tmp_path, kind, data):
    content, read = KINDS[kind]
    path = tmp_path / "shared.bin"
    path.write_bytes(data.draw(corrupted(content, content[8:9] == b"{")))
    try:
        np.array(read(path))  # reads what is mapped
    except BadRun as error:
        message = str(error)
    else:
        return
    assert "shared.bin" in message
    assert "\n" not in message


@pytest.mark.parametrize("kind", KINDS)
def test_readers_name_the_file_and_the_hint_of_the_caller(tmp_path, kind):
    content, read = KINDS[kind]
    path = tmp_path / "x"
    path.write_bytes(content)
    read(path)
    for spoil in (lambda: path.write_bytes(content[: len(content) // 2] + b"\xff"), path.unlink):
        spoil()
        with pytest.raises(BadRun, match="'chunks/x' cannot be read") as caught:
            read(path, name="chunks/x", hint="Run `probing scan` again.")
        assert caught.value.hint == "Run `probing scan` again."


@given(entry=entries, rest=st.binary(max_size=64))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mapped_arrays_are_those_of_the_library(tmp_path, entry, rest):
    header = json.dumps({"x": entry}).encode()
    content = len(header).to_bytes(8, "little") + header + rest
    (tmp_path / "x").write_bytes(content)
    try:
        mapped = np.array(files.map_array(tmp_path / "x", "x"))
    except BadRun:
        return
    np.testing.assert_array_equal(mapped, load(content)["x"])


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64, np.int64, np.bool_])
@pytest.mark.parametrize("shape", [(2, 3), (0, 3), (), (5,)])
def test_arrays_of_every_type_are_mapped_or_read(tmp_path, dtype, shape):
    array = np.ones(shape, dtype)
    (tmp_path / "x").write_bytes(save({"x": array, "y": array}))
    np.testing.assert_array_equal(files.map_array(tmp_path / "x", "x"), array)
    with pytest.raises(BadRun):
        files.map_array(tmp_path / "x", "z")


columns = st.sampled_from(
    [[1, 2], [1.5, None], ["a", None], [None, None], [b"a", b"b"], [[1], [2]], [{"x": 1}, {"x": 2}], [True, False]]
)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), columns, min_size=1), min_size=2, max_size=4))
@settings(deadline=None)
def test_tables_are_joined_or_the_file_that_differs_is_named(contents):
    tables = [pd.DataFrame(content) for content in contents]
    names = [f"units/{i}" for i in range(len(tables))]
    file = io.BytesIO()
    try:
        files.write_tables(iter(tables), file, names)
    except BadRun as error:
        message = str(error)
        assert "cannot be joined" in message
        assert any(name in message for name in names[1:])
        return
    joined = pd.read_parquet(file)
    assert list(joined) == list(tables[0])
    assert len(joined) == 2 * len(tables)


def test_tables_with_columns_in_a_different_order_are_joined(monkeypatch):
    monkeypatch.setattr(files, "GROUP_ROWS", 1)
    file = io.BytesIO()
    files.write_tables([TABLE, TABLE[["c", "a", "b"]]], file)
    pd.testing.assert_frame_equal(pd.read_parquet(file), pd.concat([TABLE, TABLE], ignore_index=True))
    with pytest.raises(BadRun, match="table 2"):
        files.write_tables([TABLE, TABLE.assign(a="x")], io.BytesIO())
