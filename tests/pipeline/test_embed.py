from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from probing_core.corpora import open_corpus
from probing_core.embedders import load_embedder
from probing_core.embedders.network import compiled
from probing_core.errors import BadRun, ModelUnavailable
from probing_core.pipeline import batches
from probing_core.pipeline import embed as embedding
from probing_core.pipeline.batches import is_embedded, plan_batches
from probing_core.pipeline.embed import embed
from probing_core.runs import samples
from probing_core.runs.embeddings import read_embeddings
from probing_core.runs.models import differences, model_entries
from probing_core.runs.progress import SILENT
from probing_core.runs.samples import load_transforms, make_samples, sample_key
from probing_core.runs.store import Store, digest, without_none
from tests.embedders.made import assert_alike
from tests.runs.test_samples import make_all, recipe_of

MODELS = ("baseline/pixels", "baseline/handcrafted")


def start(root: Path, folder: Path, **changes):
    corpus = open_corpus(f"folder:{folder}")
    recipe = recipe_of(corpus, **{"models": MODELS, **changes})
    store = Store(root)
    store.write_toml("run.toml", recipe.to_toml(), digest(recipe.to_toml()))
    return store, recipe, corpus


def files(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture
def small_units(monkeypatch):
    """Units of two images, so that a small corpus has several."""
    monkeypatch.setattr(samples, "UNIT_SAMPLES", 8)


@pytest.fixture
def run(tmp_path, few_scenes, small_units):
    store, recipe, corpus = start(tmp_path / "run", few_scenes)
    embed(store, recipe, corpus, SILENT, "cpu", "float32")
    return store, recipe, corpus


def test_embeddings_are_those_of_the_pictures_in_order(run):
    store, recipe, corpus = run
    pictures, _ = make_all(recipe, corpus)
    for name in MODELS:
        embeddings = read_embeddings(store, name)
        assert embeddings.dtype == np.float32
        assert np.array_equal(embeddings, load_embedder(name).embed(pictures))


def test_samples_are_gathered_and_units_cleaned_away(run):
    store, _, _ = run
    table = store.read_table("samples.parquet")
    assert table["sample"].tolist() == list(range(len(table)))
    assert {"strength", "ssim", "difference", "distance", "visible"} <= set(table)
    assert store.names("units/") == []
    assert len(store.names("models/baseline-pixels/embeddings/")) == 4
    assert [e["name"] for e in model_entries(store)] == list(MODELS)


def test_a_second_call_loads_nothing(run, monkeypatch):
    store, recipe, corpus = run
    before = files(store.root)
    monkeypatch.setattr(embedding, "load_embedder", lambda *a, **k: pytest.fail("a model was loaded"))
    monkeypatch.setattr(batches, "make_samples", lambda *a, **k: pytest.fail("a picture was made"))
    embed(store, recipe, corpus, SILENT, "cpu", "float32")
    assert files(store.root) == before


def test_pictures_are_made_once_for_all_models_and_again_only_for_missing_units(run, monkeypatch):
    store, recipe, corpus = run
    before = files(store.root)
    store.remove("models/baseline-pixels/embeddings/unit-00002.safetensors")
    made = []

    def count(recipe, corpus, transforms, samples, pool):
        made.append(len(samples))
        return make_samples(recipe, corpus, transforms, samples, pool)

    monkeypatch.setattr(batches, "make_samples", count)
    embed(store, recipe, corpus, SILENT, "cpu", "float32")
    assert made == [8]
    assert files(store.root) == before


def test_a_model_that_joins_changes_nothing_of_the_others(run):
    store, recipe, corpus = run
    before = files(store.root)
    joined = replace(recipe, models=(*recipe.models, "baseline/random-vit"))
    store.write_toml("run.toml", joined.to_toml(), "k")
    embed(store, joined, corpus, SILENT, "cpu", "float32")
    after = files(store.root)
    assert all(after[name] == content for name, content in before.items() if name not in ("manifest.json", "run.toml"))
    assert read_embeddings(store, "baseline/random-vit").shape[1] == 192


def test_another_recipe_is_another_key(run, few_scenes):
    store, recipe, _ = run
    images = store.read_table("images.parquet")
    assert is_embedded(store, "baseline/pixels", plan_batches(recipe, images))
    for change in ({"seed": 1}, {"view": 40}, {"fingerprint": "x"}, {"transforms": ("identity", "brighten")}):
        assert not is_embedded(store, "baseline/pixels", plan_batches(replace(recipe, **change), images))


def test_a_model_that_is_no_longer_the_same_is_refused(run, monkeypatch):
    store, recipe, corpus = run
    store.remove("models/baseline-pixels/embeddings/unit-00000.safetensors")

    def changed(name, **options):
        loaded = load_embedder(name, **options)
        monkeypatch.setattr(loaded, "recipes", lambda: {name: {"weights": "others"}})
        return loaded

    monkeypatch.setattr(embedding, "load_embedder", changed)
    with pytest.raises(BadRun, match="is not what it was when it joined the run"):
        embed(store, recipe, corpus, SILENT, "cpu", "float32")


def test_a_run_goes_on_with_another_engine(tmp_path, few_scenes, small_units, monkeypatch):
    """As a run does that was begun before networks were compiled, or where OpenVINO was not installed."""
    store, recipe, corpus = start(tmp_path / "run", few_scenes, models=("baseline/random-vit",))
    with monkeypatch.context() as without:
        without.setattr(compiled, "installed_version", lambda: "")
        embed(store, recipe, corpus, SILENT, "cpu", "float32")
    (entry,) = model_entries(store)
    assert entry["recipe"]["engine"] == "PyTorch"
    before, whole = files(store.root), read_embeddings(store, "baseline/random-vit")
    last = store.names("models/baseline-random-vit/embeddings/")[-1]
    store.remove(last)
    embed(store, recipe, corpus, SILENT, "cpu", "float32")
    after = files(store.root)
    assert {name for name in before if before[name] != after[name]} <= {last, "manifest.json"}
    assert_alike(read_embeddings(store, "baseline/random-vit"), whole)
    ours = load_embedder("baseline/random-vit", precision="float32").recipe()
    assert differences(entry["recipe"], without_none(ours))[0] == []


def test_embeddings_that_are_no_numbers_are_refused(tmp_path, few_scenes, monkeypatch):
    store, recipe, corpus = start(tmp_path / "run", few_scenes, models=("baseline/pixels",))

    def broken(name, **options):
        loaded = load_embedder(name, **options)
        monkeypatch.setattr(loaded, "embed_layers", lambda images: {name: np.full((len(images), 3), np.nan)})
        return loaded

    monkeypatch.setattr(embedding, "load_embedder", broken)
    with pytest.raises(BadRun, match="not finite"):
        embed(store, recipe, corpus, SILENT, "cpu", "float32")


def test_models_that_do_not_fit_together_take_turns(run, few_scenes, monkeypatch, tmp_path):
    """A device that holds one model only, and one that holds none."""
    store, _, _ = run
    held = []

    def small(name, **_):
        if held:
            raise torch.OutOfMemoryError("CUDA out of memory")
        embedder = load_embedder(name)
        held.append(name)
        monkeypatch.setattr(embedder, "close", held.clear, raising=False)
        return embedder

    monkeypatch.setattr(embedding, "load_embedder", small)
    other, recipe, corpus = start(tmp_path / "small", few_scenes)
    embed(other, recipe, corpus, SILENT, "cpu", "float32")
    assert files(other.root) == files(store.root)
    held.append("something else")
    nothing, recipe, corpus = start(tmp_path / "full", few_scenes)
    with pytest.raises(ModelUnavailable, match="'baseline/pixels' does not fit into the memory of the device 'cpu'"):
        embed(nothing, recipe, corpus, SILENT, "cpu", "float32")


def test_laws_are_part_of_the_key(run, monkeypatch):
    _, recipe, _ = run
    before = sample_key(recipe)
    stronger = tuple(replace(t, strongest=t.strongest * 1.1) for t in load_transforms(recipe))
    monkeypatch.setattr(samples, "load_transforms", lambda r: stronger)
    assert sample_key(recipe) != before
