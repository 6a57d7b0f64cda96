"""Corpus x transforms x models -> embeddings, in resumable units.

What is missing is a table of tasks, and an engine works it off, in any order, with the same bytes at the end. Pictures
stream: a transformed one is made once for all models that need it; its measured rows (strength, distances) are
written with the first of them. Memory holds two units and the models, whatever the size of the corpus.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from probing_core.corpora.base import Corpus
from probing_core.errors import ModelUnavailable
from probing_core.pipeline.batches import Batch, is_embedded, is_needed, plan_batches, read_images
from probing_core.pipeline.engines import Engine, opened_engine
from probing_core.pipeline.setup import withdrawn_on_error
from probing_core.pipeline.worker import Task
from probing_core.runs.layout import CROPS, crops_path, model_path, unit_rows_folder
from probing_core.runs.models import embeds_pictures, model_entries, require_joined, require_same_model
from probing_core.runs.options import DEFAULTS, Options
from probing_core.runs.progress import Progress
from probing_core.runs.recipe import Recipe
from probing_core.runs.samples import sample_key
from probing_core.runs.shards import Shards
from probing_core.runs.store import Store, digest


def embed(
    store: Store,
    recipe: Recipe,
    corpus: Corpus,
    progress: Progress,
    options: Options = DEFAULTS,
    source: Store | None = None,
) -> None:
    """Makes whatever is missing of ``images.parquet``, ``samples.parquet`` and every model's embeddings.

    Args:
        options: device, precision and engine of them are used.
        source: the run whose probes are used, where the recipe names one: a model that embeds differently there is
            refused before it embeds anything.
    """
    key = sample_key(recipe)
    images = read_images(store, recipe, corpus, progress)
    batches = plan_batches(recipe, images)
    waiting = [name for name in recipe.models if not is_embedded(store, name, batches)]
    with opened_engine(store, recipe, corpus, images, options) as engine:
        while waiting:
            loaded = list(_load_some(engine, store, recipe, waiting, options.device, source, progress))
            entries = [entry for entry in model_entries(store) if entry["request"] in loaded]
            for batch in filter(partial(is_needed, store), batches):
                _embed_units(store, batch, entries, engine, progress)
            _embed_crops(store, entries, key, engine, progress)
            engine.unload()
            waiting = waiting[len(loaded) :]
        for batch in filter(partial(is_needed, store), batches):
            _embed_units(store, batch, [], engine, progress)  # their rows, where no model was to be embedded
            _gather_rows(store, batch)
    store.fold()


def _load_some(
    engine: Engine,
    store: Store,
    recipe: Recipe,
    requests: Sequence[str],
    device: str,
    source: Store | None,
    progress: Progress,
) -> Iterator[str]:
    """Loads models until memory runs short; at least one.

    Raises:
        ModelUnavailable: the device's memory does not hold the first of them.
    """
    for done, request in enumerate(requests):
        progress.update("load", done, len(requests), f"Loading {request}")
        with withdrawn_on_error(store, recipe, request):
            entries = engine.load(request)
        if entries is None and done:
            return  # its turn comes when those before it have been embedded and closed
        if entries is None:
            raise ModelUnavailable(
                f"'{request}' does not fit into the memory of the device '{device}'; "
                f"choose a smaller model, another --precision, or --device cpu."
            )
        with withdrawn_on_error(store, recipe, request):
            for entry in entries:
                _enter_model(store, entry, source)
        yield request


def _enter_model(store: Store, entry: dict[str, Any], source: Store | None) -> None:
    """Writes the ``model.toml`` of one layer.

    Raises:
        BadRun: the model is not the one that joined the run, or not the one whose probes the run ``source`` has.
    """
    if source is not None:
        require_same_model(entry, source)
    path = model_path(entry["name"])
    if store.has(path):
        require_joined(entry, store)
    else:
        store.write_toml(path, entry, digest(entry))


def _embed_units(
    store: Store, batch: Batch, entries: Sequence[dict[str, Any]], engine: Engine, progress: Progress
) -> None:
    keyed = {entry["name"]: digest([batch.key, entry["recipe"]]) for entry in entries if batch.covers(entry)}
    requests = {entry["name"]: entry["request"] for entry in entries}
    shards = {name: Shards(store, name, batch.series, key, len(batch.units)) for name, key in keyed.items()}
    missing = [Task(batch.series, unit, "", "", batch.key) for unit in _units_without_rows(store, batch)]
    for name, gathered in shards.items():
        missing += [Task(batch.series, unit, name, requests[name], keyed[name]) for unit in gathered.missing]
    tasks: dict[int, list[Task]] = {}
    for task in missing:
        tasks.setdefault(task.unit, []).append(task)

    stage = batch.series or "embed"
    doing = f"Embedding the {batch.series} series" if batch.series else "Transforming and embedding"
    todo, total = [tasks[unit] for unit in sorted(tasks)], len(batch.units)
    if todo:
        progress.update(stage, total - len(todo), total, doing)
    for position, (done, written) in enumerate(engine.work(todo), 1):
        store.enter(written)
        for task in done:
            if task.model:
                shards[task.model].add(task.unit)
        progress.update(stage, total - len(todo) + position, total, doing)
    progress.update(stage, total, total, doing)


def _units_without_rows(store: Store, batch: Batch) -> list[int]:
    if store.has(batch.table, batch.key):
        return []
    return [unit.index for unit in batch.units if not store.has(batch.rows_path(unit), batch.key)]


def _embed_crops(store: Store, entries: Sequence[dict[str, Any]], key: str, engine: Engine, progress: Progress) -> None:
    """Embeds the large pictures, of models that lack them."""
    keys = {entry["name"]: digest([key, entry["recipe"]]) for entry in entries if embeds_pictures(entry)}
    missing = [name for name, k in keys.items() if not store.has(crops_path(name), k)]
    if missing or (keys and not store.has(CROPS, key)):
        progress.update("crops", 0, len(missing), "Embedding large pictures, whole and as tiles")
        requests = {entry["name"]: entry["request"] for entry in entries}
        tasks = [Task("", 0, name, requests[name], keys[name]) for name in missing]
        store.enter(engine.embed_crops(tasks, key))


def _gather_rows(store: Store, batch: Batch) -> None:
    """The rows of all units as one table."""
    if not store.has(batch.table, batch.key):
        store.join_tables(batch.table, [batch.rows_path(unit) for unit in batch.units], batch.key)
    store.remove(*store.names(unit_rows_folder(batch.series)))
