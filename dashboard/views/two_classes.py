"""Two classes: which model distinguishes them best, and which pictures it gets wrong."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.components.explorer import chosen_cell, take_over
from dashboard.data import cache
from dashboard.page import fragment
from dashboard.text import in_bold, named, plain, unbroken, with_strength
from dashboard.widgets import messages, pickers, tables
from probing_core.charts import leaderboard_chart
from probing_core.measures.notation import in_percent, model_title
from probing_core.results import Run, tell_apart
from probing_core.results.ranking import SIGNIFICANCE, has_place, of_subset

MAX_NAMED_MODELS = 4
"""Most models that a sentence names; of more it gives the number."""

ON_A_PAGE, THUMBNAIL = 24, 128
"""Number of pictures on a page, and the side of each in pixels."""

FROM_CELL = "cell-of-matrix"
"""Name of the choice that holds the explorer's cell which the two classes began with."""


@fragment
def show(run: Run) -> None:
    columns = [*st.columns(2), *st.columns(2)]
    task = pickers.pick_task(run, where=columns[2])
    classes = run.classes(task)
    _follow_cell(run, classes)
    default = cache.computed(run, most_mistaken, task)
    names = {name: named(name) for name in classes}
    first = pickers.select("Distinguish", "tell", classes, default[0], names, where=columns[0])
    others = [name for name in classes if name != first]
    second = pickers.select("from", "from", others, default[1], names, where=columns[1])
    subset = pickers.pick_subset(run, task, where=columns[3])
    board = cache.computed(run, board_of, task, subset, first, second)
    if board.empty:
        neither = f"{plain(named(first))} or {plain(named(second))}"
        messages.empty(f"No tested sample of this choice is {neither}; choose other samples or classes.")
        return
    _name_best(board, first, second)
    _ranking(board, first, second, len(classes))
    messages.left_out(run.models["name"], board["model"], "they have no predictions of these classes")
    model = _whose(board, first, second)
    _wrong_pictures(run, model, predictions_of(run, model, task, subset), first, second)


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
        "the intervals do not have. Gray squares: baselines. Ticks: the same model with another seed."
    )


def _whose(board: pd.DataFrame, first: str, second: str) -> str:
    st.header("Pictures that a model gets wrong")
    models = list(board["model"])
    if state.stored_choice("wrong-for") != f"{first}>{second}":  # other classes: select their best model
        state.choose("wrong-of", models[0])
        state.choose("wrong-page", 1)
        state.publish("wrong-for", f"{first}>{second}")
    names = {model: model_title(model) for model in models}
    names[models[0]] += " (best)"
    return pickers.select("Model", "wrong-of", models, models[0], names)


def _wrong_pictures(run: Run, model: str, predictions: pd.DataFrame, first: str, second: str) -> None:
    both = predictions[predictions["truth"].isin((first, second))]
    wrong = both[~both["correct"]]
    swapped = wrong["predicted"].isin((first, second))
    times = run.recipe.repetitions
    each = f" ({times} repetitions of the run together)" if times > 1 else ""
    st.markdown(
        f"{plain(model_title(model))} gets **{len(wrong):,} of {len(both):,}** wrong{each}: {swapped.sum():,} are "
        f"taken for the other of the two, {(~swapped).sum():,} for something else."
    )
    if wrong.empty:
        return
    rows = wrong.assign(swapped=swapped).sort_values(["swapped", "p_predicted"], ascending=False)
    if run.pictures.why_not:
        messages.no_pictures(run.pictures.why_not)
    else:
        _pictures(run, rows)
    tables.download(lambda: cache.described(run, rows), "wrong-pictures", "These samples as CSV")


def _pictures(run: Run, rows: pd.DataFrame) -> None:
    """Show pictures of samples, a page at a time."""
    pages, page = -(-len(rows) // ON_A_PAGE), 1
    if pages > 1:
        state.remember("wrong-page", range(1, pages + 1), 1, "Page")
        page = st.number_input("Page", 1, pages, key="wrong-page", width=160)
        state.publish("wrong-page", page)
    first = (page - 1) * ON_A_PAGE
    shown = cache.described(run, rows.iloc[first : first + ON_A_PAGE])
    columns = zip(*(shown[name] for name in ("transform", "strength", "predicted", "p_predicted")), strict=True)
    captions = [f"{with_strength(done, at)} → {named(said)} {in_percent(p)}" for done, at, said, p in columns]
    st.caption(f"Pictures {first + 1:,} to {first + len(shown):,} of {len(rows):,}.")
    names = [plain(unbroken(text)) for text in captions]
    st.image(cache.pictures(run, shown), caption=names, width=THUMBNAIL, alt=captions)


def board_of(run: Run, task: str, subset: str, first: str, second: str) -> pd.DataFrame:
    return tell_apart({m: predictions_of(run, m, task, subset) for m in run.models["name"]}, first, second)


def predictions_of(run: Run, model: str, task: str, subset: str) -> pd.DataFrame:
    predictions = cache.predictions(run, model, task)
    return of_subset(predictions, subset, run.far) if len(predictions) else predictions


def most_mistaken(run: Run, task: str) -> tuple[str, str]:
    predictions = cache.predictions(run, run.models["name"].iloc[0], task)
    wrong = predictions[~predictions["correct"]] if len(predictions) else predictions
    if wrong.empty:
        classes = run.classes(task)
        return classes[0], classes[-1]
    mistakes = wrong.groupby(["truth", "predicted"], observed=True).size()
    truth, predicted = mistakes.index[int(mistakes.argmax())]
    return str(truth), str(predicted)
