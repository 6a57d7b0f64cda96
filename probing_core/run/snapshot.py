"""Snapshots of a run, which determine the partitions of its assets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from probing_core.compute.sampling.probe_tasks import task_names
from probing_core.compute.sampling.samples import Design, has_splits
from probing_core.compute.studies import can_study
from probing_core.models.model_names import parse, with_layer
from probing_core.run import layout
from probing_core.run.assets import AssetGraph
from probing_core.run.engine import Plan
from probing_core.run.models import model_entries
from probing_core.run.options import DEFAULTS, Options
from probing_core.run.progress import SILENT, Progress
from probing_core.run.recipe import Recipe
from probing_core.run.sample_sets import SampleSet, plan_sample_sets
from probing_core.run.setup import Corpora
from probing_core.run.store import Store
from probing_core.transforms.transformation import Transform


@dataclass
class Resources:
    """Arguments for asset functions that do not affect the contents of files.

    Attributes:
        options: options of the computation, such as the device.
        threads: number of threads of the numerical libraries.
        sample_sets: name of an experiment -> its samples (`RunSnapshot.sample_sets`).
        is_copy: whether the run is a copy of another run.
        executor: executor that computes embeddings, set during the ``embed`` stage.
        requests: full name of a loaded model -> name in the recipe.
    """

    options: Options
    progress: Progress
    threads: int
    sample_sets: Mapping[str, SampleSet]
    is_copy: bool
    executor: Any = None
    requests: Mapping[str, str] = field(default_factory=dict)


class RunSnapshot:
    """Recipe, images and models of a run at one point in time. Images and models are read once and cached."""

    def __init__(
        self,
        store: Store,
        recipe: Recipe,
        options: Options = DEFAULTS,
        progress: Progress = SILENT,
        corpora: Corpora | None = None,
    ) -> None:
        self.store, self.recipe, self.options, self.progress = store, recipe, options, progress
        self.corpora = corpora or Corpora(recipe)

    def reloaded(self) -> RunSnapshot:
        """Return a new snapshot of this run, without cached images and models."""
        return RunSnapshot(self.store, self.recipe, self.options, self.progress, self.corpora)

    def with_loaded_models(self) -> RunSnapshot:
        """Return a snapshot with the same images and samples that includes newly loaded models."""
        later = self.reloaded()
        later.images, later.sample_sets = self.images, self.sample_sets
        return later

    def plan(self, graph: AssetGraph) -> Plan:
        """Expand ``graph`` into the partitions of this run.

        Before the images are selected, the plan does not contain partitions that depend on the images. It only contains
        the partitions of models that have been loaded.
        """
        return Plan(graph, self, self.store, self.resources)

    @cached_property
    def design(self) -> Design:
        return self.recipe.design

    @property
    def transforms(self) -> tuple[Transform, ...]:
        return self.design.transforms

    @cached_property
    def images(self) -> pd.DataFrame:
        """The image table, which must exist."""
        return self.store.read_table(layout.IMAGES)

    @cached_property
    def models(self) -> dict[str, dict[str, Any]]:
        """Content of ``model.toml`` by model name, for all models that were loaded, in the order of the recipe."""
        return {entry["name"]: entry for entry in model_entries(self.store, self.recipe.models)}

    @property
    def unloaded(self) -> list[str]:
        """Models in the recipe for which a ``model.toml`` is missing (for any layer, if all layers were requested)."""
        layers = {entry["request"]: entry["recipe"].get("layers") for entry in self.models.values()}

        def is_known(request: str) -> bool:
            if parse(request).options.get("layer") != "all" or not isinstance(layers.get(request), int):
                return request in layers or request in self.models  # as a layer of another request
            return all(with_layer(request, layer) in self.models for layer in range(1, layers[request] + 1))

        return [request for request in self.recipe.models if not is_known(request)]

    @cached_property
    def sample_sets(self) -> dict[str, SampleSet]:
        """Name of an experiment -> its samples, divided into units. The main samples have an empty name.

        The mapping is empty before the images are selected.
        """
        return plan_sample_sets(self.design, self.images) if self.store.has(layout.IMAGES) else {}

    @cached_property
    def has_splits(self) -> bool:
        return bool(self.sample_sets) and has_splits(self.images)

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        return task_names(self.transforms, self.images)

    @property
    def resources(self) -> Resources:
        threads, is_copy = self.recipe.threads, self.store.copied_from is not None
        return Resources(self.options, self.progress, threads, self.sample_sets, is_copy)

    def covers(self, model: str, series: str) -> bool:
        return series in self.sample_sets and self.sample_sets[series].covers(self.models[model])

    def studied_models(self, series: str) -> list[str]:
        """Return the names of the models for which studies of an experiment are computed.

        If all layers of a model were requested, only the last layer is included. The list is empty if the run has no
        splits or too few images.
        """
        if not self.has_splits or not can_study(self.images):
            return []
        last_layers = {entry["request"]: name for name, entry in self.models.items()}.values()
        return [model for model in last_layers if self.covers(model, series)]
