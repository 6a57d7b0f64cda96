"""Executors work off the jobs of a run: in this process, or on the workers of a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from probing_core.compute.parallel import picture_pool
from probing_core.errors import BadConfig
from probing_core.run.options import EXECUTORS, RAY
from probing_core.run.scope import Scope
from probing_core.run.worker import Job, Worker, Written


class Executor(Protocol):
    """Holds models and does jobs with them."""

    def load(self, request: str) -> list[dict[str, Any]] | None:
        """Do what `Worker.load` does."""

    def unload(self) -> None:
        """Close the models, so that their memory is free."""

    def work(self, units: Sequence[Sequence[Job]]) -> Iterator[Written]:
        """Do the jobs, each element being those of one unit; yield what was written for each, in any order."""


class LocalExecutor:
    """One worker, in this process."""

    def __init__(self, worker: Worker) -> None:
        self.load, self.unload = worker.load, worker.unload
        self._worker = worker

    def work(self, units: Sequence[Sequence[Job]]) -> Iterator[Written]:
        for jobs, upcoming in zip(units, [*units[1:], ()], strict=False):
            yield self._worker.work(jobs, upcoming)


@contextmanager
def opened_executor(scope: Scope) -> Iterator[Executor]:
    """Open the executor that the options ask for, with no model loaded yet.

    Args:
        scope: of a run whose images are chosen.

    Raises:
        ProbingError: it is not installed, the cluster does not answer, or the corpus has changed.
    """
    options, recipe, corpus = scope.options, scope.recipe, scope.corpora.own
    if options.executor not in EXECUTORS:
        raise BadConfig(f"There is no executor '{options.executor}'. There are: {', '.join(EXECUTORS)}.")
    if options.address is not None and options.executor != RAY:
        raise BadConfig("--address names a Ray cluster; give --executor ray with it.")
    if options.executor == RAY:
        from probing_core.run.executors.ray_executor import opened_ray

        with opened_ray(scope) as executor:
            yield executor
        return
    planned = scope.images, scope.sample_sets
    with picture_pool(sum(map(len, scope.sample_sets.values())), options.jobs) as makers:
        worker = Worker(scope.files.root, recipe, corpus, *planned, options.device, options.precision, makers)
        try:
            yield LocalExecutor(worker)
        finally:
            worker.close()
