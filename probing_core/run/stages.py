"""The stages of a run, in order: embed, train, evaluate, project.

Each stage materializes its missing and stale assets (see `probing_core.run.definitions`).
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from probing_core.compute.runtime.parallel import threads
from probing_core.corpora.corpus import Corpus
from probing_core.errors import BadConfig, BadRun
from probing_core.models import download_summary
from probing_core.run.assets import AssetGraph, Partition
from probing_core.run.definitions import GRAPH
from probing_core.run.embed import embed, to_load
from probing_core.run.engine import COMPLETE, Plan
from probing_core.run.layout import IMAGES, RECIPE, UNITS
from probing_core.run.options import DEFAULTS, EMBED, EVALUATE, PROJECT, STAGES, TRAIN, Options, note_options
from probing_core.run.progress import LOADING, SILENT, Progress
from probing_core.run.recipe import Recipe, write_recipe
from probing_core.run.remaining_steps import by_name, foreseen, steps_left
from probing_core.run.setup import Corpora, cleared_on_error, open_or_start, refuse_other_folder
from probing_core.run.snapshot import RunSnapshot
from probing_core.run.store import Store, note_completed


def run(
    out: Path,
    options: Options = DEFAULTS,
    stages: Sequence[str] = STAGES,
    progress: Progress = SILENT,
    graph: AssetGraph = GRAPH,
) -> None:
    """Start or complete the run in ``out``.

    Raises:
        ProbingError: the input is invalid, or the run has a different recipe.
    """
    if unknown := [stage for stage in stages if stage not in STAGES]:
        raise BadConfig(f"'{unknown[0]}' is not a known stage. Available stages: {', '.join(STAGES)}.")
    store = Store(out)
    if not store.has(RECIPE) and EMBED not in stages:
        raise BadRun(f"'{out}' is not a run yet. Start the run first.", hint=f"Run `probing run --out {out}`.")
    refuse_other_folder(store)
    with store.locked(), cleared_on_error(store, new=not store.has(RECIPE)):
        if RECIPE in store.lost:
            raise BadRun(f"'{RECIPE}' {store.lost[RECIPE]}. It cannot be recomputed.")
        recipe, corpora = open_or_start(store, options)
        progress.note(corpora.skipped_summary)
        _complete(RunSnapshot(store, recipe, options, progress, corpora), stages, graph)


def materialize(
    store: Store,
    recipe: Recipe,
    corpus: Corpus,
    graph: AssetGraph,
    options: Options = DEFAULTS,
    progress: Progress = SILENT,
) -> None:
    """Materialize the assets of ``graph`` in a run with an open corpus. Write ``recipe`` if the run has no recipe.

    Raises:
        ProbingError: an asset cannot be computed.
    """
    with store.locked():
        if not store.has(RECIPE):
            write_recipe(store, recipe)
        _complete(RunSnapshot(store, recipe, options, progress, Corpora(recipe, corpus)), STAGES, graph)


def _complete(snapshot: RunSnapshot, stages: Sequence[str], graph: AssetGraph) -> None:
    """Materialize missing and stale assets of ``stages``. The run must be locked for writing.

    Raises:
        ProbingError: an asset cannot be computed, or a corrupted file cannot be repaired.
    """
    store = snapshot.store
    before = store.state()
    for name in store.lost:
        snapshot.progress.note(f"'{name}' is corrupted. It will be recomputed if possible.")
    with threads(snapshot.recipe.threads):
        plan = snapshot.plan(graph)
        if EMBED in stages and _is_missing_embeddings(plan):
            note_options(store.root, snapshot.options)
            if plan.pending([plan.partitions[IMAGES]]):
                plan.materialize([plan.partitions[IMAGES]])
                plan = snapshot.reloaded().plan(graph)
        _expect(plan, stages)
        if EMBED in stages:
            plan = _materialize_embeddings(plan)
        if TRAIN in stages and _is_missing_embeddings(plan):
            raise BadRun(
                f"The run '{store.root}' has no embeddings to train probes on. Compute them first.",
                hint=f"Run `probing run --out {store.root}`.",
            )
        for stage in STAGES[1:]:
            if stage in stages:
                _materialize(plan, stage)
    _require_repaired(plan, stages)
    if store.state() != before:
        note_completed(store.root)


def _expect(plan: Plan, stages: Sequence[str]) -> None:
    steps = steps_left(foreseen(plan)) if plan.snapshot.sample_sets else []
    plan.snapshot.progress.expect(by_name([step for step in steps if step.stage in {*stages, LOADING}]))


def _require_repaired(plan: Plan, stages: Sequence[str]) -> None:
    """Check that corrupted files of ``stages`` were recomputed, and remove corrupted files that are not needed anymore.

    Raises:
        BadRun: a corrupted file could not be recomputed.
    """
    sentences = []
    for name in plan.store.lost:
        partition = plan.find(name)
        if partition is None or partition.asset.stage not in stages:
            continue
        if plan.state(partition) in COMPLETE:
            plan.store.remove(name)
            continue
        missing = next((f"'{each}'" for each in partition.dependencies if plan.is_unavailable(each)), "a dependency")
        sentences.append(f"'{name}' is corrupted and cannot be recomputed, because {missing} is missing.")
    if sentences:
        raise BadRun(" ".join(sentences))


def _materialize(plan: Plan, stage: str) -> None:
    progress, partitions = plan.snapshot.progress, plan.select(stage)
    positions = {partition.path: position for position, partition in enumerate(plan.pending(partitions))}

    def report(partition: Partition) -> None:
        message = partition.asset.message.format(**partition.key)
        progress.update(stage, positions.get(partition.path, 0), len(positions), message, partition.path)

    plan.materialize(partitions, report)
    progress.update(stage, max(1, len(positions)), max(1, len(positions)), COMPLETED_MESSAGES[stage])
    plan.store.fold()


COMPLETED_MESSAGES = {TRAIN: "Training probes", EVALUATE: "Scoring", PROJECT: "Computing maps"}
"""Stage -> final progress message of the stage."""


def plan_of(store: Store, recipe: Recipe) -> Plan:
    return RunSnapshot(store, recipe).plan(GRAPH)


def _is_missing_embeddings(plan: Plan) -> bool:
    return bool(plan.snapshot.unloaded or plan.pending(plan.select(EMBED)))


def _outdated_samples(plan: Plan) -> str:
    """Return a warning if the samples of a copied run were computed with different code, or an empty string."""
    outdated = [
        partition.path for partition in plan.select(EMBED) if not partition.is_folder and plan.is_outdated(partition)
    ]
    if not outdated:
        return ""
    return (
        f"'{outdated[0]}' was computed with a different version of the code. Added models are embedded with the "
        f"current version. This difference may affect their scores."
    )


def _materialize_embeddings(plan: Plan) -> Plan:
    """Materialize missing assets of the ``embed`` stage, and return a plan that includes all loaded models."""
    store = plan.store
    if _is_missing_embeddings(plan):
        plan.snapshot.progress.note(download_summary(to_load(plan)))
        plan.snapshot.progress.note(_outdated_samples(plan))
        plan = embed(plan)
    plan.clean()
    if not store.names(UNITS):
        shutil.rmtree(store.root / UNITS, ignore_errors=True)  # may remain from a worker whose driver was killed
    store.fold()
    return plan
