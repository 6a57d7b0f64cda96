"""The first section of Overview: the finding in a sentence, and the leaderboard that it comes from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.data import cache
from dashboard.page import fragment
from dashboard.text import hint, names_in_words, plain
from dashboard.widgets import messages, pickers, tables
from probing_core.charts import leaderboard_chart
from probing_core.measures import MEASURES
from probing_core.results import Run, rankable
from probing_core.results.ranking import (
    has_place,
    in_order,
    is_baseline,
    marked,
    measure_of,
    scores_of,
    standing,
)
from probing_core.results.sentences import beside_baselines, finding

BASELINES = (
    "Gray squares are baselines, which have learned nothing from pictures: handcrafted statistics of the pixels, the "
    "pixels themselves, and networks with random weights. They show how much of a task needs no learned embedding."
)


SEEDS = (
    "Ticks: the same model with another seed, that is a further training or, of an untrained network, other random "
    "weights; each line has the interval and the standing of the one that is published."
)


def board_of(run: Run) -> pd.DataFrame:
    """Return the ranking of the models of ``run`` at the fine task, without baselines where there are other models."""
    board = cache.board((run,), "fine", "seen", False)
    return cache.board((run,), "fine", "seen", True) if board.empty else board


def show_finding(run: Run) -> None:
    """Show the finding, the first sentence of the page."""

    def bold(name: str) -> str:
        return f"**{plain(name)}**"

    board = board_of(run)
    words = [finding(board, len(run.classes("fine")), bold)]
    baselines = _baselines((run,), "fine", "seen")
    if len(baselines) and len(board) and not is_baseline(board["model"]).any():
        words.append(beside_baselines(board, baselines, bold))
    with st.container(key="finding"):
        st.markdown(" ".join(words))


def best_first(run: Run) -> list[str]:
    """Return the models of ``run`` by their score at the fine task, other seeds below their model, baselines last."""
    scores = scores_of(run, "fine", "seen")
    if scores.empty:
        return []
    order = in_order(scores)
    return list(order.assign(baseline=is_baseline(order["model"])).sort_values("baseline", kind="stable")["model"])


@fragment
def show_leaderboard(run: Run) -> None:
    st.header("Leaderboard", help=hint("not distinguished"))
    task_column, subset_column, more_column = st.columns([2, 2, 3])
    task = pickers.pick_task(run, where=task_column)
    subset = pickers.pick_subset(run, task, where=subset_column)
    runs = (run, *_further_runs(run, more_column))
    board = cache.board(runs, task, subset, False)
    baselines = _baselines(runs, task, subset)
    if board.empty:
        board = cache.board(runs, task, subset, True)
    elif len(baselines):
        board = in_order(pd.concat([board, baselines.assign(p=np.nan, apart=True)], ignore_index=True))
    if board.empty:
        messages.empty("No model has a score for this task yet; `probing run --out DIR` makes them.")
        return
    scored = pd.concat([scores_of(each, task, subset) for each in runs])["model"]
    messages.left_out(run.models["name"], scored, "they have no score of this task on these samples")
    _ranking(board, subset)
    _other_seeds(runs, task, subset, board)


def _baselines(runs: tuple[Run, ...], task: str, subset: str) -> pd.DataFrame:
    """Return the scores of the baselines, best first."""
    rows = pd.concat([scores_of(each, task, subset) for each in runs], ignore_index=True)
    return rows if rows.empty else rows[is_baseline(rows["model"])].sort_values("value", ascending=False)


def _ranking(board: pd.DataFrame, subset: str) -> None:
    measure = MEASURES.get(measure_of(subset))
    placed = has_place(board)
    tables.chart(
        leaderboard_chart(board, cache.theme(), f"{measure.title} (%)"),
        "leaderboard",
        board,
        f"{measure.title.capitalize()} of {placed.sum()} models with intervals, best {board['model'].iloc[0]}.",
    )
    gray = f" {BASELINES}" if is_baseline(board["model"]).any() else ""
    ticks = f" {SEEDS}" if not placed.all() else ""
    st.caption(
        f"{measure.definition} Bars are 95 % intervals. Hollow: not distinguished from the best encoder by "
        f"differences on the same pictures, which can tell more than two intervals.{ticks}{gray}"
    )
    st.caption(names_in_words(board["model"]))
    if box := pickers.fold("The same as a table", "show-board"):
        with box:
            _board_table(board, measure.definition)


def _other_seeds(runs: tuple[Run, ...], task: str, subset: str, board: pd.DataFrame) -> None:
    """Show, folded, how far models are apart that differ in their seed alone."""
    count = int((~has_place(board)).sum())
    if not count:
        return
    if not (box := pickers.fold(f"The same models with other seeds ({count})", "show-seeds")):
        return
    with box:
        st.caption(
            "The difference is that of the model with the other seed less the published one, over the same "
            "photographs. Its interval tells how sure it is of these two files of weights, and not how far a third "
            "would be."
        )
        tables.show_table(
            cache.other_seeds(runs, task, subset),
            "other-seeds",
            column_config={"seed_of": st.column_config.TextColumn("another seed of")},
            percent={
                "value": ("score %", MEASURES.get(measure_of(subset)).definition),
                "published": ("published %", "The score of the model in the chart."),
                "difference": ("difference", "In points."),
                "low": ("from", hint("interval")),
                "high": ("to", hint("interval")),
            },
            signed=("difference", "low", "high"),
        )


def _further_runs(run: Run, where: Any) -> list[Run]:
    """Return the runs that the visitor ranks in the same table, without those where that would be unfair."""
    others = {place.name: other for place, other in cache.other_runs(run)}
    if not others:
        return []
    names = state.choice(where.multiselect, "Rank together with the models of", "with", [], list(others))
    chosen = [others[name] for name in names]
    fair = [other for other in chosen if not rankable([run, other])]
    for other in chosen:
        if differs := rankable([run, other]):
            why = f"'{other.name}' is not ranked with '{run.name}', because they differ in {'; '.join(differs)}."
            st.warning(plain(why))
    return fair


def _board_table(board: pd.DataFrame, definition: str) -> None:
    baseline = is_baseline(board["model"])
    first = board.index[~baseline][0] if not baseline.all() else board.index[0]
    alone = bool(baseline.all())
    standings = [
        "best" if row.Index == first else "baseline" if lesser and not alone and not row.seed_of else standing(row)
        for row, lesser in zip(board.itertuples(), baseline, strict=True)
    ]
    table = pd.DataFrame(
        {
            **({"run": board["run"]} if board["run"].nunique() > 1 else {}),
            "model": marked(board),
            "score %": board["value"],
            "95 % interval": [_interval(r) for r in board.itertuples()],
            "against the best": standings,
            "chance %": board["chance"],
            "objective": board["objective"],
            "note": board["note"],
        }
    )
    tables.show_table(
        table,
        "leaderboard-table",
        column_config={
            "95 % interval": st.column_config.TextColumn(help=hint("interval")),
            "objective": st.column_config.TextColumn(help=hint("objective")),
            "against the best": st.column_config.TextColumn(help=hint("not distinguished")),
        },
        percent={"score %": ("score %", definition), "chance %": ("chance %", hint("chance"))},
    )


def _interval(row: Any) -> str:
    return "none" if pd.isna(row.low) else f"{row.low * 100:.1f} to {row.high * 100:.1f}"
