"""Corpus x transforms x models -> embeddings, in resumable units.

Units stream: while the models embed one, threads make the next. A transformed picture is made once for all models that
need it; its measured rows (strength, distances) are written with the first of them. Memory holds two units and the
models, whatever the size of the corpus.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pandas as pd
import psutil

from probing_core.corpora.base import Corpus
from probing_core.embedders import find_spec, load_embedder
from probing_core.embedders.base import LoadedEmbedder
from probing_core.embedders.network.devices import resolve_device
from probing_core.embedders.network.memory import free_memory, out_of_memory
from probing_core.errors import BadRun, ModelUnavailable
from probing_core.pipeline.batches import Batch, is_embedded, is_needed, plan_batches, read_images
from probing_core.pipeline.setup import withdrawn_on_error
from probing_core.prediction.tile_samples import make_crops
from probing_core.runs.layout import CROPS, crops_path, model_path, unit_rows_folder
from probing_core.runs.models import ENGINE_ENTRIES, require_same_model
from probing_core.runs.progress import Progress
from probing_core.runs.recipe import Recipe
from probing_core.runs.samples import Unit, sample_key
from probing_core.runs.store import Store, digest, without_none

MEMORY_SHARE = 0.6
"""Models are loaded side by side until the process takes this share of the machine's memory."""


def embed(
    store: Store,
    recipe: Recipe,
    corpus: Corpus,
    progress: Progress,
    device: str,
    precision: str,
    source: Store | None = None,
) -> None:
    """Makes whatever is missing of ``images.parquet``, ``samples.parquet`` and every model's embeddings.

    Args:
        source: the run whose probes are used, where the recipe names one: a model that embeds differently there is
            refused before it embeds anything.
    """
    key = sample_key(recipe)
    images = read_images(store, recipe, corpus, progress)
    batches = plan_batches(recipe, images)

    waiting = [name for name in recipe.models if not is_embedded(store, name, batches)]
    while waiting:
        loaded = list(_load_some(store, recipe, waiting, device, precision, source, progress))
        for batch in filter(partial(is_needed, store), batches):
            _embed_units(store, recipe, corpus, batch, loaded, progress)
        _embed_crops(store, recipe, corpus, images, loaded, key, progress)
        for embedder in loaded:
            embedder.close()
        waiting = waiting[len(loaded) :]
    for batch in filter(partial(is_needed, store), batches):
        _embed_units(store, recipe, corpus, batch, [], progress)  # their rows, where no model was to be embedded
        _gather_rows(store, batch)
    store.fold()


def _load_some(
    store: Store,
    recipe: Recipe,
    requests: Sequence[str],
    device: str,
    precision: str,
    source: Store | None,
    progress: Progress,
) -> Iterator[LoadedEmbedder]:
    """Loads models until memory runs short; at least one.

    Raises:
        ModelUnavailable: the device's memory does not hold the first of them.
    """
    limit = psutil.virtual_memory().total * MEMORY_SHARE
    for done, request in enumerate(requests):
        if done and psutil.Process().memory_info().rss > limit:
            return
        progress.update("load", done, len(requests), f"Loading {request}")
        with withdrawn_on_error(store, recipe, request):
            embedder = _load_if_it_fits(request, device, precision)
        if embedder is None and done:
            return  # its turn comes when those before it have been embedded and closed
        if embedder is None:
            raise ModelUnavailable(
                f"'{request}' does not fit into the memory of the device '{device}'; "
                f"choose a smaller model, another --precision, or --device cpu."
            )
        with withdrawn_on_error(store, recipe, request):
            _enter_model(store, request, embedder, source)
        yield embedder


def _load_if_it_fits(request: str, device: str, precision: str) -> LoadedEmbedder | None:
    """The model, or None where memory ran out."""
    try:
        return load_embedder(request, device=device, precision=precision)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
    free_memory(resolve_device(device).type)  # outside of the handler, whose traceback would hold what was loaded
    return None


def _enter_model(store: Store, request: str, embedder: LoadedEmbedder, source: Store | None) -> None:
    """Writes ``model.toml`` for each layer.

    Raises:
        BadRun: the model is not the one that joined the run, or not the one whose probes the run ``source`` has.
    """
    spec = find_spec(request)
    for position, (name, recipe) in enumerate(embedder.recipes().items()):
        entry = {
            "name": name,
            "request": request,
            "position": position,
            "family": spec.family,
            "objective": spec.objective,
            "dim": embedder.dims()[name],
            "license": spec.license,
            "weights": spec.weights,
            "data": spec.data,
            "input_size": spec.input_size or 0,
            "text": embedder.embeds_text,
            "blocks": list(embedder.blocks),
            "recipe": without_none(recipe),
        }
        if source is not None:
            require_same_model(entry, source)
        path = model_path(name)
        if store.has(path):
            joined = store.read_toml(path)["recipe"]
            lasting = (joined.keys() | recipe.keys()) - set(ENGINE_ENTRIES)
            changed = sorted(k for k in lasting if joined.get(k) != entry["recipe"].get(k))
            if changed:
                raise BadRun(
                    f"'{name}' is not what it was when it joined the run ({', '.join(changed)} differ); "
                    f"make a new run, or name the old weights with @weights=PATH."
                )
        else:
            store.write_toml(path, entry, digest(entry))


def _keys(store: Store, key: str, embedder: LoadedEmbedder) -> dict[str, str]:
    """Full model name -> key of what is written of it: by the recipe with which it joined the run."""
    return {name: digest([key, store.read_toml(model_path(name))["recipe"]]) for name in embedder.recipes()}


def _embed_units(
    store: Store,
    recipe: Recipe,
    corpus: Corpus,
    batch: Batch,
    embedders: Sequence[LoadedEmbedder],
    progress: Progress,
) -> None:
    able = [e for e in embedders if batch.has(e)]
    keys = {e.name: _keys(store, batch.key, e) for e in able}

    def missing(unit: Unit) -> list[LoadedEmbedder]:
        named = ((e, keys[e.name].items()) for e in able)
        return [e for e, keyed in named if not all(store.has(batch.embeddings_path(n, unit), k) for n, k in keyed)]

    def rows_missing(unit: Unit) -> bool:
        return not store.has(batch.table, batch.key) and not store.has(batch.rows_path(unit), batch.key)

    def pictures_needed(unit: Unit) -> bool:
        return rows_missing(unit) or any(e.embeds_pictures for e in missing(unit))

    todo = [unit for unit in batch.units if missing(unit) or rows_missing(unit)]
    stage = batch.series or "embed"
    doing = f"Embedding the {batch.series} series" if batch.series else "Transforming and embedding"
    with ThreadPoolExecutor(recipe.threads) as makers, ThreadPoolExecutor(1) as ahead:

        def make(unit: Unit) -> tuple[list[np.ndarray], pd.DataFrame]:
            rows = batch.planned.iloc[unit.start : unit.stop]
            return batch.make(corpus, rows, makers) if pictures_needed(unit) else ([], rows)

        upcoming = ahead.submit(make, todo[0]) if todo else None
        for position, unit in enumerate(todo):
            progress.update(stage, len(batch.units) - len(todo) + position, len(batch.units), doing)
            assert upcoming is not None
            pictures, rows = upcoming.result()
            upcoming = ahead.submit(make, todo[position + 1]) if position + 1 < len(todo) else None
            if rows_missing(unit):
                store.write_table(batch.rows_path(unit), rows, batch.key)
            for embedder in missing(unit):
                for name, arrays in batch.embed(embedder, pictures, rows).items():
                    path, key = batch.embeddings_path(name, unit), keys[embedder.name][name]
                    store.write_arrays(path, _finite(name, arrays), key)
    progress.update(stage, len(batch.units), len(batch.units), doing)


def _embed_crops(
    store: Store,
    recipe: Recipe,
    corpus: Corpus,
    images: pd.DataFrame,
    embedders: Sequence[LoadedEmbedder],
    key: str,
    progress: Progress,
) -> None:
    """Embeds the large pictures from which fusion of a whole picture and its tiles is learned."""
    waiting = [e for e in embedders if e.embeds_pictures]
    pictures: list[np.ndarray] | None = None
    for done, embedder in enumerate(waiting):
        keys = _keys(store, key, embedder)
        if all(store.has(crops_path(name), k) for name, k in keys.items()):
            continue
        progress.update("looks", done, len(waiting), "Embedding large pictures, whole and as tiles")
        if pictures is None:
            pictures, crops = make_crops(recipe, images, corpus)
            store.write_table(CROPS, crops, key)
        for name, embeddings in embedder.embed_layers(pictures).items():
            store.write_arrays(crops_path(name), {"embeddings": np.asarray(embeddings, np.float32)}, keys[name])


def _finite(name: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise BadRun(
            f"'{name}' gave embeddings that are not finite numbers; "
            f"try --precision float32, or check the model's weights."
        )
    return dict(arrays)


def _gather_rows(store: Store, batch: Batch) -> None:
    """The rows of all units as one table."""
    if not store.has(batch.table, batch.key):
        rows = pd.concat([store.read_table(batch.rows_path(unit)) for unit in batch.units], ignore_index=True)
        store.write_table(batch.table, rows, batch.key)
    store.remove(*store.names(unit_rows_folder(batch.series)))
