"""Entries and embeddings of the models of a run; errors name manual changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lab.devtools.run_edits import put
from probing_core.errors import BadRun
from probing_core.run.directory import RunDirectory
from probing_core.run.layout import model_path
from probing_core.run.models import has_embeddings, lazy_blocks, model_entries, read_embeddings, require_joined
from probing_core.run.recipe import write_recipe
from probing_core.run.run_files import RunFiles
from tests.run.test_recipe import RECIPE

ENTRY = {"family": "ViT", "objective": "MAE", "dim": 192, "recipe": {}, "position": 0}


@pytest.fixture
def store(tmp_path: Path) -> RunFiles:
    run = RunDirectory(tmp_path)
    write_recipe(run, RECIPE)
    return run


def write(store: RunFiles, name: str, **entries: object) -> None:
    entry = ENTRY | {"name": name, "request": name} | entries
    put(store, {model_path(name): {key: value for key, value in entry.items() if value is not None}})


def test_models_are_in_the_order_in_which_they_were_asked_for(tmp_path):
    store = RunFiles(tmp_path)
    for name, request, position in [("a@layer=2", "a@layer=all", 1), ("a@layer=1", "a@layer=all", 0), ("b", "b", 0)]:
        write(store, name, request=request, position=position)
    assert [e["name"] for e in model_entries(store, ("b", "a@layer=all"))] == ["b", "a@layer=1", "a@layer=2"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"family": None}, "'family' must be a string; it is missing"),
        ({"request": []}, r"'request' must be a string; got \[\]"),
        ({"dim": "many"}, "'dim' must be an integer; got 'many'"),
        ({"position": True}, "'position' must be an integer; got True"),
        ({"recipe": float("nan")}, "'recipe' must be a table; got nan"),
    ],
)
def test_invalid_entry_is_named(store, change, sentence):
    write(store, "zoo/mae", **change)
    with pytest.raises(BadRun, match=sentence) as refused:
        model_entries(store)
    assert "model.toml' was modified or created by a different version" in str(refused.value)


def test_require_joined_accepts_updates_but_not_other_weights():
    joined = {"weights": "a", "libraries": {"torch": "2.1"}, "device": "cpu", "precision": "float32", "batch_size": 8}
    updated = joined | {"libraries": {"torch": "3.0"}, "device": "cuda", "precision": "bfloat16", "batch_size": 16}
    require_joined({"name": "zoo/mae", "recipe": updated}, {"recipe": joined})
    for other, differs in ((joined | {"weights": "b"}, "weights"), (joined | {"layer": 2}, "layer")):
        with pytest.raises(BadRun, match=rf"has changed since it was added to the run \(changed: {differs}\)"):
            require_joined({"name": "zoo/mae", "recipe": other}, {"recipe": joined})


MODEL = "zoo/mae"


def write_units(store, folder: str, **arrays) -> None:
    """Write arrays in units of three rows."""
    for start in range(0, len(next(iter(arrays.values()))), 3):
        unit = {name: array[start : start + 3] for name, array in arrays.items()}
        put(store, {f"models/zoo-mae/{folder}/unit-{start // 3:05d}.safetensors": unit})


def test_series_has_separate_embeddings(store):
    main, other = np.zeros((4, 2), np.float32), np.ones((5, 2), np.float32)
    write_units(store, "embeddings", embeddings=main)
    assert not has_embeddings(store, MODEL, "sweep")
    with pytest.raises(BadRun, match=r"(?s)no embeddings from 'zoo/mae'.*probing run"):
        read_embeddings(store, MODEL, series="sweep")
    write_units(store, "series/sweep", embeddings=other)
    assert has_embeddings(store, MODEL)
    assert has_embeddings(store, MODEL, "sweep")
    assert np.array_equal(read_embeddings(store, MODEL, series="sweep"), other)


def test_blocks_are_ordered_by_number(store):
    blocks = {f"{layer}.mean": np.full((4, 2), layer, np.float32) for layer in (10, 2, 9, 1)}
    write_units(store, "series/layers", **blocks)
    read = lazy_blocks(store, MODEL, "layers")
    assert list(read) == ["1.mean", "2.mean", "9.mean", "10.mean"]
    assert all(np.array_equal(embeddings[:], blocks[name]) for name, embeddings in read.items())
