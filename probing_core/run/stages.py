"""The stages of a run in order: embed -> train -> evaluate -> project. Each makes what is missing of its files,
which the table of `probing_core.run.graph` lists."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from probing_core.compute.parallel import threads
from probing_core.corpora.base import Corpus
from probing_core.errors import BadConfig, BadRun
from probing_core.models import download_summary
from probing_core.run.embed import embed, to_load
from probing_core.run.engine import COMPLETE, Artifact, Plan, Table
from probing_core.run.estimate import by_name, foreseen, steps_left
from probing_core.run.graph import TABLE, build
from probing_core.run.layout import IMAGES, RECIPE, UNITS
from probing_core.run.options import DEFAULTS, EMBED, EVALUATE, PROJECT, STAGES, TRAIN, Options, note_options
from probing_core.run.progress import LOADING, SILENT, Progress
from probing_core.run.recipe import Recipe, write_recipe
from probing_core.run.scope import Scope
from probing_core.run.setup import Corpora, cleared_on_error, open_or_start, refuse_other_folder
from probing_core.run.store import Store, note_completed


def run(
    out: Path,
    options: Options = DEFAULTS,
    stages: Sequence[str] = STAGES,
    progress: Progress = SILENT,
) -> None:
    """Make, or complete, the run in ``out``.

    Raises:
        ProbingError: bad input, or a run that another recipe made.
    """
    if unknown := [stage for stage in stages if stage not in STAGES]:
        raise BadConfig(f"There is no stage '{unknown[0]}'. There are: {', '.join(STAGES)}.")
    store = Store(out)
    if not store.has(RECIPE) and EMBED not in stages:
        raise BadRun(f"'{out}' is not a run yet; `probing run --out {out}` makes one.")
    refuse_other_folder(store)
    with store.locked(), cleared_on_error(store, new=RECIPE not in store.own_names()):
        if RECIPE in store.lost:
            raise BadRun(f"'{RECIPE}' of the run {store.lost[RECIPE]}: it cannot be made again from anything else.")
        recipe, corpora = open_or_start(store, options)
        progress.note(corpora.skipped_summary)
        _complete(Scope(store, recipe, options, progress, corpora), stages)


def make_files(
    store: Store,
    recipe: Recipe,
    corpus: Corpus,
    table: Table,
    options: Options = DEFAULTS,
    progress: Progress = SILENT,
) -> None:
    """Make the files of ``table``, in a run that no command began; ``recipe`` is written where there is none.

    Raises:
        ProbingError: bad input.
    """
    with store.locked():
        if not store.has(RECIPE):
            write_recipe(store, recipe)
        _complete(Scope(store, recipe, options, progress, Corpora(recipe, corpus)), STAGES, table)


def _complete(scope: Scope, stages: Sequence[str], table: Table = TABLE) -> None:
    """Make what is missing of some stages of a run that is locked for writing.

    Raises:
        ProbingError: something cannot be made, or a damaged file not be made again.
    """
    store = scope.files
    before = store.state()
    for name in store.lost:
        scope.progress.note(f"'{name}' is damaged, and is made again where that can be done here.")
    with threads(scope.recipe.threads):
        plan = build(scope, table)
        if EMBED in stages and _lacks_embeddings(plan):
            note_options(store.root, scope.options)
            if plan.left([plan.artifacts[IMAGES]]):
                plan.make([plan.artifacts[IMAGES]])
                plan = build(scope.again(), table)
        _expect(plan, stages)
        if EMBED in stages:
            plan = _make_embeddings(plan)
        if TRAIN in stages and _lacks_embeddings(plan):
            raise BadRun(
                f"The run '{store.root}' lacks embeddings that its probes learn from; "
                f"`probing run --out {store.root}` makes them."
            )
        for stage in STAGES[1:]:
            if stage in stages:
                _make(plan, stage)
    _require_mended(plan, stages)
    if store.state() != before:
        note_completed(store.root)


def _expect(plan: Plan, stages: Sequence[str]) -> None:
    steps = steps_left(foreseen(plan)) if plan.scope.sample_sets else []
    plan.scope.progress.expect(by_name([step for step in steps if step.stage in {*stages, LOADING}]))


def _require_mended(plan: Plan, stages: Sequence[str]) -> None:
    """Raise `BadRun` where a damaged file of ``stages`` was not made again; remove those that others have replaced."""
    sentences = []
    for name in plan.files.lost:
        artifact = plan.holding(name)
        if artifact is None or artifact.row.stage not in stages:
            continue
        if plan.state(artifact) in COMPLETE:
            plan.files.remove(name)
            continue
        gone = next(filter(plan.cannot_be_read, artifact.reads), "what it is made from")
        sentences.append(f"'{name}' is damaged and stays as it is, since it cannot be made here: '{gone}' is not here.")
    if sentences:
        raise BadRun(" ".join(sentences))


def _make(plan: Plan, stage: str) -> None:
    progress, artifacts = plan.scope.progress, plan.select(stage)
    places = {artifact.path: place for place, artifact in enumerate(plan.left(artifacts))}

    def report(artifact: Artifact) -> None:
        doing = artifact.row.doing.format(**artifact.binding)
        progress.update(stage, places.get(artifact.path, 0), len(places), doing, artifact.path)

    plan.make(artifacts, report)
    progress.update(stage, max(1, len(places)), max(1, len(places)), SAID[stage])
    plan.files.fold()


SAID = {TRAIN: "Training probes", EVALUATE: "Scoring", PROJECT: "Drawing maps"}
"""Message when a stage is done."""


def plan_of(store: Store, recipe: Recipe) -> Plan:
    return build(Scope(store, recipe))


def _lacks_embeddings(plan: Plan) -> bool:
    return bool(plan.scope.unloaded or plan.left(plan.select(EMBED)))


def _make_embeddings(plan: Plan) -> Plan:
    """Make what is missing of the stage ``embed``; return the plan with the models that were loaded."""
    store, scope = plan.files, plan.scope
    if _lacks_embeddings(plan):
        scope.progress.note(download_summary(to_load(plan)))
        plan = embed(plan)
    plan.clean()
    if not store.names(UNITS):
        shutil.rmtree(store.root / UNITS, ignore_errors=True)  # written by a worker that outlived a killed driver
    store.fold()
    return plan
