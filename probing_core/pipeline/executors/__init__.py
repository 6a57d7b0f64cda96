"""Executors work off the jobs of a run: in this process, or on the workers of a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import pandas as pd

from probing_core.corpora.base import Corpus
from probing_core.errors import BadConfig
from probing_core.pipeline.worker import Job, Worker, Written
from probing_core.runs.options import EXECUTORS, RAY, Options
from probing_core.runs.recipe import Recipe
from probing_core.runs.store import Store


class Executor(Protocol):
    """Holds models and does jobs with them."""

    def load(self, request: str) -> list[dict[str, Any]] | None:
        """Do what `Worker.load` does."""

    def unload(self) -> None:
        """Close the models, so that their memory is free."""

    def work(self, units: Sequence[Sequence[Job]]) -> Iterator[tuple[Sequence[Job], Written]]:
        """Do the jobs, each element being those of one unit; yield what was done and written, in any order."""

    def embed_crops(self, jobs: Sequence[Job], key: str) -> Written:
        """Do what `Worker.embed_crops` does."""


class LocalExecutor:
    """One worker, in this process."""

    def __init__(self, worker: Worker) -> None:
        self.load, self.unload, self.embed_crops = worker.load, worker.unload, worker.embed_crops
        self._worker = worker

    def work(self, units: Sequence[Sequence[Job]]) -> Iterator[tuple[Sequence[Job], Written]]:
        for jobs, upcoming in zip(units, [*units[1:], ()], strict=False):
            yield jobs, self._worker.work(jobs, upcoming)


@contextmanager
def opened_executor(
    store: Store, recipe: Recipe, corpus: Corpus, images: pd.DataFrame, options: Options
) -> Iterator[Executor]:
    """Open the executor that the options ask for, with no model loaded yet.

    Raises:
        ProbingError: it is not installed, or the cluster does not answer.
    """
    if options.executor not in EXECUTORS:
        raise BadConfig(f"There is no executor '{options.executor}'. There are: {', '.join(EXECUTORS)}.")
    if options.address is not None and options.executor != RAY:
        raise BadConfig("--address names a Ray cluster; give --executor ray with it.")
    if options.executor == RAY:
        from probing_core.pipeline.executors.ray_executor import opened_ray

        with opened_ray(store, recipe, options) as executor:
            yield executor
        return
    worker = Worker(store.root, recipe, corpus, images, options.device, options.precision, recipe.threads)
    try:
        yield LocalExecutor(worker)
    finally:
        worker.close()
