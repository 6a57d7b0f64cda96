"""The scope of a plan: recipe, images and models of a run, and the samples that it makes and embeds in units."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.names import LAYERS, MAIN
from probing_core.compute.samples import Design, SamplePlan, Unit, cut_units, has_splits
from probing_core.compute.series import make_samples, plan_series, series_names
from probing_core.compute.studies import studies_of
from probing_core.compute.tasks import task_names
from probing_core.corpora.base import Corpus
from probing_core.models.base import LoadedEmbedder
from probing_core.models.names import parse, with_layer
from probing_core.run import layout
from probing_core.run.models import embeds_pictures, model_entries
from probing_core.run.options import DEFAULTS, Options
from probing_core.run.progress import SILENT, Progress
from probing_core.run.recipe import Recipe
from probing_core.run.setup import Corpora
from probing_core.run.store import Store
from probing_core.transforms.base import Transform

Arrays = Mapping[str, Mapping[str, np.ndarray]]
"""Full model name -> arrays for one unit, by name."""


@dataclass(frozen=True, eq=False)
class SampleSet:
    """Samples that are made and embedded in units: the main ones, or a series.

    Attributes:
        series: empty for the main samples. Embeddings made elsewhere cover the main samples alone.
        plan: (start, stop) -> the planned rows of that range, without the columns that are measured on pictures.
    """

    series: str
    plan: Callable[[int, int], pd.DataFrame]
    units: Sequence[Unit]

    def __len__(self) -> int:
        return self.units[-1].stop

    @property
    def blocks(self) -> bool:
        """Whether every block of a network is read, instead of the model's own embedding."""
        return self.series == LAYERS

    def rows(self, unit: Unit | None = None) -> pd.DataFrame:
        """Return the planned rows of one unit, or all of them."""
        return self.plan(0, len(self)) if unit is None else self.plan(unit.start, unit.stop)

    def covers(self, entry: Mapping[str, Any]) -> bool:
        """Return whether the model of ``entry`` (its ``model.toml``) has embeddings of these samples."""
        return bool(entry.get("blocks")) if self.blocks else not self.series or embeds_pictures(entry)

    def make(
        self, design: Design, corpus: Corpus, rows: pd.DataFrame, pool: Executor
    ) -> tuple[list[np.ndarray], pd.DataFrame]:
        """Make the pictures of planned ``rows`` of one unit, and complete the rows."""
        return make_samples(self.series, design, corpus, rows, pool)

    def embed(self, embedder: LoadedEmbedder, pictures: list[np.ndarray], rows: pd.DataFrame) -> Arrays:
        if self.blocks:
            return {embedder.name: embedder.embed_blocks(pictures)}
        made = embedder.embed_layers(pictures) if self.series else embedder.embed_samples(pictures, rows)
        return {name: {"embeddings": embeddings} for name, embeddings in made.items()}


def plan_sample_sets(design: Design, images: pd.DataFrame) -> dict[str, SampleSet]:
    """Return name of a series -> its samples; the main samples, first, have an empty name."""
    main = SamplePlan(design, images)
    sets = [SampleSet(MAIN, main.rows, main.units)]
    for name in series_names(design, images):
        planned = plan_series(name, design, images)
        sets.append(SampleSet(name, partial(_slice, planned), cut_units(design, planned)))
    return {one.series: one for one in sets}


def _slice(planned: pd.DataFrame, start: int, stop: int) -> pd.DataFrame:
    return planned.iloc[start:stop]


@dataclass(frozen=True)
class Job:
    """What is to be computed of one unit: its rows, or its embeddings by one model.

    Attributes:
        series, unit: which samples; ``series`` is empty for the main ones.
        model: full name; empty for the rows of the samples.
        request: the name by which the model was asked for.
        key: digest of every input.
        path: where it is written.
    """

    series: str
    unit: int
    model: str
    request: str
    key: str
    path: str


@dataclass
class Means:
    """What makers get that changes no bytes.

    Attributes:
        options: where and with what it is computed.
        threads: of the numerical libraries.
        sample_sets: see `Scope`.
        stands_on_base: whether the run reads the files of another in addition to its own.
        executor: what embeds, while the stage ``embed`` works.
        requests: name of a model that it has loaded -> the name by which it was asked for.
    """

    options: Options
    progress: Progress
    threads: int
    sample_sets: Mapping[str, SampleSet]
    stands_on_base: bool
    executor: Any = None
    requests: Mapping[str, str] = field(default_factory=dict)


class Scope:
    """Recipe, images and models of a run as its files are at one time, each read once; rows of the table are expanded
    by it."""

    def __init__(
        self,
        files: Store,
        recipe: Recipe,
        options: Options = DEFAULTS,
        progress: Progress = SILENT,
        corpora: Corpora | None = None,
    ) -> None:
        self.files, self.recipe, self.options, self.progress = files, recipe, options, progress
        self.corpora = corpora or Corpora(recipe)

    def again(self) -> Scope:
        """Return the scope of the same run as its files are now."""
        return Scope(self.files, self.recipe, self.options, self.progress, self.corpora)

    def with_models(self) -> Scope:
        """Return the scope with the models that were loaded since; what was planned of the images stays."""
        later = self.again()
        later.images, later.sample_sets = self.images, self.sample_sets
        return later

    @cached_property
    def design(self) -> Design:
        return self.recipe.design

    @property
    def transforms(self) -> tuple[Transform, ...]:
        return self.design.transforms

    @cached_property
    def images(self) -> pd.DataFrame:
        """The table of images of a run that has chosen them."""
        return self.files.read_table(layout.IMAGES)

    @cached_property
    def entries(self) -> dict[str, dict[str, Any]]:
        """Name of a model -> content of its ``model.toml``, for all that were loaded, in the order of the recipe."""
        return {entry["name"]: entry for entry in model_entries(self.files, self.recipe.models)}

    @property
    def unloaded(self) -> list[str]:
        """Models of the recipe that were never loaded, or lack the description of a layer."""
        layers = {entry["request"]: entry["recipe"].get("layers") for entry in self.entries.values()}

        def is_known(request: str) -> bool:
            if parse(request).options.get("layer") != "all" or not isinstance(layers.get(request), int):
                return request in layers or request in self.entries  # as a layer of another request
            return all(with_layer(request, layer) in self.entries for layer in range(1, layers[request] + 1))

        return [request for request in self.recipe.models if not is_known(request)]

    @cached_property
    def sample_sets(self) -> dict[str, SampleSet]:
        """Name of a series -> its samples, cut into units; the main samples have an empty name. None before the
        images are chosen, so that a plan made then has nothing that depends on them."""
        return plan_sample_sets(self.design, self.images) if self.files.has(layout.IMAGES) else {}

    @cached_property
    def has_splits(self) -> bool:
        return bool(self.sample_sets) and has_splits(self.images)

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        return task_names(self.transforms, self.images)

    @property
    def means(self) -> Means:
        threads, based = self.recipe.threads, self.files.base is not None
        return Means(self.options, self.progress, threads, self.sample_sets, based)

    def covers(self, model: str, series: str) -> bool:
        return series in self.sample_sets and self.sample_sets[series].covers(self.entries[model])

    @cached_property
    def studies(self) -> dict[str, list[str]]:
        """Name of a study -> the models that have it: of one with all its layers, the last."""
        studied = {entry["request"]: name for name, entry in self.entries.items()}.values()
        return {
            study.name: [model for model in studied if self.covers(model, study.series)]
            for study in (studies_of(self.images) if self.has_splits else ())
        }
