"""Steps of runs and their keys, as tests ask for them."""

from __future__ import annotations

from pathlib import Path

from probing_core.run.directory import RunDirectory
from probing_core.run.options import PROJECT
from probing_core.run.pending import DryRun
from probing_core.run.pipeline import pending_steps
from probing_core.run.recipe import Recipe, read_recipe
from probing_core.run.work import Work


def visited(root: Path, until: str = PROJECT, recipe: Recipe | None = None) -> DryRun:
    """Return the dry run of a run with its own recipe or a different one."""
    run = RunDirectory(root)
    return pending_steps(Work(run, recipe or read_recipe(run)), until)[1]


def pending(root: Path, until: str = PROJECT) -> list[str]:
    """Return the names of the steps that the next call of `run` will compute."""
    return list(visited(root, until).pending)


def keys_of(root: Path, recipe: Recipe | None = None) -> dict[str, str]:
    """Return the current key of each step, complete or not."""
    run = visited(root, recipe=recipe)
    return {step: run.key(step) for step in run.visited}
