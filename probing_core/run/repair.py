"""Repair of the damaged files of a run."""

from __future__ import annotations

from pathlib import Path

from probing_core.errors import BadRun, ProbingError
from probing_core.run.last_options import last_options
from probing_core.run.layout import RECIPE
from probing_core.run.progress import SILENT, Progress
from probing_core.run.stages import complete, opened, set_aside
from probing_core.run.store import Store
from probing_core.run.wanted import Wanted


def repair(out: Path, progress: Progress = SILENT) -> tuple[list[str], list[str]]:
    """Make every damaged file of the run in ``out`` again, with what it cannot be made without.

    Nothing else is made: neither what is missing or stale beside, nor what follows from a file that has other last bits
    now. What cannot be made here stays as it is. A damaged piece of something that is not complete is removed.

    Returns:
        Names of the damaged files, and sentences of what could not be made and of each file that is not as it should be
        in the end.

    Raises:
        BadRun: the recipe is damaged.
    """
    store = Store(out)
    if what := store.flaw(RECIPE):
        raise BadRun(f"'{RECIPE}' of the run {what}: it cannot be made again from anything else.")
    failures = []
    with opened(store, last_options(out), progress) as planned:
        damaged = list(store.damaged())
        set_aside(store, damaged)
        try:
            complete(store, progress, planned, Wanted(files=frozenset(damaged)))
        except ProbingError as error:
            failures = [str(error)]
    return damaged, failures + store.damage()
