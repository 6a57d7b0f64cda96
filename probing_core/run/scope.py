"""The scope of a plan: recipe, images and models of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from probing_core.compute.samples import Design, has_splits
from probing_core.compute.studies import studies_of
from probing_core.compute.tasks import task_names
from probing_core.models.names import parse, with_layer
from probing_core.run import layout
from probing_core.run.models import model_entries
from probing_core.run.options import DEFAULTS, Options
from probing_core.run.progress import SILENT, Progress
from probing_core.run.recipe import Recipe
from probing_core.run.sample_sets import SampleSet, plan_sample_sets
from probing_core.run.setup import Corpora
from probing_core.run.store import Store
from probing_core.transforms.base import Transform


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
    by it.

    Args:
        options: where and with what it is computed.
        progress: for long makers.
    """

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

    def with_models(self) -> Scope:
        """Return the scope with the models that were loaded since; what was planned of the images stays."""
        later = Scope(self.files, self.recipe, self.options, self.progress, self.corpora)
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
    def studied_models(self) -> list[str]:
        """Models that are studied: of one with all its layers, the last."""
        return list({entry["request"]: name for name, entry in self.entries.items()}.values())

    @cached_property
    def studies(self) -> dict[str, list[str]]:
        """Name of a study -> the models that have it."""
        return {
            study.name: [m for m in self.studied_models if self.covers(m, study.series)]
            for study in (studies_of(self.images) if self.has_splits else ())
        }
