"""The board: a ranking under the quick protocol of the models of a run and of models in result files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from probing_core.errors import BadConfig, BadRun
from probing_core.measures.notation import counted, in_percent, percent_interval
from probing_core.paths import confined
from probing_core.results.board_entry import BoardEntry, QuickProtocol
from probing_core.results.ranking import (
    ABOUT_SEEDS,
    beside_best,
    has_place,
    in_order,
    is_baseline,
    marked,
    standings,
)
from probing_core.results.run_tables import RunTables
from probing_core.results.titled_table import TitledTable
from probing_core.run.files import read_bytes
from probing_core.run.layout import QUICK

MAX_FILES = 200
"""Maximum number of result files. All pairs of encoders are compared."""

SUFFIX = ".json"
REPRODUCED = "reproduced.txt"
"""File in the folder of result files that lists the digests of reproduced results, one per line."""

INCLUDED, SUBMITTED = "included", "submitted"


@dataclass(frozen=True, eq=False, repr=False)
class Board(TitledTable):
    """Ranking of the models of a run and of submitted models, with a readable `repr`.

    Attributes:
        table: one row per model, best first, with the columns ``place`` (missing for additional seeds), ``model``,
            ``seed_of`` (as in `leaderboard`), ``value`` (quick accuracy), ``low``, ``high``, ``p`` (paired comparison
            with the best encoder, as in `leaderboard`), ``apart`` (whether the difference is significant), ``against``
            (the comparison as text), ``status`` (``included`` or ``submitted``), ``reproduced``, ``computed_by`` (empty
            for included models), ``objective``, ``dim``, ``license``, ``source``, ``revision``, ``date`` and ``file``
            (name of the result file; empty if there is none).
        problems: one sentence for each result file that was left out.
        photographs: number of test photographs.
    """

    table: pd.DataFrame
    problems: tuple[str, ...]
    photographs: int

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The table as JSON-serializable dictionaries."""
        table = self.table.astype(object).where(self.table.notna(), None)
        return [dict(zip(table.columns, row, strict=True)) for row in table.itertuples(index=False)]

    @property
    def _title(self) -> str:
        submitted = int((self.table["status"] == SUBMITTED).sum())
        return (
            f"{counted(len(self.table) - submitted, 'included model')} and {counted(submitted, 'submitted model')}, "
            f"ranked by quick accuracy on "
            f"{self.photographs} test photographs."
        )

    @property
    def _formatted(self) -> pd.DataFrame:
        table = self.table
        spans = zip(table["low"], table["high"], strict=True)
        return pd.DataFrame(
            {
                "place": table["place"].astype(object).where(has_place(table), None),
                "model": marked(table),
                "quick accuracy": [in_percent(value, 1) for value in table["value"]],
                "95% CI": [percent_interval(low, high) for low, high in spans],
                "compared with best encoder": table["against"],
                "status": [status_of(row) for row in table.itertuples()],
            }
        )

    @property
    def _notes(self) -> list[str]:
        return [
            *([] if has_place(self.table).all() else [ABOUT_SEEDS]),
            "p: paired sign-flip test by photograph, corrected for comparing all pairs of encoders.",
            "Submitted results were computed by others. Reproduced results were recomputed with the published weights.",
        ]


def status_of(row: Any) -> str:
    """Describe who computed the result in a row of `Board.table`."""
    if row.status == INCLUDED:
        return INCLUDED
    return f"{SUBMITTED} by {row.computed_by}{', reproduced' if row.reproduced else ''}"


def read_board(run: RunTables, folder: Path) -> Board:
    """Rank the models of a run and the models in result files under the quick protocol.

    Invalid result files are left out. A file about a model of the run must contain the answers of the run.

    Args:
        run: run with results of the quick protocol, usually the reference run.
        folder: folder of the result files (``*.json``).

    Raises:
        BadRun: the run has no results of the quick protocol.
        BadConfig: the folder does not exist, or contains too many files.
    """
    protocol = QuickProtocol.of(run)
    entries, problems = _entries(folder, protocol)
    included = included_entries(run, protocol)
    files = {name: file for file, entry in entries.items() if (name := entry.model) in included}
    for name, file in files.items():
        if (entries[file].correct != included[name].correct).any():
            problems.append(f"{file!r:.100} was left out because its answers differ from those of the included {name}.")
    submitted = {entry.model: file for file, entry in entries.items() if entry.model not in included}
    everything = {**included, **{entry.model: entry for entry in entries.values() if entry.model in submitted}}
    table = _ranked(list(everything.values()))
    reproduced = _reproduced(folder)
    table["status"] = [SUBMITTED if model in submitted else INCLUDED for model in table["model"]]
    table["reproduced"] = [everything[model].digest in reproduced for model in table["model"]]
    for column in ("computed_by", "objective", "dim", "license", "source", "revision", "date"):
        table[column] = [getattr(everything[model], column) for model in table["model"]]
    table["file"] = [submitted.get(model) or files.get(model, "") for model in table["model"]]
    return Board(table, tuple(problems), len(protocol.photographs))


def included_entries(run: RunTables, protocol: QuickProtocol) -> dict[str, BoardEntry]:
    """Return the results of the models of a run under the quick protocol, by name."""
    facts = {entry["name"]: entry for entry in run.entries}
    tables = run.table(QUICK).groupby("model", sort=False)
    return {str(name): BoardEntry.of(facts[name], rows, protocol) for name, rows in tables if name in facts}


def _entries(folder: Path, protocol: QuickProtocol) -> tuple[dict[str, BoardEntry], list[str]]:
    """Read the result files in ``folder``.

    Returns:
        File name -> entry, and one sentence for each file that was left out.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == SUFFIX)
    except OSError as error:
        raise BadConfig(f"The folder '{folder}' of result files cannot be read ({error.strerror}).") from error
    if len(paths) > MAX_FILES:
        raise BadConfig(f"'{folder}' has {len(paths):,} result files, but at most {MAX_FILES} can be ranked.")
    entries: dict[str, BoardEntry] = {}
    first: dict[str, str] = {}
    problems = []
    for path in paths:
        try:
            entry = BoardEntry.read(path, protocol)
        except BadConfig as error:
            problems.append(str(error))
            continue
        if entry.model in first:
            problems.append(f"{path.name!r:.100} was left out because {first[entry.model]!r:.100} has the same model.")
            continue
        first[entry.model] = path.name
        entries[path.name] = entry
    return entries, problems


def _ranked(entries: Sequence[BoardEntry]) -> pd.DataFrame:
    """Rank models, and compare each encoder with the best encoder."""
    sums = {entry.model: entry.sums for entry in entries}
    rows = [
        {"model": entry.model, "value": entry.accuracy.value, "low": entry.accuracy.low, "high": entry.accuracy.high}
        for entry in entries
    ]
    every = in_order(pd.DataFrame(rows))
    encoders = every[~is_baseline(every["model"])]
    board = in_order(encoders.drop(columns="seed_of") if len(encoders) else every.drop(columns="seed_of"))
    board = beside_best(board, [sums[model] for model in board.loc[has_place(board), "model"]])
    placed = has_place(every)
    every.insert(0, "place", placed.cumsum().astype("Int64").where(placed))
    compared = board[["model", "p", "apart"]]
    return every.merge(compared, on="model", how="left").assign(against=standings(every, board))


def _reproduced(folder: Path) -> frozenset[str]:
    try:
        return frozenset(read_bytes(confined(REPRODUCED, folder)).decode().split())
    except (BadRun, ValueError):
        return frozenset()
