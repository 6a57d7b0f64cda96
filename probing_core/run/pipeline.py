"""A run from top to bottom: `run` starts or completes a run, and `steps` lists what it computes, in order.

Each function that is called here computes one or more steps (`probing_core.run.directory`). It does nothing if its
steps are complete, so a run that was interrupted is resumed by calling `run` again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from probing_core.compute.runtime.parallel import threads
from probing_core.compute.task_names import BY_EMBEDDING
from probing_core.errors import BadConfig, BadRun
from probing_core.run.calibrate import calibrate
from probing_core.run.directory import RunDirectory, note_completed
from probing_core.run.embed import embed, missing_steps, select_images
from probing_core.run.evaluate import (
    evaluate_quickly,
    join_fits,
    join_quick,
    join_scores,
    quick_models,
    score,
    test_claims,
)
from probing_core.run.layout import IMAGES, RECIPE, UNITS
from probing_core.run.options import DEFAULTS, EMBED, EVALUATE, PROJECT, STAGES, TRAIN, Options
from probing_core.run.pending import DryRun, dry, expected_steps
from probing_core.run.progress import SILENT, Progress
from probing_core.run.project import project
from probing_core.run.recipe import Recipe, write_recipe
from probing_core.run.setup import cleared_on_error, open_or_start, refuse_other_folder
from probing_core.run.studies import compute_studies, join_studies
from probing_core.run.train import TASKS, train
from probing_core.run.work import Work


def run(out: Path, options: Options = DEFAULTS, until: str = PROJECT, progress: Progress = SILENT) -> None:
    """Start or complete the run in ``out``.

    Args:
        until: last stage that is computed.

    Raises:
        ProbingError: the input is invalid, or the run has a different recipe.
    """
    if until not in STAGES:
        raise BadConfig(f"'{until}' is not a known stage. Available stages: {', '.join(STAGES)}.")
    directory = RunDirectory(out)
    refuse_other_folder(directory)
    with directory.locked(), cleared_on_error(directory, new=not directory.has(RECIPE)):
        if RECIPE in directory.lost:
            raise BadRun(f"'{RECIPE}' {directory.lost[RECIPE]}. It cannot be recomputed.")
        recipe, corpora = open_or_start(directory, options)
        progress.note(corpora.skipped_summary)
        complete(Work(directory, recipe, options, progress, corpora), until)


def train_all(work: Work) -> None:
    for model in work.embedded():
        train(work, model)
    calibrate(work)


def evaluate_all(work: Work) -> None:
    for model in work.embedded():
        score(work, model)
    for model in quick_models(work):
        evaluate_quickly(work, model)
    for model in work.embedded():
        compute_studies(work, model)
    join_scores(work)
    join_fits(work)
    join_quick(work)
    join_studies(work)
    test_claims(work)


def score_model(work: Work, studies: bool, maps: bool) -> None:
    """Compute the scores of one model, as for `probing_core.score`, without probes for new images.

    Args:
        studies: whether to compute content oracles and studies.
        maps: whether to compute a map of the embeddings.
    """
    for model in work.embedded():  # several layers may have been requested
        train(work, model, TASKS, live=False, oracles=studies)
        score(work, model, TASKS)
        if studies:
            compute_studies(work, model)
    join_scores(work)
    if studies:
        join_studies(work)
    if maps:
        project(work, (BY_EMBEDDING,), neighbors=False)


def quick_model(work: Work) -> None:
    """Compute the results of one model under the quick protocol, as for `probing_core.rank`."""
    for model in quick_models(work):
        evaluate_quickly(work, model)


def complete_with(steps: Callable[[Work], None], work: Work) -> None:
    """Embed the samples of a run, and compute other steps than those of `complete`. The recipe is written if missing.

    Raises:
        ProbingError: a step cannot be computed.
    """
    with work.run.locked(), threads(work.recipe.threads):
        if not work.run.has(RECIPE):
            write_recipe(work.run, work.recipe)
        select_images(work)
        embed(work)
        steps(work)


STAGE_FUNCTIONS: Mapping[str, Callable[[Work], None]] = {
    EMBED: embed,
    TRAIN: train_all,
    EVALUATE: evaluate_all,
    PROJECT: project,
}
"""Stage -> function that computes its missing steps."""


def complete(work: Work, until: str = PROJECT) -> None:
    """Compute the missing steps of a run up to a stage. The run must be locked for writing.

    Raises:
        ProbingError: a step cannot be computed, or a corrupted file cannot be recomputed.
    """
    before = work.run.state()
    for name in work.run.lost:
        work.progress.note(f"'{name}' is corrupted. It will be recomputed if possible.")
    with threads(work.recipe.threads):
        select_images(work)
        work.left = pending_steps(work, until)[0]
        work.progress.expect(expected_steps(work, work.left))
        for stage in STAGES[: STAGES.index(until) + 1]:
            STAGE_FUNCTIONS[stage](work)
            left = max(1, len(work.left[stage]))
            if stage != EMBED:
                work.progress.update(stage, left, left, COMPLETED_MESSAGES[stage])
        if until == PROJECT:
            _remove_unneeded(work)
    if work.run.state() != before:
        note_completed(work.run.root)


COMPLETED_MESSAGES = {TRAIN: "Training probes", EVALUATE: "Scoring", PROJECT: "Computing maps"}
"""Stage -> final progress message of the stage."""


def pending_steps(work: Work, until: str = PROJECT) -> tuple[dict[str, list[str]], DryRun]:
    """Find the incomplete steps of a run. The images must have been selected.

    Returns:
        Stage -> names of the steps that `complete` will compute, and the `DryRun` that explains why.
    """
    noted, run = dry(work)
    select_images(noted)
    names: dict[str, list[str]] = {}
    for stage in STAGES[: STAGES.index(until) + 1]:
        before = len(run.pending)
        if stage == EMBED:
            missing_steps(noted, list(noted.models))
        else:
            STAGE_FUNCTIONS[stage](noted)
        names[stage] = list(run.pending)[before:]
    return names, run


def explain(run: RunDirectory, recipe: Recipe) -> tuple[DryRun, list[str]]:
    """Find out which steps of a run the next call of `run` will compute.

    Returns:
        The `DryRun` that explains why, and the models that have not been loaded yet.
    """
    work = Work(run, recipe)
    with threads(recipe.threads):
        if run.has(IMAGES):
            return pending_steps(work)[1], work.unloaded
        noted, dry_run = dry(work)
        select_images(noted)
        return dry_run, work.unloaded


def _remove_unneeded(work: Work) -> None:
    """Remove units of steps that are not part of the run anymore, and corrupted files that were not recomputed.

    Raises:
        BadRun: a corrupted file could not be recomputed.
    """
    shutil.rmtree(work.run.root / UNITS, ignore_errors=True)
    for name, problem in work.run.lost.items():
        step = work.run.step_of(name)
        if step in work.run.unavailable:
            raise BadRun(
                f"'{name}' {problem}. It cannot be recomputed, because the files from which it was computed were not "
                f"published with the run."
            )
        work.run.remove_lost(name)
