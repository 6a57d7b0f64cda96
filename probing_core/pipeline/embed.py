"""Corpus x transforms x models -> embeddings, in resumable units.

Units stream: while the models embed one, the next is being made by threads. A transformed picture is made once for
all models that need it; the samples' facts (strength, distances) are written with the first of them. Memory holds
two units and the models, whatever the size of the corpus.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import psutil

from probing_core.corpora.base import Corpus
from probing_core.embedders import find_spec, load_embedder
from probing_core.embedders.base import LoadedEmbedder
from probing_core.embedders.network.devices import resolve_device
from probing_core.embedders.network.memory import give_back, out_of_memory
from probing_core.errors import BadRun, ModelUnavailable, ProbingError
from probing_core.prediction.tile_samples import make_crops
from probing_core.runs.image_selection import choose_images
from probing_core.runs.layout import CROPS, LAYERS, crops_path, series_table, slug
from probing_core.runs.models import PRECOMPUTED, model_entries
from probing_core.runs.progress import Progress
from probing_core.runs.recipe import Recipe
from probing_core.runs.samples import Unit, cut_units, load_transforms, make_samples, plan_samples, sample_key
from probing_core.runs.series import REVISIONS, make_series, plan_series, series_names
from probing_core.runs.store import Store, digest, without_none

LEFT = "It has left the run, which can go on without it."

Leave = Callable[[str], bool]
"""Takes the model of a request out of the recipe, if it can; whether it did."""

MEMORY_SHARE = 0.6
"""Models are loaded side by side until the process takes this share of the machine's memory."""


Make = Callable[[Corpus, pd.DataFrame, ThreadPoolExecutor], tuple[list[np.ndarray], pd.DataFrame]]
"""(corpus, planned rows of one unit, threads) -> their pictures and completed rows."""


Arrays = Mapping[str, Mapping[str, np.ndarray]]
"""Full model name -> what is written of it for one unit, by name."""


Accept = Callable[[dict[str, Any]], object]
"""Raises for a model, given what its ``model.toml`` is to hold, that a run cannot use."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples that are made and embedded in units: the main ones, or a series.

    Attributes:
        table: where their rows go.
        folder: of their embeddings, within a model's.
        key: of everything they depend on, models apart.
        planned: their rows without what only the pictures tell.
        units: how they are cut.
        make: makes the pictures of one unit.
        main: whether embeddings made elsewhere cover them; a series has none.
        blocks: whether every block of a network is read out, in place of the model's own embedding.
    """

    table: str
    folder: str
    key: str
    planned: pd.DataFrame
    units: Sequence[Unit]
    make: Make
    main: bool = False
    blocks: bool = False

    @property
    def stage(self) -> str:
        return "embed" if self.main else self.folder

    def facts_path(self, unit: Unit) -> str:
        return f"units/{self.folder}/{unit.name}.parquet"

    def unit_path(self, model: str, unit: Unit) -> str:
        return f"models/{slug(model)}/{self.folder}/{unit.name}.safetensors"

    def has(self, embedder: LoadedEmbedder) -> bool:
        """Whether there is anything of these samples that the embedder gives."""
        if self.blocks:
            return bool(embedder.blocks)
        return self.main or find_spec(embedder.name).family != PRECOMPUTED

    def embedded(self, embedder: LoadedEmbedder, pictures: list[np.ndarray], facts: pd.DataFrame) -> Arrays:
        if self.blocks:
            return {embedder.name: embedder.embed_blocks(pictures)}
        made = embedder.embed_samples(pictures, facts) if self.main else embedder.embed_layers(pictures)
        return {name: {"embeddings": embeddings} for name, embeddings in made.items()}


def embed(
    store: Store,
    recipe: Recipe,
    corpus: Corpus,
    progress: Progress,
    device: str,
    precision: str,
    accept: Accept = lambda entry: None,
    leave: Leave = lambda request: False,
) -> None:
    """Makes whatever is missing of ``images.parquet``, ``samples.parquet`` and every model's embeddings."""
    key = sample_key(recipe)
    images = read_images(store, recipe, corpus, progress)
    batches = plan_batches(recipe, images)

    waiting = [name for name in recipe.models if not is_embedded(store, name, batches)]
    while waiting:
        loaded = list(_load_some(store, waiting, device, precision, progress, accept, leave))
        for batch in filter(partial(is_needed, store), batches):
            _embed_units(store, recipe, corpus, batch, loaded, progress)
        _embed_crops(store, recipe, corpus, images, loaded, key, progress)
        for embedder in loaded:
            embedder.close()
        waiting = waiting[len(loaded) :]
    for batch in filter(partial(is_needed, store), batches):
        _embed_units(store, recipe, corpus, batch, [], progress)  # their rows, where no model was to be embedded
        _gather_samples(store, batch)


def read_images(store: Store, recipe: Recipe, corpus: Corpus, progress: Progress) -> pd.DataFrame:
    """``images.parquet``; made first if it is missing."""
    key = sample_key(recipe)
    if not store.has("images.parquet", key):
        images = choose_images(
            recipe, corpus, lambda done, total: progress.update("images", done, total, "Reading images")
        )
        store.write_table("images.parquet", images, key)
    return store.read_table("images.parquet")


def plan_batches(recipe: Recipe, images: pd.DataFrame) -> list[Batch]:
    """What a run embeds: the main samples, first, and its series."""
    key = sample_key(recipe)
    planned = plan_samples(recipe, images)
    transforms = load_transforms(recipe)

    def make_main(corpus: Corpus, rows: pd.DataFrame, pool: ThreadPoolExecutor) -> Any:
        return make_samples(recipe, corpus, transforms, rows, pool)

    main = Batch("samples.parquet", "embeddings", key, planned, cut_units(recipe, planned), make_main, main=True)
    return [main, *(_plan_series(name, recipe, images, key) for name in series_names(recipe, images))]


def _plan_series(name: str, recipe: Recipe, images: pd.DataFrame, key: str) -> Batch:
    planned = plan_series(name, recipe, images)
    which = planned.drop(columns=["sample", "base_id", "label", "split"]).astype(str)
    return Batch(
        table=series_table(name),
        folder=f"series/{name}",
        key=digest([key, name, REVISIONS[name], which.to_numpy().tolist()]),
        planned=planned,
        units=cut_units(recipe, planned),
        make=partial(_make_series, name, recipe),
        blocks=name == LAYERS,
    )


def _make_series(name: str, recipe: Recipe, corpus: Corpus, rows: pd.DataFrame, pool: ThreadPoolExecutor) -> Any:
    return make_series(name, recipe, corpus, rows, pool)


def is_embedded(store: Store, request: str, batches: Sequence[Batch]) -> bool:
    """Whether every unit of the model that was asked for as ``request`` is there, for all its layers."""
    entries = [e for e in model_entries(store) if e["request"] == request]
    return bool(entries) and all(
        all(
            store.has(batch.unit_path(e["name"], unit), digest([batch.key, e["recipe"]]))
            for batch in batches
            if (e.get("blocks") if batch.blocks else batch.main or e["family"] != PRECOMPUTED)
            for unit in batch.units
        )
        and (e["family"] == PRECOMPUTED or store.has(crops_path(e["name"]), digest([batches[0].key, e["recipe"]])))
        for e in entries
    )


def is_needed(store: Store, batch: Batch) -> bool:
    """Whether the run has anything to embed of these samples: those of the layers serve networks alone."""
    return not batch.blocks or any(entry.get("blocks") for entry in model_entries(store))


def _load_some(
    store: Store,
    requests: Sequence[str],
    device: str,
    precision: str,
    progress: Progress,
    accept: Accept,
    leave: Leave,
) -> Iterator[LoadedEmbedder]:
    """Loads models until memory says enough; at least one.

    Raises:
        ModelUnavailable: the device's memory does not hold the first of them.
    """
    limit = psutil.virtual_memory().total * MEMORY_SHARE
    for done, request in enumerate(requests):
        if done and psutil.Process().memory_info().rss > limit:
            return
        progress.update("load", done, len(requests), f"Loading {request}")
        try:
            embedder = _load_if_it_fits(request, device, precision)
        except ProbingError as error:
            if leave(request):
                raise type(error)(f"{error} {LEFT}") from error
            raise
        if embedder is None and done:
            return  # its turn comes when those before it have been embedded and closed
        if embedder is None:
            raise ModelUnavailable(
                f"'{request}' does not fit into the memory of the device '{device}'; "
                f"choose a smaller model, another --precision, or --device cpu."
            )
        _enter_model(store, request, embedder, accept)
        yield embedder


def _load_if_it_fits(request: str, device: str, precision: str) -> LoadedEmbedder | None:
    """The model, or None where memory ran out."""
    try:
        return load_embedder(request, device=device, precision=precision)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
    give_back(resolve_device(device).type)  # outside of the handler, whose traceback would hold what was loaded
    return None


def _enter_model(store: Store, request: str, embedder: LoadedEmbedder, accept: Accept) -> None:
    """Writes ``model.toml`` for each layer; refuses a model that is no longer the one that joined the run."""
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
        accept(entry)
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
    batch: Batch,
    embedders: Sequence[LoadedEmbedder],
    progress: Progress,
) -> None:
    made_elsewhere = {e.name for e in embedders if find_spec(e.name).family == PRECOMPUTED}
    able = [e for e in embedders if batch.has(e)]
    recipes = {e.name: {n: digest([batch.key, without_none(r)]) for n, r in e.recipes().items()} for e in able}

    def missing(unit: Unit) -> list[LoadedEmbedder]:
        keys = ((e, recipes[e.name].items()) for e in able)
        return [e for e, named in keys if not all(store.has(batch.unit_path(n, unit), k) for n, k in named)]

    def facts_missing(unit: Unit) -> bool:
        return not store.has(batch.table, batch.key) and not store.has(batch.facts_path(unit), batch.key)

    def pictures_needed(unit: Unit) -> bool:
        return facts_missing(unit) or any(e.name not in made_elsewhere for e in missing(unit))

    todo = [unit for unit in batch.units if missing(unit) or facts_missing(unit)]
    doing = "Transforming and embedding" if batch.main else f"Embedding the {batch.folder.split('/')[1]} series"
    with ThreadPoolExecutor(recipe.threads) as makers, ThreadPoolExecutor(1) as ahead:

        def make(unit: Unit) -> tuple[list[np.ndarray], pd.DataFrame]:
            rows = batch.planned.iloc[unit.start : unit.stop]
            return batch.make(corpus, rows, makers) if pictures_needed(unit) else ([], rows)

        upcoming = ahead.submit(make, todo[0]) if todo else None
        for position, unit in enumerate(todo):
            progress.update(batch.stage, len(batch.units) - len(todo) + position, len(batch.units), doing)
            assert upcoming is not None
            pictures, facts = upcoming.result()
            upcoming = ahead.submit(make, todo[position + 1]) if position + 1 < len(todo) else None
            if facts_missing(unit):
                store.write_table(batch.facts_path(unit), facts, batch.key)
            for embedder in missing(unit):
                for name, arrays in batch.embedded(embedder, pictures, facts).items():
                    path, key = batch.unit_path(name, unit), recipes[embedder.name][name]
                    store.write_arrays(path, _finite(name, arrays), key)
    progress.update(batch.stage, len(batch.units), len(batch.units), doing)


def _embed_crops(
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


def _gather_samples(store: Store, batch: Batch) -> None:
    if not store.has(batch.table, batch.key):
        facts = pd.concat([store.read_table(batch.facts_path(unit)) for unit in batch.units], ignore_index=True)
        store.write_table(batch.table, facts, batch.key)
    for name in store.names(f"units/{batch.folder}/"):
        store.remove(name)
