"""Corpus x transforms x models -> embeddings, in resumable units.

Missing units are a list of jobs, which an executor does in any order with the same bytes at the end: in this process,
or on the workers of a Ray cluster. Pictures stream: a transformed one is made once for all models that need it; its
measured columns (strength, distances) are written with the first of them. Memory holds two units and the models,
whatever the size of the corpus.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from probing_core.compute.parallel import picture_pool
from probing_core.errors import BadConfig, ModelUnavailable
from probing_core.run.engine import Plan
from probing_core.run.graph import with_models
from probing_core.run.layout import model_path
from probing_core.run.models import require_joined
from probing_core.run.options import EMBED, EXECUTORS, RAY
from probing_core.run.scope import Scope
from probing_core.run.setup import withdrawn_on_error
from probing_core.run.store import digest
from probing_core.run.worker import Job, Worker, Written

Entries = Sequence[dict[str, Any]]


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
                plan = with_models(plan)
            plan.means.executor, plan.means.requests = executor, requests
            wanted = [one for one in plan.select(EMBED) if one.binding.get("model") in {None, *requests}]
            plan.make([one for one in wanted if one.row.units is not None], lambda artifact, done, total: None)
            executor.unload()
            waiting = waiting[len(loaded) :]
            if not waiting:
                return plan


def _load_some(executor: Executor, plan: Plan, requests: Sequence[str]) -> Iterator[Entries]:
    """Load models until memory runs short, at least one; yield what describes the layers of each.

    Raises:
        ModelUnavailable: the device's memory does not hold the first of them.
    """
    scope, files = plan.scope, plan.files
    for done, request in enumerate(requests):
        scope.progress.update("load", done, len(requests), f"Loading {request}")
        with withdrawn_on_error(files, scope.recipe, request):
            entries = executor.load(request)
        if entries is None and done:
            return  # it is loaded after those before it have been embedded and closed
        if entries is None:
            raise ModelUnavailable(
                f"'{request}' does not fit into the memory of the device '{scope.options.device}'; "
                f"choose a smaller model, another --precision, or --device cpu."
            )
        with withdrawn_on_error(files, scope.recipe, request):
            for entry in entries:
                _enter_model(plan, entry)
        yield entries


def _enter_model(plan: Plan, entry: dict[str, Any]) -> None:
    joined = plan.scope.entries.get(entry["name"])
    if joined is not None:
        require_joined(entry, joined)
    else:
        plan.files.write_toml(model_path(entry["name"]), entry, digest(entry["recipe"]))


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
        from probing_core.run.ray_workers import opened_ray

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
