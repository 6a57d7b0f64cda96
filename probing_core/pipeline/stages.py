"""The stages of a run in order: embed -> train -> evaluate -> project. Each does only what is missing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from probing_core.corpora.base import Corpus
from probing_core.embedders import download_summary
from probing_core.errors import BadConfig, BadRun, DamagedFile
from probing_core.pipeline.batches import everything_embedded
from probing_core.pipeline.embed import embed
from probing_core.pipeline.setup import (
    cleared_on_error,
    find_probe_source,
    open_calibrating,
    open_or_start,
    open_same_corpus,
    refuse_other_folder,
)
from probing_core.runs.last_options import note_options
from probing_core.runs.layout import RECIPE, UNITS
from probing_core.runs.options import DEFAULTS, Options
from probing_core.runs.progress import SILENT, Progress
from probing_core.runs.recipe import Recipe
from probing_core.runs.store import Store
from probing_core.runs.threads import threads

STAGES = ("embed", "train", "evaluate", "project")


def run(
    out: Path,
    options: Options = DEFAULTS,
    stages: Sequence[str] = STAGES,
    progress: Progress = SILENT,
) -> None:
    """Makes, or completes, the run in ``out``.

    Raises:
        ProbingError: bad input, or a run that another recipe made.
    """
    store = Store(out)
    if not store.has(RECIPE) and "embed" not in stages:
        raise BadRun(f"'{out}' is not a run yet; `probing run --out {out}` makes one.")
    with _opened(store, options, progress) as (recipe, corpus):
        mended: set[str] = set()
        while True:
            try:
                for stage in stages:
                    _stage(stage, store, recipe, corpus, options, progress)
                    store.fold()
                return
            except DamagedFile as error:
                if error.name in mended or error.name == RECIPE:
                    raise
                mended.add(error.name)
                store.remove(error.name)
                progress.note(f"'{error.name}' was damaged, and is made again.")
                stages = STAGES[: STAGES.index(stages[-1]) + 1]  # it may be of an earlier one


def export(source: Path, out: Path, options: Options = DEFAULTS, progress: Progress = SILENT) -> int:
    """Writes the transformed images of the run ``source``, begun if there is none, and their list into ``out``.

    Returns:
        How many images the list holds.

    Raises:
        ProbingError: bad input, a run that another recipe made, or a folder that holds something else.
    """
    from probing_core.pipeline.export_images import write_export

    store = Store(source)
    with _opened(store, options, progress) as (recipe, corpus):
        return write_export(store, recipe, corpus or open_same_corpus(recipe), out, progress)


@contextmanager
def _opened(store: Store, options: Options, progress: Progress) -> Iterator[tuple[Recipe, Corpus | None]]:
    """The recipe of a run that is held for writing, and the corpus where it had to be opened for a new run."""
    refuse_other_folder(store)
    with store.locked():
        new = not store.has(RECIPE)
        recipe, corpus = open_or_start(store, options)
        progress.note("" if corpus is None else corpus.skipped_summary)
        with threads(recipe.threads), cleared_on_error(store, new):
            yield recipe, corpus


def _stage(
    stage: str, store: Store, recipe: Recipe, corpus: Corpus | None, options: Options, progress: Progress
) -> None:
    if stage == "embed":
        if not everything_embedded(store, recipe):
            corpus = corpus or open_same_corpus(recipe)
            source = find_probe_source(recipe, options)
            progress.note(download_summary(recipe.models))
            note_options(store.root, options)
            embed(store, recipe, corpus, progress, options, source)
        store.remove(*store.names(UNITS))  # left by a kill while they were removed: their tables are there
        shutil.rmtree(store.path(UNITS), ignore_errors=True)  # what a worker wrote that outlived a killed driver
    elif stage == "train":
        from probing_core.pipeline.train import train

        if not everything_embedded(store, recipe):
            raise BadRun(
                f"The run '{store.root}' lacks embeddings that its probes learn from; "
                f"`probing embed --run {store.root}` makes them."
            )
        source = find_probe_source(recipe, options)
        train(store, recipe, progress, source)
        _verdicts(store, recipe, corpus, options, source, progress)
    elif stage == "evaluate":
        from probing_core.pipeline.claims import judge
        from probing_core.pipeline.evaluate import evaluate
        from probing_core.pipeline.studies import study

        evaluate(store, recipe, progress)
        study(store, recipe, progress)
        judge(store, recipe)
    elif stage == "project":
        from probing_core.pipeline.maps import project

        project(store, recipe, options.maps, progress)
    else:
        raise BadConfig(f"There is no stage '{stage}'. There are: {', '.join(STAGES)}.")


def _verdicts(
    store: Store,
    recipe: Recipe,
    corpus: Corpus | None,
    options: Options,
    source: Store | None,
    progress: Progress,
) -> None:
    from probing_core.pipeline.verdicts import adopt_verdicts, is_complete, make_verdicts

    if source is not None:
        adopt_verdicts(store, source)
    elif recipe.calibrate_on and not is_complete(store, recipe):
        corpora = [corpus or open_same_corpus(recipe), *open_calibrating(recipe)]
        make_verdicts(store, recipe, corpora, options.device, options.precision, progress)
