"""Two classes: which model distinguishes them best."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from dashboard.components.explorer import chosen_cell, take_over
from dashboard.data import cache
from dashboard.page import fragment
from dashboard.text import in_bold, named, plain
from dashboard.widgets import messages, pickers, tables
from probing_core.charts import leaderboard_chart
from probing_core.measures.notation import in_percent
from probing_core.results import Run, tell_apart
from probing_core.results.ranking import SIGNIFICANCE, has_place, of_subset

MAX_NAMED_MODELS = 4
"""Most models that a sentence names; of more it gives the number."""

FROM_CELL = "cell-of-matrix"
"""Name of the choice that holds the explorer's cell which the two classes began with."""


@fragment
def show(run: Run) -> None:
    columns = [*st.columns(2), *st.columns(2)]
    task = pickers.pick_task(run, where=columns[2])
    classes = run.classes(task)
    _follow_cell(run, classes)
    names = {name: named(name) for name in classes}
    first = pickers.select("Distinguish", "tell", classes, None, names, where=columns[0])
    others = [name for name in classes if name != first]
    second = pickers.select("from", "from", others, others[-1], names, where=columns[1])
    subset = pickers.pick_subset(run, task, where=columns[3])
    board = cache.computed(run, board_of, task, subset, first, second)
    if board.empty:
        neither = f"{plain(named(first))} or {plain(named(second))}"
        messages.empty(f"No tested sample of this choice is {neither}; choose other samples or classes.")
        return
    _name_best(board, first, second)
    _ranking(board, first, second, len(classes))
    messages.left_out(run.models["name"], board["model"], "they have no predictions of these classes")


def _follow_cell(run: Run, classes: Sequence[str]) -> None:
    """Select the classes of the cell that is chosen in the explorer, whenever the visitor has chosen another there."""
    first, second = chosen_cell(run)
    if first != second and {first, second} <= set(classes):
        take_over(FROM_CELL, {"tell": first, "from": second})


def _name_best(board: pd.DataFrame, first: str, second: str) -> None:
    best, level = board.iloc[0], list(board["model"].iloc[1:][board["p"].iloc[1:] >= SIGNIFICANCE])
    interval = (
        "" if pd.isna(best["low"]) else f" (95 % interval {in_percent(best['low'])} to {in_percent(best['high'])})"
    )
    others = f" Not distinguished from it: {', '.join(map(in_bold, level))}." if level else ""
    if len(level) > MAX_NAMED_MODELS:
        others = f" {len(level)} of the {has_place(board).sum() - 1} others are not distinguished from it."
    messages.finding(
        f"{in_bold(best['model'])} is best at distinguishing {plain(named(first))} from {plain(named(second))}: "
        f"it recognizes **{in_percent(best['value'])}** of them{interval}.{others}"
    )


def _ranking(board: pd.DataFrame, first: str, second: str, classes: int) -> None:
    figure = leaderboard_chart(
        board.assign(chance=1 / classes, note=""),
        cache.theme(),
        f"{named(first)} and {named(second)} recognized (%)",
        f"among all {classes} classes",
    )
    tables.chart(
        figure,
        "tell-apart",
        board,
        f"How well each model distinguishes {named(first)} from {named(second)}, best first.",
    )
    st.caption(
        "The probe chooses among all classes: a picture that is taken for a third one is not recognized either. Bars "
        "are 95\N{NO-BREAK SPACE}% intervals, of one model each. A hollow mark: the difference from the best model may "
        "be chance, by a paired sign-flip test by photograph with Holm's correction over all pairs of models, which "
        "the intervals do not have. Gray squares: baselines. Ticks: the same model with another seed. Pictures that a "
        "model takes for the other class are in a cell of the explorer above."
    )


def board_of(run: Run, task: str, subset: str, first: str, second: str) -> pd.DataFrame:
    predictions = {model: cache.predictions(run, model, task) for model in run.models["name"]}
    tested = {m: of_subset(rows, subset, run.far) if len(rows) else rows for m, rows in predictions.items()}
    return tell_apart(tested, first, second)
