"""The "Board" tab: included and submitted models, ranked under the quick protocol."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import streamlit as st

from dashboard.data import cache
from dashboard.text import hint, plain
from dashboard.widgets import messages, pickers, tables
from probing_core import paths
from probing_core.measures.notation import counted, model_title
from probing_core.results import Run
from probing_core.results.board import Board, read_board, status_of
from probing_core.run.layout import QUICK


def show_board(run: Run) -> None:
    """Show the ranking of the models of ``run`` and of all submitted models, and the files that were left out."""
    folder = paths.board_dir()
    if run.table(QUICK).empty:
        messages.empty("This run has no results of the quick protocol. The reference run contains these results.")
        return
    files = (folder, *folder.iterdir()) if folder.is_dir() else ()  # overwriting a file does not change its folder
    changed = max((path.lstat().st_mtime_ns for path in files), default=0)
    board = cache.computed(run, _board, str(folder), changed)
    if not board.table["file"].any():
        messages.empty("The submitted results are for other photographs than this run. Select the reference run.")
        return
    st.caption(
        f"Quick accuracy on {board.photographs} test photographs. Its probes are trained on fewer samples than those "
        f"in the ranking. Submitted results were computed by others."
    )
    tables.show_table(
        _table(board),
        "board-table",
        column_config={
            "place": st.column_config.NumberColumn("Rank", width=60),
            "title": st.column_config.TextColumn("Model", width=270),
            "against": st.column_config.TextColumn("Compared with best model", width=190, help=hint("against best")),
            "status": st.column_config.TextColumn("Computed by", width=190),
            "dim": st.column_config.NumberColumn("Dimensions"),
            "license": "License",
            "date": "Date",
            "model": None,
        },
        percent={
            "value": ("Quick accuracy (%)", hint("fine")),
            "low": ("95% CI low (%)", hint("interval")),
            "high": ("95% CI high (%)", hint("interval")),
        },
    )
    title = f"{counted(len(board.problems), 'file')} left out"
    if board.problems and (box := pickers.fold(title, "show-left-out")):
        with box:
            st.markdown("\n".join(f"- {plain(problem)}" for problem in board.problems))


def _board(run: Run, folder: str, changed: int) -> Board:
    """Read the board. ``changed`` is part of the cache key."""
    return read_board(run, Path(folder))


def _table(board: Board) -> pd.DataFrame:
    rows = board.table
    columns = ["place", "value", "low", "high", "against", "dim", "license", "date", "model"]
    table = rows[columns].assign(status=[status_of(row) for row in rows.itertuples()])
    table.insert(1, "title", [model_title(model) for model in rows["model"]])
    return table[["place", "title", "value", "low", "high", "against", "status", "dim", "license", "date", "model"]]
