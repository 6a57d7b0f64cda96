"""What the steps of one run share: recipe, images, samples and models, and the inputs that go into their keys.

A function that computes a step passes everything that affects the bytes of its files as inputs. The methods of `Work`
return the inputs that several steps need. If something else changes the bytes, such as a constant, increase the code
version in the inputs of the step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import pandas as pd

from probing_core.compute.sampling.probe_tasks import task_names
from probing_core.compute.sampling.samples import Design, has_splits
from probing_core.compute.sampling.series import strengths_of, swept
from probing_core.compute.studies import can_study
from probing_core.compute.task_names import FRAMING, LAYERS, MAIN, RENDERING, STRENGTH
from probing_core.diffs.framing import FRAMING_EDITS
from probing_core.models.model_names import parse, with_layer
from probing_core.run import layout, step_times
from probing_core.run.directory import Content, RunDirectory
from probing_core.run.models import has_embeddings, model_entries
from probing_core.run.options import DEFAULTS, Options
from probing_core.run.progress import SILENT, Progress
from probing_core.run.recipe import Recipe
from probing_core.run.run_files import Inputs
from probing_core.run.sample_sets import SampleSet, plan_sample_sets
from probing_core.run.setup import Corpora
from probing_core.transforms.transformation import Transform

IMAGES_STEP = "images"

SAMPLES_CODE_VERSIONS = {MAIN: 2, STRENGTH: 2, RENDERING: 4, LAYERS: 1, FRAMING: 1}
"""Experiment -> code version of its samples and embeddings."""

EXPERIMENTS = tuple(SAMPLES_CODE_VERSIONS)


def samples_step(series: str) -> str:
    """Return the step that writes the sample table of an experiment, or of the main samples if ``series`` is empty."""
    return layout.series_table(series).removesuffix(layout.PARQUET)


def model_step(model: str) -> str:
    return layout.model_path(model).removesuffix(".toml")


def embeddings_step(model: str, series: str = MAIN) -> str:
    return layout.embeddings_folder(model, series).removesuffix("/")


class Work:
    """One run in progress: its directory and recipe, and its images, samples and models.

    Attributes:
        experiments: names of the sample sets that are embedded, if the recipe has them.
        assumed_images: image table of a run whose images have not been selected, for estimates.
        left: stage -> names of the steps that are left, for progress reports.
    """

    def __init__(
        self,
        run: RunDirectory,
        recipe: Recipe,
        options: Options = DEFAULTS,
        progress: Progress = SILENT,
        corpora: Corpora | None = None,
        experiments: Sequence[str] = EXPERIMENTS,
    ) -> None:
        self.run, self.recipe, self.options, self.progress = run, recipe, options, progress
        self.corpora, self.experiments = corpora or Corpora(recipe), experiments
        self.assumed_images: pd.DataFrame | None = None
        self.left: Mapping[str, list[str]] = {}

    @cached_property
    def design(self) -> Design:
        return self.recipe.design

    @property
    def transforms(self) -> tuple[Transform, ...]:
        return self.design.transforms

    @property
    def images(self) -> pd.DataFrame:
        """The image table, which must exist."""
        return self.run.table(layout.IMAGES) if self.assumed_images is None else self.assumed_images

    @cached_property
    def sample_sets(self) -> dict[str, SampleSet]:
        """Name of an experiment -> its samples, divided into units. The main samples have an empty name."""
        planned = plan_sample_sets(self.design, self.images)
        return {name: sample_set for name, sample_set in planned.items() if name in self.experiments}

    @cached_property
    def has_splits(self) -> bool:
        return has_splits(self.images)

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        return task_names(self.transforms, self.images)

    @cached_property
    def models(self) -> dict[str, dict[str, Any]]:
        """Content of ``model.toml`` by model name, for all models that were loaded, in the order of the recipe."""
        return {entry["name"]: entry for entry in model_entries(self.run, self.recipe.models)}

    @property
    def unloaded(self) -> list[str]:
        """Models in the recipe for which a ``model.toml`` is missing (for any layer, if all layers were requested)."""
        layers = {entry["request"]: entry["recipe"].get("layers") for entry in self.models.values()}

        def is_known(request: str) -> bool:
            if parse(request).options.get("layer") != "all" or not isinstance(layers.get(request), int):
                return request in layers or request in self.models  # as a layer of another request
            return all(with_layer(request, layer) in self.models for layer in range(1, layers[request] + 1))

        return [request for request in self.recipe.models if not is_known(request)]

    def embedded(self, series: str = MAIN) -> list[str]:
        """Return the models that embed the samples of an experiment, by default the main samples.

        Models of a published run only embed its experiments, because their other results are not recomputed either.
        """
        sample_set = self.sample_sets.get(series)
        if sample_set is None:
            return []
        covered = [name for name, entry in self.models.items() if sample_set.covers(entry)]
        return [
            name for name in covered if embeddings_step(name, series) in self.run.records or not self.was_shipped(name)
        ]

    def studied(self, series: str = MAIN) -> list[str]:
        """Return the models for which studies of an experiment are computed.

        If all layers of a model were requested, only the last layer is included. The list is empty if the run has no
        splits or too few images.
        """
        if not self.has_splits or not can_study(self.images):
            return []
        last_layers = {entry["request"]: name for name, entry in self.models.items()}.values()
        covered = self.embedded(series)
        return [model for model in last_layers if model in covered]

    def step(
        self,
        stage: str,
        name: str,
        inputs: Inputs,
        message: str,
        compute: Callable[[], Mapping[str, Content]],
        model: str = "",
    ) -> None:
        """Compute a step, unless it is complete, and report the progress.

        Args:
            model: model whose embeddings ``compute`` reads.
        """
        if self.run.needs(name, inputs, readable=not (model and self.was_shipped(model))):
            self.progress.update(stage, *self.position(stage, name), message, name)
            with self.timed(name):
                self.run.save(name, inputs, compute())

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Return a context manager that notes the duration of a step, for estimates of other runs."""
        began = time.perf_counter()
        yield
        seconds = time.perf_counter() - began
        step_times.note(self.run.root, [step_times.StepTime(self.kind(step), self.size(step), seconds)])

    def kind(self, step: str) -> str:
        return step_times.kind_of(step, self.has_splits)

    def model_of(self, step: str) -> str:
        """Return the model of a step, or an empty string if the step is not about one model."""
        return next((name for name in self.models if step.startswith(layout.model_folder(name))), "")

    def size(self, step: str) -> int:
        """Return the number of main samples, multiplied by the embedding dimension if the step is about one model."""
        model = self.model_of(step)
        return len(self.sample_sets[MAIN]) * (self.models[model]["dim"] if model else 1)

    def position(self, stage: str, name: str) -> tuple[int, int]:
        """Return the number of completed steps of a stage and of all its steps, for a progress report."""
        names = self.left.get(stage, [])
        return (names.index(name), len(names)) if name in names else (len(names), len(names) + 1)

    def was_shipped(self, model: str, series: str = MAIN) -> bool:
        """Return whether the model was copied from a run that was published without its embeddings.

        Only the results that were published with the run are available for such models.
        """
        step = embeddings_step(model, series)
        is_copied = step in self.run.records and not self.run.is_own(step)
        return is_copied and not has_embeddings(self.run, model, series)

    @property
    def prepared(self) -> Inputs:
        """Inputs on which transformed images depend."""
        order = {"order": ",".join(self.recipe.transforms)}
        return {
            "fingerprint": self.recipe.fingerprint,
            "transforms": order | {transform.name: transform.key for transform in self.transforms},
            "view": self.recipe.view,
            "seed": self.recipe.seed,
        }

    def sampled(self, series: str) -> Inputs:
        """Return the inputs on which the samples of an experiment depend."""
        version = {"code_version": SAMPLES_CODE_VERSIONS[series]}
        inputs: Inputs = version | self.prepared | self.run.keys(IMAGES_STEP)
        if series == MAIN:
            inputs["repetitions"] = self.recipe.repetitions
        elif series == STRENGTH:
            inputs["strengths"] = {t.name: strengths_of(t) for t in swept(self.design)}
        elif series == RENDERING:
            inputs["alternatives"] = self.alternatives
        elif series == FRAMING:
            inputs["edits"] = list(FRAMING_EDITS)
        return inputs

    @property
    def alternatives(self) -> Mapping[str, Any]:
        """Code versions of the alternative implementations of the transformations."""
        return {t.name: t.alternative_key for t in self.transforms if not t.far}

    @property
    def classes(self) -> list[list[Any]]:
        """Fields of transformations that determine the labels of samples."""
        return [[t.name, t.group, t.far, t.unseen_in] for t in self.transforms]

    def learned(self, model: str) -> Inputs:
        """Return the inputs on which results of a model depend: its embeddings of the main samples, and labels."""
        steps = (IMAGES_STEP, samples_step(MAIN), embeddings_step(model))
        return {"classes": self.classes, "seed": self.recipe.seed} | self.run.keys(*steps)

    def embeddings_of(self, model: str, series: str) -> Inputs:
        """Return the keys of the samples and embeddings of an experiment, or nothing if the model does not embed it."""
        if model not in self.embedded(series):
            return {}
        return self.run.keys(samples_step(series), embeddings_step(model, series))
