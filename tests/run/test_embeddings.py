"""What later stages read of embeddings: rows across units, series, blocks, and what is missing."""

from __future__ import annotations

import numpy as np
import pytest

from probing_core.errors import BadRun
from probing_core.run.models import has_embeddings, lazy_blocks, read_embeddings
from probing_core.run.store import Store

MODEL = "zoo/mae"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "run")


def write_units(store, folder: str, **arrays) -> None:
    """Each array is cut into units of three rows."""
    for start in range(0, len(next(iter(arrays.values()))), 3):
        unit = {name: array[start : start + 3] for name, array in arrays.items()}
        store.write(f"models/zoo-mae/{folder}/unit-{start // 3:05d}.safetensors", unit, "key")


def test_a_series_has_embeddings_of_its_own(store):
    main, other = np.zeros((4, 2), np.float32), np.ones((5, 2), np.float32)
    write_units(store, "embeddings", embeddings=main)
    assert not has_embeddings(store, MODEL, "sweep")
    with pytest.raises(BadRun, match=r"no embeddings of 'zoo/mae'.*probing run"):
        read_embeddings(store, MODEL, series="sweep")
    write_units(store, "series/sweep", embeddings=other)
    assert has_embeddings(store, MODEL)
    assert has_embeddings(store, MODEL, "sweep")
    assert np.array_equal(read_embeddings(store, MODEL, series="sweep"), other)


def test_blocks_come_first_to_last_by_number(store):
    """The tenth stands after the ninth, though its name sorts before the second."""
    blocks = {f"{layer}.mean": np.full((4, 2), layer, np.float32) for layer in (10, 2, 9, 1)}
    write_units(store, "series/layers", **blocks)
    read = lazy_blocks(store, MODEL, "layers")
    assert list(read) == ["1.mean", "2.mean", "9.mean", "10.mean"]
    assert all(np.array_equal(embeddings[:], blocks[name]) for name, embeddings in read.items())
