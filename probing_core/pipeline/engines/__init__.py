"""Engines work off the jobs of a run: in this process, or on the workers of a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import pandas as pd

from probing_core.corpora.base import Corpus
from probing_core.errors import BadConfig
from probing_core.pipeline.worker import Job, Worker, Written
from probing_core.runs.options import ENGINES, RAY, Options
from probing_core.runs.recipe import Recipe
from probing_core.runs.store import Store


class Engine(Protocol):
    """Holds models and does jobs with them."""

    def load(self, request: str) -> list[dict[str, Any]] | None:
        """Do what `Worker.load` does."""

    def unload(self) -> None:
        """Close the models, so that their memory is free."""

    def work(self, units: Sequence[Sequence[Job]]) -> Iterator[tuple[Sequence[Job], Written]]:
        """Do the jobs, each element being those of one unit; yield what was done and written, in any order."""

    def embed_crops(self, jobs: Sequence[Job], key: str) -> Written:
        """Do what `Worker.embed_crops` does."""


class LocalEngine:
    """One worker, in this process."""

    def __init__(self, worker: Worker) -> None:
        self.load, self.unload, self.embed_crops = worker.load, worker.unload, worker.embed_crops
        self._worker = worker

    def work(self, units: Sequence[Sequence[Job]]) -> Iterator[tuple[Sequence[Job], Written]]:
        for jobs, upcoming in zip(units, [*units[1:], ()], strict=False):
            yield jobs, self._worker.work(jobs, upcoming)


@contextmanager
def opened_engine(
    store: Store, recipe: Recipe, corpus: Corpus, images: pd.DataFrame, options: Options
) -> Iterator[Engine]:
    """Open the engine that the options ask for, with no model loaded yet.

    Raises:
        ProbingError: it is not installed, or the cluster does not answer.
    """
    if options.engine not in ENGINES:
        raise BadConfig(f"There is no engine '{options.engine}'. There are: {', '.join(ENGINES)}.")
    if options.address is not None and options.engine != RAY:
        raise BadConfig("--address names a Ray cluster; give --engine ray with it.")
    if options.engine == RAY:
        from probing_core.pipeline.engines.ray_engine import opened_ray

        with opened_ray(store, recipe, options) as engine:
            yield engine
        return
    worker = Worker(store.root, recipe, corpus, images, options.device, options.precision, recipe.threads)
    try:
        yield LocalEngine(worker)
    finally:
        worker.close()
