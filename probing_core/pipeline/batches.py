"""What a run embeds, planned: its images, the main samples and its series, each cut into units."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from probing_core.corpora.base import Corpus
from probing_core.embedders.base import LoadedEmbedder
from probing_core.runs import layout, revisions
from probing_core.runs.image_selection import choose_images
from probing_core.runs.models import embeds_pictures, model_entries
from probing_core.runs.progress import Progress
from probing_core.runs.recipe import Recipe
from probing_core.runs.samples import SamplePlan, Unit, cut_units, load_transforms, make_samples, sample_key
from probing_core.runs.series import make_series, plan_series, rendered, series_names
from probing_core.runs.shards import gathered_units
from probing_core.runs.store import Store, digest

Make = Callable[[Corpus, pd.DataFrame, ThreadPoolExecutor], tuple[list[np.ndarray], pd.DataFrame]]
"""(corpus, planned rows of one unit, threads) -> their pictures and completed rows."""

Arrays = Mapping[str, Mapping[str, np.ndarray]]
"""Full model name -> what is written of it for one unit, by name."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples that are made and embedded in units: the main ones, or a series.

    Attributes:
        series: its name; empty for the main samples. Embeddings made elsewhere cover the main samples alone.
        key: of everything they depend on, models apart.
        plan: their rows from one to before another, without the columns that are measured on the pictures.
        units: how they are cut.
        make: makes the pictures of one unit.
    """

    series: str
    key: str
    plan: Callable[[int, int], pd.DataFrame]
    units: Sequence[Unit]
    make: Make

    @property
    def table(self) -> str:
        """Where their rows go."""
        return layout.series_table(self.series) if self.series else layout.SAMPLES

    @property
    def blocks(self) -> bool:
        """Whether every block of a network is read out, in place of the model's own embedding."""
        return self.series == layout.LAYERS

    def rows_path(self, unit: Unit) -> str:
        return layout.unit_rows_path(unit.index, self.series)

    def unit_path(self, model: str, unit: Unit) -> str:
        """Of embeddings that are not gathered yet."""
        return layout.unit_embeddings_path(model, unit.index, self.series)

    def rows(self, unit: Unit | None = None) -> pd.DataFrame:
        """The planned rows of one unit, or all of them."""
        return self.plan(0, self.units[-1].stop) if unit is None else self.plan(unit.start, unit.stop)

    def covers(self, entry: Mapping[str, Any]) -> bool:
        """Whether the model of ``entry`` (its ``model.toml``) has embeddings of these samples."""
        return bool(entry.get("blocks")) if self.blocks else not self.series or embeds_pictures(entry)

    def embed(self, embedder: LoadedEmbedder, pictures: list[np.ndarray], rows: pd.DataFrame) -> Arrays:
        """Embeddings of one unit."""
        if self.blocks:
            return {embedder.name: embedder.embed_blocks(pictures)}
        made = embedder.embed_layers(pictures) if self.series else embedder.embed_samples(pictures, rows)
        return {name: {"embeddings": embeddings} for name, embeddings in made.items()}


def read_images(store: Store, recipe: Recipe, corpus: Corpus, progress: Progress) -> pd.DataFrame:
    """``images.parquet``; made first if it is missing."""
    key = sample_key(recipe)
    if not store.has(layout.IMAGES, key):
        images = choose_images(
            recipe, corpus, lambda done, total: progress.update("images", done, total, "Reading images")
        )
        store.write_table(layout.IMAGES, images, key)
    return store.read_table(layout.IMAGES)


def plan_batches(recipe: Recipe, images: pd.DataFrame) -> list[Batch]:
    """What a run embeds: the main samples, first, and its series."""
    key = sample_key(recipe)
    plan = SamplePlan(recipe, images)
    transforms = load_transforms(recipe)

    def make(corpus: Corpus, rows: pd.DataFrame, pool: ThreadPoolExecutor) -> tuple[list[np.ndarray], pd.DataFrame]:
        return make_samples(recipe, corpus, transforms, rows, pool)

    main = Batch("", key, plan.rows, plan.units, make)
    return [main, *(_series_batch(name, recipe, images, key) for name in series_names(recipe, images))]


def _series_batch(name: str, recipe: Recipe, images: pd.DataFrame, key: str) -> Batch:
    planned = plan_series(name, recipe, images)
    which = planned.drop(columns=["sample", "base_id", "label", "split"]).astype(str)
    elsewhere = [t.alternative_key for t in rendered(recipe)] if name == layout.RENDERING else []
    key = digest([key, name, revisions.SERIES[name], elsewhere, which.to_numpy().tolist()])

    def plan(start: int, stop: int) -> pd.DataFrame:
        return planned.iloc[start:stop]

    return Batch(name, key, plan, cut_units(recipe, planned), partial(make_series, name, recipe))


def is_embedded(store: Store, request: str, batches: Sequence[Batch]) -> bool:
    """Whether every unit of the model that was asked for as ``request`` is there, for all its layers."""
    entries = [e for e in model_entries(store) if e["request"] == request]
    if any(embeds_pictures(e) for e in entries) and not store.has(layout.CROPS, batches[0].key):
        return False
    return bool(entries) and all(
        all(
            len(gathered_units(store, e["name"], batch.series, digest([batch.key, e["recipe"]]))) == len(batch.units)
            for batch in batches
            if batch.covers(e)
        )
        and (not embeds_pictures(e) or store.has(layout.crops_path(e["name"]), digest([batches[0].key, e["recipe"]])))
        for e in entries
    )


def is_needed(store: Store, batch: Batch) -> bool:
    """Whether the run has anything to embed of these samples: those of the layers serve networks alone."""
    return not batch.blocks or any(entry.get("blocks") for entry in model_entries(store))


def everything_embedded(store: Store, recipe: Recipe) -> bool:
    """Whether nothing is missing. The manifest decides, so that a second call needs no corpus and no model."""
    if not store.has(layout.IMAGES, sample_key(recipe)):
        return False
    batches = plan_batches(recipe, store.read_table(layout.IMAGES))
    return all(store.has(batch.table, batch.key) for batch in batches if is_needed(store, batch)) and all(
        is_embedded(store, name, batches) for name in recipe.models
    )
