"""Workers that transform images and embed them with several models, one unit at a time.

Each image is transformed only once for all models. Memory use is limited to the models and two or three units of
images, regardless of the size of the corpus.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from probing_core.corpora.corpus import Corpus
from probing_core.errors import BadRun, ModelUnavailable
from probing_core.models import load_embedder, locate, processor
from probing_core.models.embedder import LoadedEmbedder
from probing_core.models.processor import free_memory, out_of_memory, resolve_device
from probing_core.run.directory import Content
from probing_core.run.layout import model_path
from probing_core.run.models import require_joined, without_none
from probing_core.run.recipe import Recipe
from probing_core.run.run_files import RunFiles
from probing_core.run.sample_sets import Arrays, SampleSet, UnitJob
from probing_core.run.units import WrittenUnit, write_unit

TransformedUnit = tuple[list[np.ndarray], pd.DataFrame]
"""Transformed images of a unit, and the rows of the sample table with all measurements."""


class Worker:
    """Worker that transforms and embeds units of a run, in this process or in a cluster.

    While models embed one unit, the images of the next unit are transformed in the background. Files that a worker
    writes become part of the run when the process that holds the lock of the run has completed the step.

    Args:
        device, precision: device and precision of the models.
        transformers: pool of processes or threads that transform images. `close` shuts it down.
        memory_share: fraction of the machine's memory above which the process does not load additional models.
    """

    def __init__(
        self,
        root: Path,
        recipe: Recipe,
        corpus: Corpus,
        sample_sets: Mapping[str, SampleSet],
        device: str,
        precision: str,
        transformers: futures.Executor,
        memory_share: float = processor.MEMORY_OF_MODELS,
    ) -> None:
        self.root, self._recipe, self._corpus = root, recipe, corpus
        self._sample_sets = sample_sets
        self._device, self._precision, self._memory_share = device, precision, memory_share
        self._models: dict[str, LoadedEmbedder] = {}
        self._transformers, self._ahead, self._writers = transformers, ThreadPoolExecutor(2), ThreadPoolExecutor(2)
        self._started: deque[tuple[Sequence[UnitJob], Future[TransformedUnit]]] = deque()

    def load(self, request: str) -> list[dict[str, Any]] | None:
        """Load a model.

        Returns:
            The content of ``model.toml`` for each layer of the model, or None if the model does not fit into the
            remaining memory.
        """
        if self._models and processor.is_taken(self._memory_share):
            return None
        embedder = load_if_it_fits(load_embedder, request, self._device, self._precision)
        if embedder is None:
            return None
        if not embedder.embeds_pictures:
            main = self._sample_sets[""]
            for unit in main.units:  # reject a model with missing rows before it is added to the run
                embedder.embed_samples([], main.rows(unit))
        self._models[request] = embedder
        return describe(request, embedder)

    def unload(self) -> None:
        for embedder in self._models.values():
            embedder.close()
        self._models.clear()

    def work(self, units: Sequence[Sequence[UnitJob]]) -> Iterator[list[WrittenUnit]]:
        """Transform and embed units (see `Executor.work`)."""
        for jobs, upcoming in zip(units, [*units[1:], ()], strict=False):
            yield self.work_on(jobs, upcoming)

    def work_on(self, jobs: Sequence[UnitJob], upcoming: Sequence[UnitJob] = ()) -> list[WrittenUnit]:
        """Compute the jobs of one unit, and start transforming the images of the next unit."""
        pictures, rows = self._transformed(jobs, upcoming)
        requests = dict.fromkeys(job.request for job in jobs if job.model)
        sample_set = self._sample_sets[jobs[0].series]
        written: list[Future[WrittenUnit]] = []  # written while the next model computes
        embed = {request: partial(sample_set.embed, self._model(request), pictures, rows) for request in requests}
        single_threaded, embeddings = self._start_single_threaded(embed), dict[str, Arrays]()
        for job in sorted(jobs, key=lambda job: job.request in single_threaded):
            if not job.model:
                written.append(self._write(job, rows))
                continue
            if job.request not in embeddings:
                started = single_threaded.get(job.request)
                if started is None or started.cancel():
                    embeddings[job.request] = embed[job.request]()
                else:
                    embeddings[job.request] = started.result()
            arrays = _finite(job.model, embeddings[job.request][job.model])
            written.append(self._write(job, arrays))
        return [file.result() for file in written]

    def close(self) -> None:
        self._transformers.shutdown(cancel_futures=True)  # first, so that an interrupted run does not finish units
        self._ahead.shutdown(cancel_futures=True)
        self.unload()
        self._writers.shutdown()

    def _model(self, request: str) -> LoadedEmbedder:
        if request not in self._models:  # on any worker but the first, or after a restart
            entries = self.load(request)
            if entries is None:
                raise ModelUnavailable(f"'{request}' does not fit into the memory of a worker. Choose a smaller model.")
            run = RunFiles(self.root)
            for entry in entries:
                require_joined(entry, run.read_toml(model_path(entry["name"])))
        return self._models[request]

    def _transformed(self, jobs: Sequence[UnitJob], upcoming: Sequence[UnitJob]) -> TransformedUnit:
        """Return the images and rows of a unit. The next unit is submitted first, so that no core is idle."""
        if self._started and self._started[0][0] != jobs:
            self._started.clear()
        for unit in (jobs, upcoming)[len(self._started) :]:
            if unit:
                pictures = any(not job.model or self._model(job.request).embeds_pictures for job in unit)
                self._started.append((unit, self._ahead.submit(self._transform, unit, pictures)))
        return self._started.popleft()[1].result()

    def _transform(self, jobs: Sequence[UnitJob], pictures: bool) -> TransformedUnit:
        sample_set = self._sample_sets[jobs[0].series]
        rows = sample_set.rows(sample_set.units[jobs[0].unit])
        return sample_set.make(self._recipe.design, self._corpus, rows, self._transformers) if pictures else ([], rows)

    def _start_single_threaded(self, embed: Mapping[str, Callable[[], Arrays]]) -> Mapping[str, Future[Arrays]]:
        """Submit single-threaded models to a thread pool, where they run while other models embed.

        When all other models are complete, the caller runs the single-threaded models that have not started yet.
        """
        single = [request for request in embed if self._model(request).on_one_thread]
        return {request: self._ahead.submit(embed[request]) for request in single} if len(single) < len(embed) else {}

    def _write(self, job: UnitJob, content: Content) -> Future[WrittenUnit]:
        return self._writers.submit(write_unit, self.root, job.folder, (job.unit, job.unit), content)


Loaded = TypeVar("Loaded")


def load_if_it_fits(load: Callable[..., Loaded], request: str, device: str, precision: str) -> Loaded | None:
    """Load a model if there is enough memory.

    Returns:
        The result of ``load``, or None if it runs out of memory.
    """
    try:
        return load(request, device=device, precision=precision)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
    # Not in the handler, whose traceback would keep the loaded objects in memory.
    free_memory(resolve_device(device).type)
    return None


def describe(request: str, embedder: LoadedEmbedder) -> list[dict[str, Any]]:
    """Return the content of ``model.toml`` for each layer of a model."""
    spec, _ = locate(request)
    return [
        {
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
            "blocks": list(embedder.blocks),
            "recipe": without_none(recipe),
        }
        for position, (name, recipe) in enumerate(embedder.recipes().items())
    ]


def _finite(name: str, arrays: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise BadRun(
            f"'{name}' returned embeddings with NaN or infinite values. Use float32 precision, or check the weights."
        )
    return arrays
