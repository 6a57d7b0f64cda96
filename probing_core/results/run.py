"""Open runs, which may be incomplete, to read and explore their results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from probing_core.arguments import RUN, checked
from probing_core.paths import reference_run
from probing_core.results.run_tables import RunTables

if TYPE_CHECKING:
    from probing_core.results.explorer.shared_file import Shown


@dataclass(frozen=True)
class Run(RunTables):
    """The tables of a run, which may be incomplete. Missing tables are empty and have no columns.

    Examples:
        >>> probing_core.open().recipe.repetitions
        3

    Attributes:
        store: the files of the run.
        recipe: the recipe of the run.
    """

    def explore(self, models: Sequence[str] | None = None, pictures: Literal["all", "none"] = "all") -> Shown:
        """Show the report of the run in a notebook, with the explorer, the ranking and the claims.

        Args:
            models: up to six models for the explorer. By default, they include the best encoder and the best baseline.
            pictures: ``all`` to include images in the notebook, or ``none`` to omit them.

        Raises:
            UnknownName: the run has no such model.
            BadRun: one of ``models`` does not have both a map and predictions, or no model of the run has both.
        """
        from probing_core.results.explorer.shared_file import shown

        return shown(self, models, pictures)


@checked(run=RUN)
def open_run(run: Path | str | Run | None = None) -> Run:
    """Open a run to access its tables, scores, embeddings and explorer.

    Examples:
        >>> run = probing_core.open()
        >>> run.classes("fine")[:3]
        ['identity', 'desaturate', 'hue-shift']

    Args:
        run: directory of the run, by default the included reference run.

    Raises:
        BadRun: the run does not exist, or its recipe cannot be read.
    """
    if isinstance(run, Run):
        return run
    return Run.open(reference_run() if run is None else run)
