from __future__ import annotations

import os
import random
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Event, Timer, current_thread, main_thread

import numpy as np
import psutil
import pytest
import torch

from probing_core.compute.runtime import workers
from probing_core.compute.sampling import samples
from probing_core.compute.sampling.series import make_samples
from probing_core.corpora import open_corpus
from probing_core.corpora.corpus import Corpus
from probing_core.errors import BadRun, ModelUnavailable
from probing_core.models import compiled, load_embedder
from probing_core.models.network import NetworkEmbedder
from probing_core.models.providers import baselines
from probing_core.run import embedding_worker, sample_sets
from probing_core.run.directory import RunDirectory
from probing_core.run.embed import embed as embed_missing
from probing_core.run.embed import select_images
from probing_core.run.models import differences, model_entries, read_embeddings, without_none
from probing_core.run.options import Options
from probing_core.run.ray_workers import RemoteWorker
from probing_core.run.recipe import Recipe, load_transforms, write_recipe
from probing_core.run.setup import Corpora
from probing_core.run.work import Work, embeddings_step
from tests.compute.test_samples import make_all, recipe_of
from tests.models.made import assert_alike
from tests.plans import keys_of

pytestmark = pytest.mark.slow

MODELS = ("baseline/pixels", "baseline/handcrafted")
CPU = Options(device="cpu", precision="float32")


def start(root: Path, folder: Path, **changes):
    corpus = open_corpus(f"folder:{folder}")
    recipe = recipe_of(corpus, **{"models": MODELS, **changes})
    run = RunDirectory(root)
    write_recipe(run, recipe)
    return run, recipe, corpus


def embed(run: RunDirectory, recipe: Recipe, corpus: Corpus, options: Options = CPU) -> None:
    """Compute the stage ``embed``."""
    run.read_records()
    work = Work(run, recipe, options, corpora=Corpora(recipe, corpus))
    select_images(work)
    embed_missing(work)


def files(root: Path) -> dict[str, bytes]:
    paths = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in paths.items() if not name.startswith("log/")}


@pytest.fixture
def small_units(monkeypatch):
    """Use units of two images in separate files, so that a small corpus has several files."""
    monkeypatch.setattr(samples, "UNIT_SAMPLES", 8)
    monkeypatch.setattr(sample_sets, "SHARD_BYTES", 1)


@pytest.fixture
def run(tmp_path, few_scenes, small_units):
    store, recipe, corpus = start(tmp_path / "run", few_scenes)
    embed(store, recipe, corpus)
    return store, recipe, corpus


def test_embeddings_are_those_of_the_pictures_in_order(run):
    store, recipe, corpus = run
    pictures, _ = make_all(recipe, corpus)
    for name in MODELS:
        embeddings = read_embeddings(store, name)
        assert embeddings.dtype == np.float32
        assert np.array_equal(embeddings, load_embedder(name).embed(pictures))


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_processes_and_threads_write_the_same_bytes_even_if_killed(run, few_scenes, tmp_path, jobs, monkeypatch):
    store, calls, killed = run[0], count(1), []
    call, fatal = workers._Worker.call, set(random.Random(os.urandom(8)).sample(range(1, 5), 2))

    def fatal_calls(self, name, code, item):
        if next(calls) in fatal:
            Timer(random.uniform(0, 0.05), self._process.kill).start()
            killed.append(self._process.pid)
        return call(self, name, code, item)

    monkeypatch.setattr(workers._Worker, "call", fatal_calls)
    others = start(tmp_path / "others", few_scenes)
    embed(*others, replace(CPU, jobs=jobs))
    assert len(killed) == 2, f"of the calls {fatal}"
    assert files(others[0].root) == files(store.root)
    _, alive = psutil.wait_procs([psutil.Process(pid) for pid in killed if psutil.pid_exists(pid)], timeout=10)
    assert not alive


@pytest.mark.parametrize("order", [1, -1])
def test_handcrafted_statistics_are_computed_during_a_network(tmp_path, few_scenes, small_units, monkeypatch, order):
    begun, statistics, network = Event(), baselines.Plain.embed, NetworkEmbedder.embed_layers

    def noted(self, images):
        if images and current_thread() is not main_thread():
            begun.set()
        return statistics(self, images)

    def waiting(self, images):
        assert not images or begun.wait(timeout=60)
        return network(self, images)

    monkeypatch.setattr(baselines.Plain, "embed", noted)
    monkeypatch.setattr(NetworkEmbedder, "embed_layers", waiting)
    models = ("baseline/handcrafted", "baseline/random-vit")[::order]
    store, recipe, corpus = start(tmp_path / "run", few_scenes, models=models)
    embed(store, recipe, corpus)
    pictures, _ = make_all(recipe, corpus)
    for model in models:
        assert_alike(read_embeddings(store, model), load_embedder(model, precision="float32").embed(pictures))


def test_a_worker_of_a_cluster_keeps_the_threads_of_the_recipe(run):
    store, recipe, _ = run
    before = torch.get_num_threads()
    asked = replace(recipe, threads=before + 1)
    remote = RemoteWorker(str(store.root), os.getcwd(), (), asked, "cpu", "float32", 1, 0.6)
    assert torch.get_num_threads() == before + 1
    remote._limits.close()
    assert torch.get_num_threads() == before


def test_images_are_transformed_once_for_all_models(run, monkeypatch):
    store, recipe, corpus = run
    before = files(store.root)
    (store.root / "models/baseline-pixels/embeddings/unit-00002.safetensors").unlink()
    made = []

    def count(series, design, corpus, samples, pool):
        made.append(len(samples))
        return make_samples(series, design, corpus, samples, pool)

    monkeypatch.setattr(sample_sets, "make_samples", count)
    embed(store, recipe, corpus)
    assert made == [8]
    assert files(store.root) == before


def test_added_model_does_not_change_other_models(run):
    store, recipe, corpus = run
    before = files(store.root)
    joined = replace(recipe, models=(*recipe.models, "baseline/random-vit"))
    write_recipe(store, joined)
    embed(store, joined, corpus)
    after = files(store.root)
    assert all(
        after[name] == content for name, content in before.items() if name not in ("run.toml", "done/recipe.json")
    )
    assert read_embeddings(store, "baseline/random-vit").shape[1] == 192


def test_changed_model_is_refused(run, monkeypatch):
    store, recipe, corpus = run
    (store.root / "models/baseline-pixels/embeddings/unit-00000.safetensors").unlink()

    def changed(name, **options):
        loaded = load_embedder(name, **options)
        monkeypatch.setattr(loaded, "recipes", lambda: {name: {"weights": "others"}})
        return loaded

    monkeypatch.setattr(embedding_worker, "load_embedder", changed)
    with pytest.raises(BadRun, match="has changed since it was added to the run"):
        embed(store, recipe, corpus)


def test_run_resumes_with_a_different_engine(tmp_path, few_scenes, small_units, monkeypatch):
    # For example, the run was started on a machine without OpenVINO.
    store, recipe, corpus = start(tmp_path / "run", few_scenes, models=("baseline/random-vit",))
    with monkeypatch.context() as without:
        without.setattr(compiled, "installed_version", lambda: "")
        embed(store, recipe, corpus)
    (entry,) = model_entries(store)
    assert entry["recipe"]["engine"] == "PyTorch"
    before, whole = files(store.root), read_embeddings(store, "baseline/random-vit")
    last = store.names("models/baseline-random-vit/embeddings/")[-1]
    (store.root / last).unlink()
    embed(store, recipe, corpus)
    after = files(store.root)
    assert {name for name in before if before[name] != after[name]} <= {
        last,
        "done/models~baseline-random-vit~embeddings.json",
    }
    assert_alike(read_embeddings(store, "baseline/random-vit"), whole)
    ours = load_embedder("baseline/random-vit", precision="float32").recipe()
    assert differences(entry["recipe"], without_none(ours))[0] == []


def test_embeddings_that_are_not_finite_are_refused(tmp_path, few_scenes, monkeypatch):
    store, recipe, corpus = start(tmp_path / "run", few_scenes, models=("baseline/pixels",))

    def broken(name, **options):
        loaded = load_embedder(name, **options)
        monkeypatch.setattr(loaded, "embed_layers", lambda images: {name: np.full((len(images), 3), np.nan)})
        return loaded

    monkeypatch.setattr(embedding_worker, "load_embedder", broken)
    with pytest.raises(BadRun, match="NaN or infinite values"):
        embed(store, recipe, corpus)


def test_models_that_do_not_fit_together_take_turns(run, few_scenes, monkeypatch, tmp_path):
    # First, the device has memory for one model; then it has memory for none.
    store, _, _ = run
    held = []

    def small(name, **_):
        if held:
            raise torch.OutOfMemoryError("CUDA out of memory")
        embedder = load_embedder(name)
        held.append(name)
        monkeypatch.setattr(embedder, "close", held.clear, raising=False)
        return embedder

    monkeypatch.setattr(embedding_worker, "load_embedder", small)
    other, recipe, corpus = start(tmp_path / "small", few_scenes)
    embed(other, recipe, corpus)
    assert files(other.root) == files(store.root)
    held.append("something else")
    nothing, recipe, corpus = start(tmp_path / "full", few_scenes)
    with pytest.raises(ModelUnavailable, match="'baseline/pixels' does not fit into the memory of the device 'cpu'"):
        embed(nothing, recipe, corpus)


def test_laws_are_part_of_the_keys_of_what_is_made_by_them(run, monkeypatch):
    store, recipe, _ = run
    before = keys_of(store.root)
    stronger = tuple(replace(t, strongest=t.strongest * 1.1) for t in load_transforms(recipe))
    monkeypatch.setattr("probing_core.run.recipe.load_transforms", lambda r: stronger)
    after = keys_of(store.root)
    for step in ("samples", *map(embeddings_step, MODELS)):
        assert before[step] != after[step], step
    assert before["images"] == after["images"]
