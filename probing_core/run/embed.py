"""The ``embed`` stage: the images of a run, the samples, and the embeddings of the samples.

All samples are transformed once and embedded with as many models as fit into memory. An executor computes them in
units, whose order does not affect the results.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from probing_core.compute.runtime.parallel import image_pool
from probing_core.compute.sampling.samples import choose_images
from probing_core.compute.task_names import LAYERS
from probing_core.errors import ModelUnavailable
from probing_core.models import download_summary
from probing_core.run import layout
from probing_core.run.embedding_worker import Worker
from probing_core.run.models import require_joined
from probing_core.run.options import EMBED, RAY, note_options, require_executor
from probing_core.run.run_files import Inputs
from probing_core.run.sample_sets import UnitJob
from probing_core.run.setup import withdrawn_on_error
from probing_core.run.step_times import EMBEDDING, LOADED, StepTime, note
from probing_core.run.units import Units, WrittenUnit
from probing_core.run.work import IMAGES_STEP, Work, embeddings_step, model_step, samples_step


def select_images(work: Work) -> None:
    """Select the images of the run. The table also lists images that cannot be used, with the reason."""

    def report(completed: int, total: int) -> None:
        work.progress.update("images", completed, total, "Reading images")

    recipe = work.recipe
    inputs = {
        "code_version": 2,
        "fingerprint": recipe.fingerprint,
        "view": recipe.view,
        "limit": recipe.limit,
        "seed": recipe.seed,
        "warps": any(transform.warp is not None for transform in work.transforms),
    }
    work.run.step(IMAGES_STEP, inputs, lambda: {layout.IMAGES: choose_images(work.design, work.corpora.own, report)})


class Executor(Protocol):
    """Interface for loading models and embedding units."""

    def load(self, request: str) -> list[dict[str, Any]] | None:
        """Load a model (see `Worker.load`)."""

    def unload(self) -> None:
        """Close the models and free their memory."""

    def work(self, units: Sequence[Sequence[UnitJob]]) -> Iterator[list[WrittenUnit]]:
        """Compute the jobs of each unit.

        Yields:
            The files written for each unit. Units may complete in any order.
        """


@contextmanager
def opened_executor(work: Work) -> Iterator[Executor]:
    """Return a context manager that provides the executor specified in the options.

    The images of the run must have been selected.

    Raises:
        ProbingError: the executor is unknown or not installed, the cluster does not respond, or the corpus has changed.
    """
    options = work.options
    require_executor(options.executor, options.address)
    if options.executor == RAY:
        from probing_core.run.ray_workers import opened_ray

        with opened_ray(work) as executor:
            yield executor
        return
    settings = work.recipe, work.corpora.own, work.sample_sets, options.device, options.precision
    with (
        image_pool(sum(map(len, work.sample_sets.values())), options.jobs) as transformers,
        closing(Worker(work.run.root, *settings, transformers)) as worker,
    ):
        yield worker


@dataclass(frozen=True, eq=False)
class SampleStep:
    """A step that writes the sample table of an experiment, or its embeddings from one model.

    Attributes:
        series: name of the experiment, or an empty string for the main samples.
        model: name of the model, or an empty string for the sample table.
    """

    series: str
    model: str
    name: str
    inputs: Inputs


def missing_steps(work: Work, models: Sequence[str]) -> list[SampleStep]:
    """Return the `sample_steps` that must be computed."""
    return [step for step in sample_steps(work, models) if work.run.needs(step.name, step.inputs)]


def sample_steps(work: Work, models: Sequence[str]) -> list[SampleStep]:
    """Return the steps that compute the samples of all experiments, and their embeddings by ``models``."""
    steps = []
    for series in work.sample_sets:
        inputs, embedded = work.sampled(series), work.embedded(series)
        if series != LAYERS or embedded:
            steps.append(SampleStep(series, "", samples_step(series), inputs))
        for model in embedded:
            if model in models:
                step = embeddings_step(model, series)
                steps.append(SampleStep(series, model, step, inputs | work.run.keys(model_step(model))))
    return steps


def embed(work: Work) -> None:
    """Load the models, and compute missing samples and embeddings."""
    needed = {work.models[step.model]["request"] for step in missing_steps(work, list(work.models)) if step.model}
    is_missing_samples = bool(missing_steps(work, ()))
    waiting = [request for request in work.recipe.models if request in needed | set(work.unloaded)]
    if not waiting and not is_missing_samples:
        return
    note_options(work.run.root, work.options)
    work.progress.note(download_summary(waiting))
    work.progress.note(_outdated_samples(work))
    with opened_executor(work) as executor:
        while True:
            loaded = list(_load_some(work, executor, waiting))
            requests = {entry["name"]: entry["request"] for of_one in loaded for entry in of_one}
            work.__dict__.pop("models", None)
            steps = missing_steps(work, list(requests))
            for series in dict.fromkeys(step.series for step in steps):
                _compute(work, executor, series, [step for step in steps if step.series == series], requests)
            executor.unload()
            waiting = waiting[len(loaded) :]
            if not waiting:
                return


def _outdated_samples(work: Work) -> str:
    """Return a warning if the samples of the base were computed with different code, or an empty string."""
    steps = (IMAGES_STEP, *map(samples_step, work.sample_sets))
    outdated = next((step for step in steps if step in work.run.outdated), "")
    if not outdated:
        return ""
    return (
        f"'{outdated}' was computed with a different version of the code. Added models are embedded with the current "
        f"version. This difference may affect their scores."
    )


def _compute(
    work: Work, executor: Executor, series: str, steps: Sequence[SampleStep], requests: dict[str, str]
) -> None:
    """Compute missing units of ``steps``, which belong to one experiment. Each image is transformed only once."""
    sample_set = work.sample_sets[series]
    total, jobs, by_folder = len(sample_set.units), dict[int, list[UnitJob]](), dict[str, Units]()
    for step in steps:
        shards = sample_set.shards(work.models[step.model]) if step.model else ()
        units = Units(work.run, step.name, step.inputs, shards)
        by_folder[units.folder] = units
        for unit in units.missing(total):
            job = UnitJob(series, unit, step.model, requests.get(step.model, ""), units.folder)
            jobs.setdefault(unit, []).append(job)
    message = f"Embedding samples of the {series} experiment" if series else "Transforming and embedding"
    work.progress.update(series or EMBED, total - len(jobs), total, message)
    began, passes = time.perf_counter(), 1 + len({step.model for step in steps if step.model})
    for position, written in enumerate(executor.work([jobs[unit] for unit in sorted(jobs)]), 1):
        for path, file in written:
            by_folder[f"{path.rpartition('/')[0]}/"].enter((path, file))
        work.progress.update(series or EMBED, total - len(jobs) + position, total, message)
    samples = sum(sample_set.units[unit].stop - sample_set.units[unit].start for unit in jobs)
    note(work.run.root, [StepTime(EMBEDDING, samples * passes, time.perf_counter() - began)])
    for step, units in zip(steps, by_folder.values(), strict=True):
        if step.model:
            units.save_files(layout.embeddings_folder(step.model, series))
        else:
            units.save_table(layout.series_table(series))


def _load_some(work: Work, executor: Executor, requests: Sequence[str]) -> Iterator[Sequence[dict[str, Any]]]:
    """Load at least one model, and more if they fit into memory.

    Yields:
        The contents of the ``model.toml`` files for all layers of one model.
    """
    for count, request in enumerate(requests):
        work.progress.update("load", count, len(requests), f"Loading {request}")
        with withdrawn_on_error(work.run, work.recipe, request):
            began = time.perf_counter()
            entries = executor.load(request)
            note(work.run.root, [StepTime(LOADED, 1, time.perf_counter() - began)])
            for entry in entries or ():
                if (joined := work.models.get(entry["name"])) is not None:
                    require_joined(entry, joined)
                else:
                    _add_model(work, entry)
        if entries is None and count:
            return  # the caller closes the loaded models before it loads this one
        if entries is None:
            raise ModelUnavailable(
                f"'{request}' does not fit into the memory of the device '{work.options.device}'. "
                f"Choose a smaller model, a lower precision, or the CPU."
            )
        yield entries


def _add_model(work: Work, entry: dict[str, Any]) -> None:
    import tomli_w

    step, inputs = model_step(entry["name"]), {"recipe": entry["recipe"]}
    work.run.step(step, inputs, lambda: {layout.model_path(entry["name"]): tomli_w.dumps(entry).encode()})
