"""Corpus x transforms x models -> embeddings, in resumable units.

Units stream: while the models embed one, the next is being made by threads. A transformed picture is made once for
all models that need it; the samples' facts (strength, distances) are written with the first of them. Memory holds
two units and the models, whatever the size of the corpus.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import psutil

from probing_core import __version__
from probing_core.config import Recipe
from probing_core.corpora.base import Corpus
from probing_core.embedders import find_spec, load_embedder
from probing_core.embedders.base import LoadedEmbedder
from probing_core.errors import BadRun
from probing_core.look_samples import make_looks
from probing_core.progress import Progress
from probing_core.samples import Unit, choose_images, cut_units, load_transforms, make_samples, plan_samples
from probing_core.store import Store, digest, slug

LOOKS = "looks.parquet"
PRECOMPUTED = "precomputed"
"""Family of embeddings that were made elsewhere: they cannot be asked about further pictures."""

MEMORY_SHARE = 0.6
"""Models are loaded side by side until the process takes this share of the machine's memory."""


def sample_key(recipe: Recipe) -> str:
    """Key of everything that the samples of a run depend on, models apart."""
    laws = [[t.name, t.law, t.weakest, t.strongest, t.definition] for t in load_transforms(recipe)]
    content = {k: v for k, v in recipe.without_models().items() if k != "probes_from"}
    return digest([content, laws, __version__])


def embed(store: Store, recipe: Recipe, corpus: Corpus, progress: Progress, device: str, precision: str) -> None:
    """Makes whatever is missing of ``images.parquet``, ``samples.parquet`` and every model's embeddings."""
    key = sample_key(recipe)
    if not store.has("images.parquet", key):
        images = choose_images(
            recipe, corpus, lambda done, total: progress.update("images", done, total, "Reading images")
        )
        store.write_table("images.parquet", images, key)
    images = store.read_table("images.parquet")
    planned = plan_samples(recipe, images)
    units = cut_units(recipe, planned)

    waiting = [name for name in recipe.models if not is_embedded(store, name, key, units)]
    while waiting:
        loaded = list(_load_some(store, waiting, key, device, precision, progress))
        _embed_units(store, recipe, corpus, planned, units, loaded, key, progress)
        _embed_looks(store, recipe, corpus, images, loaded, key, progress)
        for embedder in loaded:
            embedder.close()
        waiting = waiting[len(loaded) :]
    _gather_samples(store, units, key)


def is_embedded(store: Store, request: str, key: str, units: Sequence[Unit]) -> bool:
    """Whether every unit of the model that was asked for as ``request`` is there, for all its layers."""
    entries = [e for e in model_entries(store) if e["request"] == request]
    return bool(entries) and all(
        all(store.has(_unit_path(e["name"], unit), digest([key, e["recipe"]])) for unit in units)
        and (e["family"] == PRECOMPUTED or store.has(looks_path(e["name"]), digest([key, e["recipe"]])))
        for e in entries
    )


def model_entries(store: Store) -> list[dict[str, Any]]:
    """What ``model.toml`` says of every model of the run, in the order of the recipe's requests."""
    entries = [store.read_toml(name) for name in store.names("models/") if name.endswith("/model.toml")]
    order = {name: i for i, name in enumerate(store.read_toml("run.toml")["models"])} if store.has("run.toml") else {}
    return sorted(entries, key=lambda e: (order.get(e["request"], len(order)), e["position"]))


def read_embeddings(store: Store, model: str) -> np.ndarray:
    """All embeddings of ``model``, (N, D) ``float32`` in the order of ``samples.parquet``."""
    names = [n for n in store.names(f"models/{slug(model)}/embeddings/") if n.endswith(".safetensors")]
    if not names:
        raise BadRun(f"The run has no embeddings of '{model}'; `probing embed --run DIR` makes them.")
    return np.concatenate([store.read_arrays(name)["embeddings"] for name in names])


def _load_some(
    store: Store, requests: Sequence[str], key: str, device: str, precision: str, progress: Progress
) -> Iterator[LoadedEmbedder]:
    """Loads models until memory says enough; at least one."""
    limit = psutil.virtual_memory().total * MEMORY_SHARE
    for done, request in enumerate(requests):
        if done and psutil.Process().memory_info().rss > limit:
            return
        progress.update("load", done, len(requests), f"Loading {request}")
        embedder = load_embedder(request, device=device, precision=precision)
        _enter_model(store, request, embedder)
        yield embedder


def _enter_model(store: Store, request: str, embedder: LoadedEmbedder) -> None:
    """Writes ``model.toml`` for each layer; refuses a model that is no longer the one that joined the run."""
    spec = find_spec(request)
    for position, (name, recipe) in enumerate(embedder.recipes().items()):
        entry = {
            "name": name,
            "request": request,
            "position": position,
            "family": spec.family,
            "objective": spec.objective,
            "dim": embedder.dim,
            "license": spec.license,
            "weights": spec.weights,
            "data": spec.data,
            "input_size": spec.input_size or 0,
            "text": spec.text,
            "recipe": without_none(recipe),
        }
        path = f"models/{slug(name)}/model.toml"
        if store.has(path):
            joined = store.read_toml(path)["recipe"]
            changed = sorted(k for k in joined.keys() | recipe.keys() if joined.get(k) != entry["recipe"].get(k))
            if changed:
                raise BadRun(
                    f"'{name}' is not what it was when it joined the run ({', '.join(changed)} differ); "
                    f"make a new run, or name the old weights with @weights=PATH."
                )
        else:
            store.write_toml(path, entry, digest(entry))


def _embed_units(
    store: Store,
    recipe: Recipe,
    corpus: Corpus,
    planned: pd.DataFrame,
    units: Sequence[Unit],
    embedders: Sequence[LoadedEmbedder],
    key: str,
    progress: Progress,
) -> None:
    recipes = {e.name: {n: digest([key, without_none(r)]) for n, r in e.recipes().items()} for e in embedders}

    def missing(unit: Unit) -> list[LoadedEmbedder]:
        return [e for e in embedders if not all(store.has(_unit_path(n, unit), k) for n, k in recipes[e.name].items())]

    def facts_missing(unit: Unit) -> bool:
        return not store.has("samples.parquet", key) and not store.has(_facts_path(unit), key)

    todo = [unit for unit in units if missing(unit) or facts_missing(unit)]
    transforms = load_transforms(recipe)
    with ThreadPoolExecutor(recipe.threads) as makers, ThreadPoolExecutor(1) as ahead:

        def make(unit: Unit) -> tuple[list[np.ndarray], pd.DataFrame]:
            return make_samples(recipe, corpus, transforms, planned.iloc[unit.start : unit.stop], makers)

        upcoming = ahead.submit(make, todo[0]) if todo else None
        for position, unit in enumerate(todo):
            progress.update("embed", len(units) - len(todo) + position, len(units), "Transforming and embedding")
            assert upcoming is not None
            pictures, facts = upcoming.result()
            upcoming = ahead.submit(make, todo[position + 1]) if position + 1 < len(todo) else None
            if facts_missing(unit):
                store.write_table(_facts_path(unit), facts, key)
            for embedder in missing(unit):
                for name, embeddings in _embed_unit(embedder, pictures, facts).items():
                    store.write_arrays(_unit_path(name, unit), {"embeddings": embeddings}, recipes[embedder.name][name])
    progress.update("embed", len(units), len(units), "Transforming and embedding")


def _embed_looks(
    store: Store,
    recipe: Recipe,
    corpus: Corpus,
    images: pd.DataFrame,
    embedders: Sequence[LoadedEmbedder],
    key: str,
    progress: Progress,
) -> None:
    """Embeds the large pictures that tell how a whole and its tiles are to be joined."""
    waiting = [e for e in embedders if find_spec(e.name).family != PRECOMPUTED]
    pictures: list[np.ndarray] | None = None
    for done, embedder in enumerate(waiting):
        keys = {name: digest([key, without_none(r)]) for name, r in embedder.recipes().items()}
        if all(store.has(looks_path(name), k) for name, k in keys.items()):
            continue
        progress.update("looks", done, len(waiting), "Embedding large pictures, whole and as tiles")
        if pictures is None:
            pictures, looks = make_looks(recipe, images, corpus)
            store.write_table(LOOKS, looks, key)
        for name, embeddings in embedder.embed_layers(pictures).items():
            store.write_arrays(looks_path(name), {"embeddings": np.asarray(embeddings, np.float32)}, keys[name])


def _embed_unit(embedder: LoadedEmbedder, pictures: Sequence[np.ndarray], facts: pd.DataFrame) -> dict[str, np.ndarray]:
    result = dict(embedder.embed_samples(pictures, facts))
    for name, embeddings in result.items():
        if not np.isfinite(embeddings).all():
            raise BadRun(
                f"'{name}' gave embeddings that are not finite numbers; "
                f"try --precision float32, or check the model's weights."
            )
    return result


def _gather_samples(store: Store, units: Sequence[Unit], key: str) -> None:
    if not store.has("samples.parquet", key):
        facts = pd.concat([store.read_table(_facts_path(unit)) for unit in units], ignore_index=True)
        store.write_table("samples.parquet", facts, key)
    for name in store.names("units/"):
        store.remove(name)


def looks_path(model: str) -> str:
    return f"models/{slug(model)}/looks.safetensors"


def _facts_path(unit: Unit) -> str:
    return f"units/{unit.name}.parquet"


def _unit_path(model: str, unit: Unit) -> str:
    return f"models/{slug(model)}/embeddings/{unit.name}.safetensors"


def without_none(value: Any) -> Any:
    """``value`` as TOML can hold it: no null, no tuple."""
    if isinstance(value, dict):
        return {k: without_none(v) for k, v in value.items() if v is not None}
    return [without_none(v) for v in value] if isinstance(value, list | tuple) else value
