"""Units become files of about one size, whichever was finished first, and whatever a kill left."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from probing_core.run import assets
from probing_core.run.assets import Asset, AssetGraph, Option
from probing_core.run.engine import Plan
from probing_core.run.layout import units_at
from probing_core.run.models import embeddings_files, read_embeddings
from probing_core.run.store import Store
from tests.run.test_embed import files

MODEL, UNITS = "zoo/mae", 11
ROWS = [3, 4, 3, 5, 3, 3, 4, 3, 3, 4, 2]


@pytest.fixture(autouse=True)
def some_units(monkeypatch):
    monkeypatch.setattr(assets, "SHARD_BYTES", 600)  # a unit of three rows takes about 200 bytes


def plan_of(store: Store, order=range(UNITS), seed: int = 0) -> Plan:
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
        unit_count=lambda snapshot, key: UNITS,
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


def make(store: Store, order=range(UNITS), seed: int = 0) -> Store:
    plan = plan_of(store, order, seed)
    plan.materialize(list(plan.partitions.values()))
    store.fold()
    return store


def whole(array: str = "embeddings") -> np.ndarray:
    return np.concatenate([unit(i)[array] for i in range(UNITS)])


def test_units_are_gathered_and_read_as_they_were(tmp_path):
    store = make(Store(tmp_path), range(UNITS))
    assert store.names("units/") == []
    found = [units_at(name) for name in embeddings_files(store, MODEL)]
    assert 2 < len(found) < UNITS
    assert [unit for first, last in found for unit in range(first, last + 1)] == list(range(UNITS))
    assert np.array_equal(read_embeddings(store, MODEL), whole())
    assert np.array_equal(read_embeddings(store, MODEL, np.array([2, 20, 36])), whole()[[2, 20, 36]])
    assert store.damage() == []


def test_every_order_gives_the_same_files(tmp_path):
    expected = files(make(Store(tmp_path / "in order"), range(UNITS)).root)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(UNITS).tolist()
        assert files(make(Store(tmp_path / f"{seed}"), order).root) == expected


def test_killed_before_any_line_of_the_journal_it_ends_with_the_same_files(tmp_path):
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


def test_a_damaged_shard_alone_is_made_again(tmp_path):
    store = make(Store(tmp_path), range(UNITS))
    before = files(store.root)
    lost = embeddings_files(store, MODEL)[1]
    first, last = units_at(lost)
    store.remove(lost)
    assert missing_units(store) == list(range(first, last + 1))
    make(store, range(UNITS)[::-1])
    assert files(store.root) == before


def test_files_of_another_recipe_go(tmp_path):
    store = make(Store(tmp_path / "run"), range(UNITS))
    expected = files(Store(shutil.copytree(store.root, tmp_path / "copy")).root)
    for name in store.names():
        store.write_bytes(name, store.read_bytes(name), "older")
    assert missing_units(store) == list(range(UNITS))
    assert store.names() == []
    make(store)
    assert files(store.root) == expected


@pytest.mark.parametrize("size", [1, 600])
def test_what_embeddings_are_made_from_is_noted_with_every_file_of_one_unit_or_more(tmp_path, monkeypatch, size):
    monkeypatch.setattr(assets, "SHARD_BYTES", size)
    store = make(Store(tmp_path), seed=3)
    for name in embeddings_files(store, MODEL):
        noted = store.entry(name)["inputs"]
        assert noted | {"options": store.options(noted["options"])} == {"revision": 1, "options": {"seed": 3}}
