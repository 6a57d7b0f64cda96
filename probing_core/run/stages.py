"""The stages of a run in order: embed -> train -> evaluate -> project. Each makes what is missing of its files.

Which these are, and what each is made from, is the table of `probing_core.run.graph`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from probing_core.compute.threads import threads
from probing_core.corpora.base import Corpus
from probing_core.errors import BadConfig, BadRun, DamagedFile, ProbingError
from probing_core.models import download_summary
from probing_core.run.embed import embed
from probing_core.run.engine import COMPLETE, Artifact, Plan, Table
from probing_core.run.graph import TABLE, build
from probing_core.run.last_options import note_options
from probing_core.run.layout import IMAGES, RECIPE, UNITS, is_piece
from probing_core.run.options import DEFAULTS, EMBED, EVALUATE, PROJECT, STAGES, TRAIN, Options
from probing_core.run.probe_source import ProbeSource, find_probe_source, require_probe_source
from probing_core.run.progress import SILENT, Progress
from probing_core.run.recipe import Recipe, write_recipe
from probing_core.run.scope import Scope
from probing_core.run.setup import Corpora, cleared_on_error, open_or_start, refuse_other_folder
from probing_core.run.store import COMPLETED, Store, note_event
from probing_core.run.wanted import Wanted


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
    with opened(store, options, progress) as planned:
        complete(store, progress, planned, Wanted(tuple(stages)))


def make_files(
    store: Store,
    recipe: Recipe,
    corpus: Corpus,
    table: Table,
    options: Options = DEFAULTS,
    progress: Progress = SILENT,
) -> None:
    """Make what ``table`` has, of a run that no command began.

    Args:
        store: where it goes.
        recipe: of the run; written where there is none.

    Raises:
        ProbingError: bad input.
    """
    with store.locked(), threads(recipe.threads):
        store.remove(*store.damaged())  # nobody verifies and repairs what no command made
        if not store.has(RECIPE):
            write_recipe(store, recipe)
        planned = _planner(store, recipe, options, progress, Corpora(recipe, corpus), find_probe_source(recipe), table)
        complete(store, progress, planned, Wanted(STAGES))


@contextmanager
def opened(store: Store, options: Options, progress: Progress) -> Iterator[Callable[[], Plan]]:
    """Yield what returns the plan of a run as its files are then; the run is held for writing."""
    refuse_other_folder(store)
    with store.locked(), cleared_on_error(store, new=RECIPE not in store.own_names()):
        recipe, corpora, source = open_or_start(store, options)
        progress.note(corpora.skipped_summary)
        with threads(recipe.threads):
            yield _planner(store, recipe, options, progress, corpora, source)


def complete(store: Store, progress: Progress, planned: Callable[[], Plan], wanted: Wanted) -> None:
    """Make what is wanted and missing; a file that turns out to be damaged, of whatever stage, is made again.

    Damaged files are set aside: one that cannot be made here stays as it is, for whoever can.

    Args:
        planned: see `opened`.

    Raises:
        ProbingError: something cannot be made, or a damaged file not be made again.
    """
    before = store.state()
    try:
        _make_and_mend(store, progress, planned, wanted)
    except ProbingError as error:
        if store.aside:
            error.args = (
                f"{error} What is damaged stays as it is until it can be made again: {_listed(store.aside)}.",
            )
        raise
    if store.aside and (told := list(_unmended(planned()))):
        raise BadRun(" ".join(told))
    if store.state() != before:
        note_event(store.root, event=COMPLETED)


def _make_and_mend(store: Store, progress: Progress, planned: Callable[[], Plan], wanted: Wanted) -> None:
    mended: set[str] = set()
    while True:
        try:
            return _make_stages(planned, wanted)
        except DamagedFile as error:
            if error.name in mended or error.name == RECIPE:
                raise
            mended.add(error.name)
            set_aside(store, [error.name])
            progress.note(f"'{error.name}' was damaged, and is made again.")
            wanted = replace(wanted, files=wanted.files | {error.name})


def set_aside(store: Store, damaged: Iterable[str]) -> None:
    """Have damaged files count as missing; pieces of what is not complete, which need not stay, are removed."""
    for name in damaged:
        store.remove(name) if is_piece(name) else store.set_aside(name)


def _unmended(plan: Plan) -> Iterator[str]:
    """Yield one sentence for each damaged file that was not made again; remove those that others stand for now."""
    for name in plan.files.aside:
        found = plan.holding(name)
        if found is not None and plan.state(found) in COMPLETE:
            plan.files.remove(name)
        else:
            yield f"'{name}' is damaged and stays as it is, since it cannot be made here: {_why_not(plan, found)}."


def _why_not(plan: Plan, artifact: Artifact | None) -> str:
    """Return why ``artifact`` cannot be made here."""
    if plan.scope.recipe.probes_from and plan.source is None:
        return "the run that its probes are from is elsewhere"
    if artifact is None:
        return "no row of the table of runs makes it"
    gone = next(filter(plan.cannot_be_read, artifact.reads), "")
    return f"'{gone}' is not here" if gone else "what it is made from is not here"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _make_stages(planned: Callable[[], Plan], wanted: Wanted) -> None:
    """Make what is wanted and missing, stage by stage; see `complete`."""
    plan = planned()
    if EMBED in wanted.stages or wanted.files:
        plan = _make_embeddings(plan, planned, wanted)
    if TRAIN in wanted.stages and _lacks_embeddings(plan):
        raise BadRun(
            f"The run '{plan.files.root}' lacks embeddings that its probes learn from; "
            f"`probing run --out {plan.files.root}` makes them."
        )
    for stage in STAGES[1:]:
        artifacts = list(wanted.artifacts(plan, stage).values())
        if stage == TRAIN and any(plan.state(one) not in COMPLETE for one in artifacts):
            require_probe_source(plan.scope.recipe, plan.scope.source)
        if stage in wanted.stages or plan.left(artifacts):
            _make(plan, stage, artifacts)


def _make(plan: Plan, stage: str, artifacts: Sequence[Artifact]) -> None:
    """Make what is missing of a stage behind ``embed``."""
    progress = plan.scope.progress

    def report(artifact: Artifact, done: int, total: int) -> None:
        progress.update(stage, done, total, artifact.row.doing.format(**artifact.binding))

    plan.make(artifacts, report)
    progress.update(stage, len(artifacts), len(artifacts), SAID[stage])
    plan.files.fold()


SAID = {TRAIN: "Training probes", EVALUATE: "Scoring", PROJECT: "Drawing maps"}
"""What is said of a stage when it is done."""


def plan_of(store: Store, recipe: Recipe) -> Plan:
    """Return the plan of a run; where the run is not here whose probes are used, without it."""
    return build(Scope(store, recipe, source=find_probe_source(recipe)), TABLE)


def _planner(
    store: Store,
    recipe: Recipe,
    options: Options,
    progress: Progress,
    corpora: Corpora,
    source: ProbeSource | None,
    table: Table = TABLE,
) -> Callable[[], Plan]:
    """Return what returns the plan of a run as its files are then.

    Args:
        table: what the run can hold.
    """
    return lambda: build(Scope(store, recipe, options, progress, corpora, source), table)


def _with_images(plan: Plan, planned: Callable[[], Plan]) -> Plan:
    """Return the plan of a run whose images are chosen; where they are not, they are, and it is planned anew."""
    if not plan.left([plan.artifacts[IMAGES]]):
        return plan
    plan.make([plan.artifacts[IMAGES]], lambda artifact, done, total: None)
    return planned()


def _lacks_embeddings(plan: Plan) -> bool:
    return bool(plan.scope.unloaded or plan.left(plan.select(EMBED)))


def _make_embeddings(plan: Plan, planned: Callable[[], Plan], wanted: Wanted) -> Plan:
    """Make what is wanted and missing of the stage ``embed``.

    Returns:
        The plan of the run, with the models that were loaded.
    """
    if wanted.embeds(plan):
        note_options(plan.files.root, plan.scope.options)
    if IMAGES in wanted.artifacts(plan, EMBED):
        plan = _with_images(plan, planned)
    store, scope = plan.files, plan.scope
    if wanted.embeds(plan):
        require_probe_source(scope.recipe, scope.source)
        scope.progress.note(download_summary(wanted.requests(plan)))
        plan = embed(plan, wanted)
    if not _lacks_embeddings(plan):
        store.remove(*store.names(UNITS))  # left by a kill while they were removed: their tables are there
        shutil.rmtree(store.root / UNITS, ignore_errors=True)  # what a worker wrote that outlived a killed driver
    store.fold()
    return plan
