"""Units are joined into files of similar size, in any order of completion and after a kill."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from probing_core.run.assets import Asset, AssetGraph, Option
from probing_core.run.engine import Plan
from probing_core.run.layout import units_at
from probing_core.run.models import embeddings_files, read_embeddings
from probing_core.run.sample_sets import cut_shards, file_bytes
from probing_core.run.store import Store
from tests.run.test_embed import files

MODEL, UNITS = "zoo/mae", 11
ROWS = [3, 4, 3, 5, 3, 3, 4, 3, 3, 4, 2]


def unit_bytes(rows: int) -> int:
    """Return the approximate size of the result of `unit`."""
    return 180 + rows * 26


SHARDS = cut_shards([unit_bytes(rows) for rows in ROWS], 600)


def plan_of(store: Store, order=range(UNITS), seed: int = 0, shards=SHARDS) -> Plan:
    def embed(writers):
        (writer,) = writers
        missing = set(writer.missing(UNITS))
        for index in (index for index in order if index in missing):
            writer.write(index, unit(index))

    asset = Asset(
        path="models/zoo-mae/embeddings/",
        description="embeddings",
        stage="embed",
        options=(Option("seed", lambda snapshot, key: seed),),
        compute_units=embed,
        shards=lambda snapshot, key: shards,
    )
    return Plan(AssetGraph((asset,)), None, store)


def missing_units(store: Store) -> list[int]:
    plan = plan_of(store)
    return plan.unit_writer(plan.partitions["models/zoo-mae/embeddings/"]).missing(UNITS)


def unit(index: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(index)
    return {
        "10.mean": rng.normal(size=(ROWS[index], 5)).astype(np.float16),
        "embeddings": rng.normal(size=(ROWS[index], 4)).astype(np.float32),
    }


def make(store: Store, order=range(UNITS), seed: int = 0, shards=SHARDS) -> Store:
    plan = plan_of(store, order, seed, shards)
    plan.materialize(list(plan.partitions.values()))
    store.fold()
    return store


def whole(array: str = "embeddings") -> np.ndarray:
    return np.concatenate([unit(i)[array] for i in range(UNITS)])


def test_units_are_joined_and_read_as_they_were(tmp_path):
    store = make(Store(tmp_path), range(UNITS))
    assert store.names("units/") == []
    found = [units_at(name) for name in embeddings_files(store, MODEL)]
    assert 2 < len(found) < UNITS
    assert [unit for first, last in found for unit in range(first, last + 1)] == list(range(UNITS))
    assert np.array_equal(read_embeddings(store, MODEL), whole())
    assert store.damage() == []


def test_units_in_any_order_give_the_same_files(tmp_path):
    expected = files(make(Store(tmp_path / "in order"), range(UNITS)).root)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(UNITS).tolist()
        assert files(make(Store(tmp_path / f"{seed}"), order).root) == expected


def test_kill_before_any_line_of_the_journal_gives_the_same_files(tmp_path):
    expected = files(make(Store(tmp_path / "whole"), range(UNITS)).root)

    class Killed(Exception):
        pass

    order = np.random.default_rng(7).permutation(UNITS).tolist()
    for at in range(60):
        store = Store(tmp_path / f"killed at {at}")
        enter, left = store._manifest.enter, [at]

        def killed(entries, enter=enter, left=left):
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            enter(entries)

        store._manifest.enter = killed
        try:
            make(store, order)
            done = True
        except Killed:
            done = False
        again = Store(store.root)
        assert not (done and missing_units(again))
        make(again)
        assert files(store.root) == expected
        if done:
            return
    pytest.fail("it never came to an end")


def test_damaged_shard_alone_is_recomputed(tmp_path):
    store = make(Store(tmp_path), range(UNITS))
    before = files(store.root)
    lost = embeddings_files(store, MODEL)[1]
    first, last = units_at(lost)
    store.remove(lost)
    assert missing_units(store) == list(range(first, last + 1))
    make(store, range(UNITS)[::-1])
    assert files(store.root) == before


def test_shards_of_a_different_recipe_are_removed(tmp_path):
    store = make(Store(tmp_path / "run"), range(UNITS))
    expected = files(Store(shutil.copytree(store.root, tmp_path / "copy")).root)
    for name in store.names():
        store.write_bytes(name, store.read_bytes(name), "older")
    assert missing_units(store) == list(range(UNITS))
    assert store.names() == []
    make(store)
    assert files(store.root) == expected


@pytest.mark.parametrize("shards", [[(i, i) for i in range(UNITS)], SHARDS])
def test_inputs_of_embeddings_are_noted_with_every_file(tmp_path, shards):
    store = make(Store(tmp_path), seed=3, shards=shards)
    assert len(embeddings_files(store, MODEL)) == len(shards)
    for name in embeddings_files(store, MODEL):
        noted = store.entry(name)["inputs"]
        assert noted | {"options": store.options(noted["options"])} == {"revision": 1, "options": {"seed": 3}}


def test_shards_with_other_limits_count_and_only_what_is_missing_is_computed(tmp_path):
    store = make(Store(tmp_path), shards=[(0, 1), (2, 5), (6, 6), (7, 10)])
    before = files(store.root)
    make(store)
    assert files(store.root) == before
    lost = next(name for name in embeddings_files(store, MODEL) if units_at(name) == (2, 5))
    store.remove(lost)
    assert missing_units(store) == [2, 3, 4, 5]
    make(store)
    assert np.array_equal(read_embeddings(store, MODEL), whole())
    assert {
        name: held for name, held in files(store.root).items() if name in before and "unit" in name
    }.items() <= before.items()


@pytest.mark.parametrize("seed", range(20))
def test_cut_shards_equals_packing_one_unit_after_the_other(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 90, rng.integers(1, 40)).tolist()
    expected, first, size = [], 0, 0
    for unit in range(len(sizes) + 1):  # as runs were packed when units came in order
        if unit > first and (size >= 100 or unit == len(sizes)):
            expected.append((first, unit - 1))
            first, size = unit, 0
        size += sizes[unit] if unit < len(sizes) else 0
    assert cut_shards(sizes, 100) == expected


@pytest.mark.parametrize(("rows", "dim"), [(1, 1), (31, 192), (496, 768), (7, 2048), (1000, 64)])
@pytest.mark.parametrize("arrays", [("embeddings",), ("1.cls", "1.mean", "10.cls", "10.mean")])
def test_file_bytes_is_the_size_that_safetensors_writes(rows, dim, arrays):
    from safetensors.numpy import save

    assert file_bytes(arrays, rows, dim) == len(save(dict.fromkeys(arrays, np.zeros((rows, dim), np.float32))))
