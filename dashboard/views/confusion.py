"""Confusion: which class is predicted for which, cell by cell or two classes side by side, down to the pictures."""

from __future__ import annotations

from html import unescape

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.components.tour import tour
from dashboard.data import cache
from dashboard.data.two_classes import ALL, TWO
from dashboard.page import page
from dashboard.text import ALTERED_AT_ALL, hint, plain, with_strength
from dashboard.views import two_classes
from dashboard.widgets import gallery, messages, pickers, tables
from probing_core.charts import confusion_chart
from probing_core.measures.notation import in_percent
from probing_core.results import Run, confusion_matrix, summaries
from probing_core.results.confusion import Normalization
from probing_core.results.ranking import of_subset

NORMALIZATIONS = {"row": "share of the true class", "column": "share of the predicted class", "none": "counts"}
UNITS = {"row": "percent of the row", "column": "percent of the column", "none": "numbers of samples"}
NO_OTHER = "no other model"
CHART = "confusion"
MARK = ">"


@page("Confusion", hint("confusion"))
def show() -> None:
    run = cache.current_run()
    tour("Confusion")
    if not run.tasks:
        messages.empty("This run has no predictions yet; `probing run --out DIR` makes them.")
        return
    compare = pickers.segments(
        "Compare",
        "compare",
        (ALL, TWO),
        help="All classes in one matrix, or two of them under every model.",
    )
    if compare == TWO:
        two_classes.show(run)
    else:
        _all_classes(run)


def _all_classes(run: Run) -> None:
    model, other, task, subset, normalize = _controls(run)
    first = cache.predictions(run, model, task)
    if first.empty:
        why = f"'{plain(model)}' has no predictions for the task {task}"
        messages.empty(f"{why}; `probing run --out DIR` makes them.")
        return
    second = None if other == NO_OTHER else cache.predictions(run, other, task)
    if second is not None and second.empty:
        messages.empty(
            f"'{plain(other)}' has no predictions for the task {task} yet, so the first model stands alone; "
            "`probing run --out DIR` makes them."
        )
        other, second = NO_OTHER, None
    first = of_subset(first, subset, run.far)
    there = {*first["truth"].unique(), *first["predicted"].unique()}
    classes = [c for c in run.classes(task) if c in there]
    matrix = _matrix(first, classes, normalize)
    if second is not None:
        second = of_subset(second, subset, run.far)
        matrix = matrix - _matrix(second, classes, normalize)
    cell = _cell(classes, matrix)
    if second is None:
        _most_confused(model, first)
    groups = dict(zip(run.transforms["transform"], run.transforms["group"], strict=True))
    figure = confusion_chart(
        matrix,
        cache.theme(),
        group_of=groups if task == "fine" else None,
        unit="" if normalize == "none" else "%",
        difference=second is not None,
        chosen=cell,
    )
    tables.chart(
        figure,
        CHART,
        lambda: matrix.reset_index().melt("truth", value_name="value"),
        f"Confusion matrix of {model}{'' if second is None else f' minus that of {other}'}, task {task}.",
        on_pick=lambda cells: _take_cell(classes, cells),
    )
    mine, theirs = plain(model), plain(other)
    less = "" if second is None else f", {mine} minus {theirs}. Blue: {mine} more often, orange: {theirs}"
    st.caption(
        f"{len(first):,} tested samples. Rows are the truth, columns the prediction; cells are {UNITS[normalize]}"
        f"{less}. Lines separate the groups. Click a cell to see its pictures below."
    )
    _cell_pictures(run, (model, other), task, first, second, cell)


def _most_confused(model: str, predictions: pd.DataFrame) -> None:
    """Show the most frequent mistakes of a model as a sentence."""
    wrong = summaries.confusions(predictions, 3)
    with st.container(key="finding"):
        if wrong.empty:
            st.markdown(f"**{plain(model)}** mistakes nothing here.")
            return
        cases = [
            f"**{plain(row['truth'])}** for **{plain(row['predicted'])}** ({in_percent(row['share'])})"
            for row in wrong.to_dict("records")
        ]
        st.markdown(f"What **{plain(model)}** mistakes most often: {', '.join(cases)}.{_untouched(predictions)}")


def _untouched(predictions: pd.DataFrame) -> str:
    """Return how often untouched pictures are recognized, with a space before; empty where there are none."""
    truth = predictions[predictions["truth"] == "identity"]
    if truth.empty:
        return ""
    known = in_percent((truth["predicted"] == "identity").mean())
    return f" It names {known} of the untouched pictures (class **identity**). {ALTERED_AT_ALL}"


def _controls(run: Run) -> tuple[str, str, str, str, Normalization]:
    left, middle, right = st.columns([3, 3, 2], vertical_alignment="bottom")
    model = pickers.pick_model(run, where=left)
    task = pickers.pick_task(run, where=middle)
    more = right.popover("Difference, samples, cells", width="stretch")
    others = [NO_OTHER, *(m for m in run.models["name"] if m != model)]
    other = pickers.select("Difference to", "other", others, where=more, help="Cells become model minus other model.")
    subset = pickers.pick_subset(run, task, where=more)
    normalize = pickers.select("Cells show", "cells", list(NORMALIZATIONS), names=NORMALIZATIONS, where=more)
    return model, other, task, subset, normalize


def _matrix(predictions: pd.DataFrame, classes: list[str], normalize: Normalization) -> pd.DataFrame:
    matrix = confusion_matrix(predictions, classes, normalize)
    return matrix if normalize == "none" else matrix * 100


def _cell(classes: list[str], matrix: pd.DataFrame) -> tuple[str, str]:
    """Return the open cell: that of the address, or the most frequent mistake."""
    truth, _, predicted = state.stored_choice("cell").partition(MARK)
    if truth not in classes or predicted not in classes:
        amounts = np.nan_to_num(np.abs(matrix.to_numpy(float)), nan=-1.0)
        np.fill_diagonal(amounts, -1.0)
        row, column = np.unravel_index(amounts.argmax(), amounts.shape)
        truth, predicted = classes[row], classes[column]
    found = f"{truth}{MARK}{predicted}"
    state.check("cell", "the cell", [found], found)
    return truth, predicted


def _take_cell(classes: list[str], cells: list[list]) -> None:
    """Open the first of ``cells`` if both of its classes exist.

    The class names are compared, since the cell may belong to the matrix that was shown before.
    """
    for _, _, truth, predicted, *_ in cells[:1]:
        names = unescape(truth), unescape(predicted)
        if set(names) <= set(classes):
            _open_cell(*names)


def _open_cell(truth: str, predicted: str) -> None:
    state.choose("cell", f"{truth}{MARK}{predicted}")
    state.choose("cell-gallery-page", 1)


def _cell_pictures(
    run: Run,
    models: tuple[str, str],
    task: str,
    first: pd.DataFrame,
    second: pd.DataFrame | None,
    cell: tuple[str, str],
) -> None:
    """Show the samples that either model puts into the cell, with the predictions of both."""
    st.header("Pictures of a cell")
    classes = run.classes(task)
    columns = st.columns(2)
    truth = columns[0].selectbox("Truth", classes, index=classes.index(cell[0]), key=f"truth-of-{cell}")
    predicted = columns[1].selectbox("Taken for", classes, index=classes.index(cell[1]), key=f"predicted-of-{cell}")
    if (truth, predicted) != cell:
        _open_cell(truth, predicted)
        st.rerun()
    state.publish("cell", f"{truth}{MARK}{predicted}")
    if truth != predicted and st.button(
        f"Which model is best at distinguishing {plain(truth)} from {plain(predicted)}?", icon=":material/leaderboard:"
    ):
        for name, value in (("tell", truth), ("from", predicted), ("compare", TWO)):
            state.choose(name, value)
        st.rerun()
    rows = first[first["truth"] == truth]
    here = rows["predicted"] == predicted
    counts = [f"by {plain(models[0])} in **{here.sum():,} of {len(rows):,}** samples"]
    if second is not None:
        theirs = second.set_index("sample")[["predicted", "p_predicted", "p_truth"]].add_suffix("_other")
        rows = rows.join(theirs, on="sample")
        there = rows["predicted_other"] == predicted
        counts.append(f"by {plain(models[1])} in **{there.sum():,}**, by both in **{(here & there).sum():,}**")
        here |= there
    what = f"is recognized as **{plain(predicted)}**" if truth == predicted else f"is taken for **{plain(predicted)}**"
    st.markdown(f"**{plain(truth)}** {what} {', '.join(counts)}.")
    rows = rows[here]
    if rows.empty:
        messages.empty("No sample is in this cell; cells with a number have some.")
        return
    rows = rows.sort_values("p_predicted", ascending=False)
    gallery.show(run, rows, "cell-gallery", lambda row: _caption(row, models))
    tables.download(lambda: cache.described(run, rows), "cell", "Samples of the cell as CSV")


def _caption(row, models: tuple[str, str]) -> str:
    sample = with_strength(row.transform, row.strength)
    mine = _answer(row.predicted, row.p_predicted, row.truth, row.p_truth)
    if models[1] == NO_OTHER:
        return f"{sample}: {mine}"
    theirs = _answer(row.predicted_other, row.p_predicted_other, row.truth, row.p_truth_other)
    return f"{sample}. {models[0]}: {mine}. {models[1]}: {theirs}"


def _answer(predicted: str, p_predicted: float, truth: str, p_truth: float) -> str:
    words = f"{predicted} {in_percent(p_predicted)}"
    return words if predicted == truth else f"{words}, {truth} {in_percent(p_truth)}"


show()
