"""Corpus x transforms x models -> embeddings, in resumable units.

Missing units are a list of jobs, which an executor does in any order with the same bytes at the end: in this process,
or on the workers of a Ray cluster. Pictures stream: a transformed one is made once for all models that need it; its
measured columns (strength, distances) are written with the first of them. Memory holds two units and the models,
whatever the size of the corpus.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import pandas as pd

from probing_core.compute import parallel
from probing_core.compute.parallel import picture_pool
from probing_core.corpora.base import Corpus
from probing_core.errors import BadConfig, BadRun, ModelUnavailable
from probing_core.models import find_spec, load_embedder
from probing_core.models.base import LoadedEmbedder
from probing_core.models.processor import free_memory, out_of_memory, resolve_device
from probing_core.run.engine import Plan
from probing_core.run.files import write_arrays, write_tables
from probing_core.run.graph import build
from probing_core.run.layout import model_path
from probing_core.run.manifest import Entry
from probing_core.run.models import require_joined
from probing_core.run.options import EMBED, EXECUTORS, RAY
from probing_core.run.recipe import Recipe
from probing_core.run.scope import Arrays, Job, SampleSet, Scope
from probing_core.run.setup import withdrawn_on_error
from probing_core.run.store import Store, digest, without_none, write_file

Written = list[tuple[str, Entry]]
"""Files that were written, to be entered."""

Made = tuple[list[np.ndarray], pd.DataFrame]
"""Pictures and completed rows of a unit."""


class Worker:
    """Makes and embeds units of one run: one in this process, or one on each worker of a cluster.

    While models embed one unit, threads make the pictures of the next. What a worker writes belongs to the run after
    the process that holds the run has entered it.

    Args:
        device, precision: of its models.
        makers: processes or threads that make pictures, which the worker shuts down.
        memory_share: of the machine's memory, up to which models are loaded.
    """

    def __init__(
        self,
        root: Path,
        recipe: Recipe,
        corpus: Corpus,
        sample_sets: Mapping[str, SampleSet],
        device: str,
        precision: str,
        makers: futures.Executor,
        memory_share: float = parallel.MEMORY_OF_MODELS,
    ) -> None:
        self.root, self._recipe, self._corpus = root, recipe, corpus
        self._sample_sets = sample_sets
        self._device, self._precision, self._memory_share = device, precision, memory_share
        self._models: dict[str, LoadedEmbedder] = {}
        self._makers, self._ahead, self._writers = makers, ThreadPoolExecutor(2), ThreadPoolExecutor(2)
        self._begun: deque[tuple[Sequence[Job], Future[Made]]] = deque()

    def load(self, request: str) -> list[dict[str, Any]] | None:
        """Return the ``model.toml`` of a model, for each layer; None where it does not fit into memory with the
        others."""
        if self._models and parallel.is_taken(self._memory_share):
            return None
        embedder = load_if_it_fits(request, self._device, self._precision)
        if embedder is None:
            return None
        if not embedder.embeds_pictures:
            main = self._sample_sets[""]
            for unit in main.units:
                embedder.embed_samples([], main.rows(unit))  # a file that lacks rows is refused before it joins the run
        self._models[request] = embedder
        return describe(request, embedder)

    def unload(self) -> None:
        for embedder in self._models.values():
            embedder.close()
        self._models.clear()

    def work(self, units: Sequence[Sequence[Job]]) -> Iterator[Written]:
        """Do what `Executor.work` does."""
        for jobs, upcoming in zip(units, [*units[1:], ()], strict=False):
            yield self.work_on(jobs, upcoming)

    def work_on(self, jobs: Sequence[Job], upcoming: Sequence[Job] = ()) -> Written:
        """Do the jobs of one unit, and begin to make the pictures of those that come next."""
        pictures, rows = self._made(jobs, upcoming)
        requests = dict.fromkeys(job.request for job in jobs if job.model)
        sample_set = self._sample_sets[jobs[0].series]
        written: list[Future[tuple[str, Entry]]] = []  # while the next model computes: no waiting for the disk
        embed = {request: partial(sample_set.embed, self._model(request), pictures, rows) for request in requests}
        beside, made = self._begin_beside(embed), dict[str, Arrays]()
        for job in sorted(jobs, key=lambda job: job.request in beside):
            if not job.model:
                written.append(self._write(job, partial(write_tables, [rows])))
                continue
            if job.request not in made:
                own = beside.get(job.request)
                made[job.request] = embed[job.request]() if own is None or own.cancel() else own.result()
            arrays = _finite(job.model, made[job.request][job.model])
            written.append(self._write(job, partial(write_arrays, arrays)))
        return [file.result() for file in written]

    def close(self) -> None:
        self._makers.shutdown(cancel_futures=True)  # first: who is interrupted does not wait for whole units
        self._ahead.shutdown(cancel_futures=True)
        self.unload()
        self._writers.shutdown()

    def _model(self, request: str) -> LoadedEmbedder:
        if request not in self._models:  # on a worker other than the first, or one that was restarted
            entries = self.load(request)
            if entries is None:
                raise ModelUnavailable(f"'{request}' does not fit into the memory of a worker; choose a smaller model.")
            run = Store(self.root)
            for entry in entries:
                require_joined(entry, run.read_toml(model_path(entry["name"])))
        return self._models[request]

    def _made(self, jobs: Sequence[Job], upcoming: Sequence[Job]) -> Made:
        """Return the pictures and rows of a unit; the next one is begun before, so that no core waits for the last
        picture of this one."""
        if self._begun and self._begun[0][0] != jobs:
            self._begun.clear()
        for unit in (jobs, upcoming)[len(self._begun) :]:
            if unit:
                pictures = any(not job.model or self._model(job.request).embeds_pictures for job in unit)
                self._begun.append((unit, self._ahead.submit(self._make, unit, pictures)))
        return self._begun.popleft()[1].result()

    def _make(self, jobs: Sequence[Job], pictures: bool) -> Made:
        sample_set = self._sample_sets[jobs[0].series]
        rows = sample_set.rows(sample_set.units[jobs[0].unit])
        return sample_set.make(self._recipe.design, self._corpus, rows, self._makers) if pictures else ([], rows)

    def _begin_beside(self, embed: Mapping[str, Callable[[], Arrays]]) -> Mapping[str, Future[Arrays]]:
        """Have a thread begin the models that compute on one thread, while others are embedded. The caller computes
        what it has not begun when the others are done."""
        single = [request for request in embed if self._model(request).on_one_thread]
        return {request: self._ahead.submit(embed[request]) for request in single} if len(single) < len(embed) else {}

    def _write(self, job: Job, write: Callable[[IO[bytes]], None]) -> Future[tuple[str, Entry]]:
        return self._writers.submit(write_file, self.root, job.path, write, job.key)


def load_if_it_fits(request: str, device: str, precision: str) -> LoadedEmbedder | None:
    """Load the model, or return None where memory ran out."""
    try:
        return load_embedder(request, device=device, precision=precision)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
    free_memory(resolve_device(device).type)  # outside of the handler, whose traceback would hold what was loaded
    return None


def describe(request: str, embedder: LoadedEmbedder) -> list[dict[str, Any]]:
    """Return the content of ``model.toml``, for each layer."""
    spec = find_spec(request)
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
            f"'{name}' gave embeddings that are not finite numbers; try --precision float32, or check the model's "
            f"weights."
        )
    return arrays


def embed(plan: Plan) -> Plan:
    """Make what is missing of the stage ``embed``, of a run whose images are chosen.

    Returns:
        The plan, with the models that were loaded for the first time.
    """
    waiting = to_load(plan)
    with opened_executor(plan.scope) as executor:
        while True:
            loaded = list(_load_some(executor, plan, waiting))
            requests = {entry["name"]: entry["request"] for of_one in loaded for entry in of_one}
            if not requests.keys() <= plan.scope.entries.keys():
                plan = build(plan.scope.with_models(), plan.table)
            plan.means.executor, plan.means.requests = executor, requests
            wanted = [one for one in plan.select(EMBED) if one.binding.get("model") in {None, *requests}]
            plan.make([one for one in wanted if one.row.units is not None])
            executor.unload()
            waiting = waiting[len(loaded) :]
            if not waiting:
                return plan


def _load_some(executor: Executor, plan: Plan, requests: Sequence[str]) -> Iterator[Sequence[dict[str, Any]]]:
    """Load models until memory runs short, at least one; yield what describes the layers of each."""
    scope, files = plan.scope, plan.files
    for done, request in enumerate(requests):
        scope.progress.update("load", done, len(requests), f"Loading {request}")
        with withdrawn_on_error(files, scope.recipe, request):
            entries = executor.load(request)
            for entry in entries or ():
                if (joined := scope.entries.get(entry["name"])) is not None:
                    require_joined(entry, joined)
                else:
                    files.write_toml(model_path(entry["name"]), entry, digest(entry["recipe"]))
        if entries is None and done:
            return  # it is loaded after those before it have been embedded and closed
        if entries is None:
            raise ModelUnavailable(
                f"'{request}' does not fit into the memory of the device '{scope.options.device}'; "
                f"choose a smaller model, another --precision, or --device cpu."
            )
        yield entries


def to_load(plan: Plan) -> list[str]:
    scope = plan.scope
    left = {artifact.binding.get("model") for artifact in plan.left(plan.select(EMBED))}
    lacking = {entry["request"] for name, entry in scope.entries.items() if name in left} | set(scope.unloaded)
    return [request for request in scope.recipe.models if request in lacking]


class Executor(Protocol):
    """Holds models and does jobs with them."""

    def load(self, request: str) -> list[dict[str, Any]] | None:
        """Do what `Worker.load` does."""

    def unload(self) -> None:
        """Close the models, so that their memory is free."""

    def work(self, units: Sequence[Sequence[Job]]) -> Iterator[Written]:
        """Do the jobs, each element being those of one unit; yield what was written for each, in any order."""


@contextmanager
def opened_executor(scope: Scope) -> Iterator[Executor]:
    """Open the executor that the options ask for, with no model loaded yet, over a run whose images are chosen.

    Raises:
        ProbingError: it is not installed, the cluster does not answer, or the corpus has changed.
    """
    options = scope.options
    if options.executor not in EXECUTORS:
        raise BadConfig(f"There is no executor '{options.executor}'. There are: {', '.join(EXECUTORS)}.")
    if options.address is not None and options.executor != RAY:
        raise BadConfig("--address names a Ray cluster; give --executor ray with it.")
    if options.executor == RAY:
        from probing_core.run.ray_workers import opened_ray

        with opened_ray(scope) as executor:
            yield executor
        return
    asked = scope.recipe, scope.corpora.own, scope.sample_sets, options.device, options.precision
    with (
        picture_pool(sum(map(len, scope.sample_sets.values())), options.jobs) as makers,
        closing(Worker(scope.files.root, *asked, makers)) as worker,
    ):
        yield worker
