"""Rows from disk are those that were written, however they are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from lab.devtools.run_edits import put
from probing_core.compute.lazy_rows import LazyRows
from probing_core.run.run_files import RunFiles


@pytest.fixture
def written(tmp_path) -> tuple[np.ndarray, LazyRows]:
    """Thirty rows in memory, and the same in three files, one of them empty and one in half precision."""
    X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float16).astype(np.float32)
    store = RunFiles(tmp_path)
    parts = {"a": X[:7], "b": X[7:7], "c": X[7:].astype(np.float16)}
    for name, rows in parts.items():
        put(store, {name: {"other": np.arange(5), "embeddings": rows}})
    return X, LazyRows(tuple(store.map_array(name, "embeddings") for name in parts))


def test_slices_and_positions_give_the_same_rows(written):
    X, rows = written
    assert rows.shape == X.shape
    assert len(rows) == len(X)
    for key in (
        slice(None),
        slice(5, 9),
        slice(0, 0),
        slice(25, 99),
        np.array([29, 0, 7, 7, 6]),
        np.arange(30) % 3 == 0,
    ):
        assert rows[key].dtype == np.float32
        np.testing.assert_array_equal(rows[key], X[key])
    np.testing.assert_array_equal(np.asarray(rows), X)


def test_some_of_some_rows_are_counted_among_those(written):
    X, rows = written
    picked = np.array([20, 3, 8, 15, 3])
    some = rows.at(picked)
    assert some.shape == (5, 4)
    np.testing.assert_array_equal(some[1:4], X[picked][1:4])
    np.testing.assert_array_equal(some.at(np.array([4, 0]))[:], X[picked][[4, 0]])


def test_rows_follow_rows(written):
    X, rows = written
    picked = np.array([1, 28])
    both = rows.at(picked).then(LazyRows((X[:3] + 9,)))
    expected = np.concatenate([X[picked], X[:3] + 9])
    np.testing.assert_array_equal(both[:], expected)
    np.testing.assert_array_equal(both[1:3], expected[1:3])


@pytest.mark.parametrize("block", [1, 4, 100])
def test_blocks_are_all_rows_in_order(written, monkeypatch, block):
    X, rows = written
    monkeypatch.setattr("probing_core.compute.lazy_rows.READ_ROWS", block)
    blocks = list(rows.at(np.arange(29, -1, -1)).blocks())
    assert max(map(len, blocks)) <= block
    np.testing.assert_array_equal(np.concatenate(blocks), X[::-1])
    assert [b.shape for b in rows.at(np.arange(0)).blocks()] == [(0, 4)]


def test_only_what_is_asked_for_is_read(tmp_path):
    """A file with a hole of eight gigabytes, of which three rows are read."""
    store = RunFiles(tmp_path)
    put(store, {"x": {"embeddings": np.zeros((2, 1024), np.float32)}})
    path, n = store.path("x"), 2 * 2**20
    header = b'{"embeddings":{"dtype":"F32","shape":[%d,1024],"data_offsets":[0,%d]}}' % (n, n * 4096)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + n * 4096)
    rows = LazyRows((store.map_array("x", "embeddings"),))
    assert rows.shape == (n, 1024)
    assert rows[np.array([0, n // 2, n - 1])].sum() == 0
