"""A run, finished or not, opened for reading and exploring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from probing_core.paths import reference_run
from probing_core.results.run_tables import RunTables

if TYPE_CHECKING:
    from probing_core.results.explorer.shared_file import Shown


@dataclass(frozen=True)
class Run(RunTables):
    """One run directory as tables. A table that the run does not have (yet) is empty, with no columns.

    Attributes:
        store: its files.
        recipe: what it computes.
    """

    def explore(self, models: Sequence[str] | None = None, pictures: Literal["all", "none"] = "all") -> Shown:
        """Show in a notebook what `probing report` writes: the explorer, the leaderboard and the claims.

        Args:
            models: up to six models of the explorer; by default the best embedding, the best baseline, and others.
            pictures: ``none`` leaves the photographs out of the notebook.

        Raises:
            UnknownName: the run has no such model.
            BadRun: no model, or one of ``models``, does not have both a map and predictions.
        """
        from probing_core.results.explorer.shared_file import shown

        return shown(self, models, pictures)


def open_run(run: Path | str | Run | None = None) -> Run:
    """Open a run: its tables, its scores, the embeddings that it has, and its explorer.

    Args:
        run: its directory; by default the reference run, which ships.

    Raises:
        BadRun: there is none, or its recipe cannot be read.
    """
    return run if isinstance(run, Run) else Run.open(reference_run() if run is None else run)
