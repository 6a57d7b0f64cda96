"""Corpus x transforms x models -> embeddings, in resumable units.

What is missing is a list of jobs, and an executor works it off, in any order, with the same bytes at the end. Pictures
stream: a transformed one is made once for all models that need it; its measured rows (strength, distances) are
written with the first of them. Memory holds two units and the models, whatever the size of the corpus.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from probing_core.errors import ModelUnavailable
from probing_core.run.engine import Artifact, Plan, State
from probing_core.run.executors import Executor, opened_executor
from probing_core.run.graph import with_models
from probing_core.run.layout import CROPS, crops_path, embeddings_folder, model_path, unit_rows_folder
from probing_core.run.models import require_joined
from probing_core.run.options import EMBED
from probing_core.run.sample_sets import SampleSet
from probing_core.run.setup import withdrawn_on_error
from probing_core.run.shards import Shards
from probing_core.run.store import digest
from probing_core.run.worker import Job

Entries = Sequence[dict[str, Any]]
"""Contents of ``model.toml``."""


def embed(plan: Plan) -> Plan:
    """Make what is missing of the tables of samples and of the models' embeddings.

    Returns:
        The plan, with the models that were loaded for the first time.
    """
    scope, files, waiting = plan.scope, plan.files, to_load(plan)
    with opened_executor(scope) as executor:
        while waiting:
            loaded = list(_load_some(executor, plan, waiting))
            entries = [entry for of_one in loaded for entry in of_one]
            if any(entry["name"] not in plan.scope.entries for entry in entries):
                plan = with_models(plan)
            for sample_set in plan.scope.sample_sets.values():
                _embed_units(plan, sample_set, entries, executor)
            _embed_crops(plan, entries, executor)
            executor.unload()
            waiting = waiting[len(loaded) :]
        for sample_set in plan.scope.sample_sets.values():
            if sample_set.table in plan.artifacts:
                _embed_units(plan, sample_set, [], executor)  # their rows, where no model was to be embedded
                _gather_rows(plan, plan.artifacts[sample_set.table], sample_set)
        _embed_crops(plan, [], executor)
    files.fold()
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
            return  # its turn comes when those before it have been embedded and closed
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
    """Write the ``model.toml`` of one layer.

    Raises:
        BadRun: the model is not the one that joined the run.
    """
    joined = plan.scope.entries.get(entry["name"])
    if joined is not None:
        require_joined(entry, joined)
    else:
        plan.files.write_toml(model_path(entry["name"]), entry, digest(entry["recipe"]))


def to_load(plan: Plan) -> list[str]:
    """Return the models of the recipe that are to be loaded."""
    scope = plan.scope
    left = {artifact.binding.get("model") for artifact in plan.left(plan.select(EMBED))}
    lacking = {entry["request"] for name, entry in scope.entries.items() if name in left} | set(scope.unloaded)
    return [request for request in scope.recipe.models if request in lacking]


def _embed_units(plan: Plan, sample_set: SampleSet, entries: Entries, executor: Executor) -> None:
    """Embed what ``entries`` lack of ``sample_set``, and make its rows where they are missing."""
    files, progress, shards, keys = plan.files, plan.scope.progress, dict[str, Shards](), dict[str, str]()
    for entry in entries:
        artifact = plan.artifacts.get(embeddings_folder(entry["name"], sample_set.series))
        if artifact is not None and plan.state(artifact) is not State.LEFT_OUT:
            keys[entry["name"]] = key = plan.ready_key(artifact)
            shards[entry["name"]] = Shards(
                files, entry["name"], sample_set.series, key, len(sample_set.units), plan.inputs(artifact)
            )
    requests = {entry["name"]: entry["request"] for entry in entries}
    missing = _units_without_rows(plan, plan.artifacts.get(sample_set.table), sample_set)
    for name, gathered in shards.items():
        missing += [Job(sample_set.series, unit, name, requests[name], keys[name]) for unit in gathered.missing]
    jobs: dict[int, list[Job]] = {}
    for job in missing:
        jobs.setdefault(job.unit, []).append(job)

    stage = sample_set.series or EMBED
    doing = f"Embedding the {sample_set.series} series" if sample_set.series else "Transforming and embedding"
    todo, total = [jobs[unit] for unit in sorted(jobs)], len(sample_set.units)
    if todo:
        progress.update(stage, total - len(todo), total, doing)
    for position, (done, written) in enumerate(executor.work(todo), 1):
        files.enter(written)
        for job in done:
            if job.model:
                shards[job.model].add(job.unit)
        progress.update(stage, total - len(todo) + position, total, doing)
    progress.update(stage, total, total, doing)


def _units_without_rows(plan: Plan, table: Artifact | None, sample_set: SampleSet) -> list[Job]:
    if table is None or not plan.left([table]):
        return []
    key = plan.ready_key(table)
    units = [unit.index for unit in sample_set.units if not plan.files.has(sample_set.rows_path(unit), key)]
    return [Job(sample_set.series, unit, "", "", key) for unit in units]


def _embed_crops(plan: Plan, entries: Entries, executor: Executor) -> None:
    """Embed the large pictures, of models that lack them; make their table where it is missing."""
    paths = {crops_path(entry["name"]): entry for entry in entries}
    left = plan.left([plan.artifacts[path] for path in (CROPS, *paths) if path in plan.artifacts])
    if not left:
        return
    plan.scope.progress.update("crops", 0, len(left), "Embedding large pictures, whole and as tiles")
    jobs = [
        Job("", 0, paths[one.path]["name"], paths[one.path]["request"], plan.ready_key(one))
        for one in left
        if one.path in paths
    ]
    table = plan.artifacts[CROPS]
    written = {name: (name, entry) for name, entry in executor.embed_crops(jobs, plan.ready_key(table))}
    for artifact in (table, *(one for one in left if one is not table)):
        plan.files.enter([written[artifact.path]], plan.inputs(artifact))


def _gather_rows(plan: Plan, table: Artifact, sample_set: SampleSet) -> None:
    """Make one table of the rows of all units."""
    if plan.left([table]):
        parts = [sample_set.rows_path(unit) for unit in sample_set.units]
        plan.files.join_tables(sample_set.table, parts, plan.ready_key(table), plan.inputs(table))
    plan.files.remove(*plan.files.names(unit_rows_folder(sample_set.series)))
