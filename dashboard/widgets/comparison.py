"""The "Compare two models" tab, and the buttons and clicks that open it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.data import cache
from dashboard.text import hint, in_bold, named, plain, strength_axis, strength_number
from dashboard.widgets import messages, pickers, tables
from probing_core.charts import Figure, Theme, difference_chart
from probing_core.measures.notation import (
    BASELINE,
    in_percent,
    in_points,
    interval_text,
    model_title,
    p_value,
    points_interval,
)
from probing_core.measures.statistics import SIGNIFICANT, is_significant, with_place
from probing_core.results import Run, by_transform, summaries, two_models
from probing_core.results.ranking import in_order, scores_of
from probing_core.transforms import resolve

ABOUT = (
    f"Significant: {SIGNIFICANT}, adjusted for all tests in the same chart or table. Intervals are 95% CIs and are not "
    "adjusted."
)

CLICKED = "_clicked_model"
"""Session key of the models that were clicked, latest first."""

USES = {
    "original": "Recall of originals",
    "duplicates": "Recall of duplicates",
    "content": "Similar content",
    "altered": "Same edit",
}
"""Task in ``tables/uses.parquet`` -> title."""


def first_clicked() -> str:
    """Return the model that was clicked last, or an empty string."""
    return next(iter(st.session_state.get(CLICKED, [])), "")


def click(model: str) -> None:
    """Remember the first clicked model, and open the comparison after a click on a second model."""
    if (first := first_clicked()) and first != model:
        choose(first, model)
        st.session_state[CLICKED] = []
    else:
        remember(model)


def remember(model: str) -> None:
    """Remember a model that was selected by a click on another page, for `remembered`."""
    st.session_state[CLICKED] = [model, *(old for old in st.session_state.get(CLICKED, []) if old != model)][:2]


def remembered(shown: str) -> list[str]:
    """Return the model ``shown`` and the model that was clicked before it, if there is one."""
    return [shown, *(model for model in st.session_state.get(CLICKED, []) if model != shown)]


def choose(first: str, second: str) -> None:
    for name, value in (("a", first), ("b", second), ("part", "compare")):
        state.choose(name, value)


def offer(models: Sequence[str]) -> None:
    """Show a button that opens the comparison of the first two of ``models``, if there are two."""
    pair = list(dict.fromkeys(models))[:2]
    if len(pair) < 2:
        return
    titles = [plain(model_title(model)) for model in pair]
    if st.button(
        f"Compare {titles[0]} with {titles[1]}", key="compare-two", type="tertiary", icon=":material/compare:"
    ):
        choose(*pair)
        st.switch_page("views/models.py")


def pair_of(models: Sequence[str]) -> tuple[str, str] | None:
    """Return the two models that are selected for comparison, or None if fewer than two are available."""
    stored = [state.stored_choice("a"), state.stored_choice("b"), *state.stored_choices("models", models)]
    encoders = [model for model in models if not model.startswith(BASELINE)]
    pair = list(dict.fromkeys(model for model in [*stored, *encoders, *models] if model in models))[:2]
    return (pair[0], pair[1]) if len(pair) == 2 else None


def show_comparison(run: Run) -> None:
    models = with_place(in_order(cache.computed(run, scores_of, "fine", "seen"))["model"])
    pair = pair_of(models)
    if pair is None:
        messages.empty("This run has only one model.")
        return
    titles = {model: model_title(model) for model in models}
    left, right = st.columns(2)
    a = pickers.select("Model A", "a", models, pair[0], titles, where=left)
    b = pickers.select("Model B", "b", models, pair[1], titles, where=right)
    if a == b:
        messages.empty("Select two different models to compare them.")
        return
    _overall(run, a, b)
    left, right = st.columns(2, gap="medium")
    with left:
        _classes(run, a, b)
    with right:
        _tasks(run, a, b)
        _layers(run, a, b)
    _thresholds(run, a, b)
    st.caption(ABOUT)


def _overall(run: Run, a: str, b: str) -> None:
    gap = cache.computed(run, two_models.accuracy_difference, a, b)
    p = two_models.p_of_pair(cache.computed(run, two_models.pairwise_p), a, b)
    seeds = cache.computed(run, two_models.difference_over_seeds, a, b)
    better, worse = (a, b) if gap.value >= 0 else (b, a)
    if is_significant(p):
        over = _over_training(seeds, seeds.value * gap.value)
        verdict = f"{in_bold(better)} is more accurate than {in_bold(worse)}{over}."
    elif np.isnan(p):
        verdict = f"The difference between {in_bold(a)} and {in_bold(b)} was not tested."
    else:
        verdict = f"{in_bold(a)} and {in_bold(b)} are not significantly different."
    messages.finding(verdict)
    rows = [("photographs", gap.value, gap.low, gap.high, p)]
    if not np.isnan(seeds.low):
        rows.append(("training runs", seeds.value, seeds.low, seeds.high, seeds.p))
    lines = [
        f"A \N{MINUS SIGN} B over {over}: **{in_points(value)} percentage points**, {_interval(low, high)}"
        + ("" if np.isnan(p) else f", {p_value(p)}")
        for over, value, low, high, p in rows
    ]
    st.markdown("  \n".join(lines), help=hint("pair"))


def _over_training(seeds: two_models.SeedDifference, agreement: float) -> str:
    """Return what the seeds say about a difference that is significant over photographs, as a clause."""
    if np.isnan(seeds.p):
        once = "at least one of them was trained only once, so the difference may be due to the training run"
        return f", but {once if seeds.runs < 2 else 'there are too few training runs to test the difference over them'}"
    if is_significant(seeds.p) and agreement > 0:
        return ", over photographs and over training runs"
    return " over photographs, but not significantly over training runs"


def _interval(low: float, high: float) -> str:
    return f"95% CI {text}" if (text := points_interval(low, high, "")) else "no interval"


def _classes(run: Run, a: str, b: str) -> None:
    rows = cache.computed(run, two_models.recall_differences, a, b)
    if rows.empty:
        return
    found = is_significant(rows["p"])
    count = int(found.sum())
    st.markdown(f"**Recall by class**: {count} of {len(rows)} differences {'is' if count == 1 else 'are'} significant")
    if count:
        figure = cache.computed(run, _difference_figure, a, b, True, cache.theme())
        alt = f"Recall of {model_title(a)} minus recall of {model_title(b)}, significant classes."
        tables.chart(figure, "pair", rows, alt)
    if count < len(rows) and (box := pickers.fold(f"{len(rows) - count} other classes", "show-others")):
        with box:
            figure = cache.computed(run, _difference_figure, a, b, False, cache.theme())
            tables.chart(figure, "pair-others", rows[~found], "Differences that are not significant.")


def _difference_figure(run: Run, a: str, b: str, significant: bool, theme: Theme) -> Figure:
    rows = two_models.recall_differences(run, a, b)
    rows = rows[is_significant(rows["p"]) == significant].sort_values("difference", ascending=False)
    styles = theme.model_styles([a, b])
    return difference_chart(
        rows.assign(name=rows["transform"].map(named)),
        theme,
        "recall of A minus recall of B<br>(percentage points)",
        ("A", "B"),
        (styles[a].color, styles[b].color),
    )


def _tasks(run: Run, a: str, b: str) -> None:
    rows = cache.computed(run, two_models.task_differences, a, b)
    if rows.empty:
        return
    st.markdown("**Retrieval**")
    table = pd.DataFrame({
        "task": rows["use"].map(lambda use: USES.get(use, use)),
        "A": [in_percent(value, 1) for value in rows["first"]],
        "B": [in_percent(value, 1) for value in rows["second"]],
        "A \N{MINUS SIGN} B": [in_points(value) for value in rows["difference"]],
        "95% CI": [points_interval(*ends) for ends in zip(rows["low"], rows["high"], strict=True)],
        "p": rows["p"].map(p_value),
    })  # fmt: skip
    tables.show_table(table, "pair-tasks")


def _layers(run: Run, a: str, b: str) -> None:
    rows = cache.computed(run, summaries.layers)
    rows = rows[rows["base"].isin([a, b]) & (rows["task"] == "fine")] if len(rows) else rows
    if rows.empty:
        return
    st.markdown("**Best layer for transformations**, selected on the validation set")
    last = rows.groupby("base")["layer"].transform("max")
    chosen = rows.assign(last=last)[rows["chosen"].astype(bool)]
    table = pd.DataFrame({
        "model": chosen["base"].map(model_title),
        "layer": [f"{layer} of {of}" for layer, of in zip(chosen["layer"], chosen["last"], strict=True)],
        "accuracy": [in_percent(value, 1) for value in chosen["value"]],
        "minus last layer": [
            f"{in_points(difference)} ({points_interval(low, high, 'no interval')})"
            for difference, low, high in chosen[["difference", "difference_low", "difference_high"]].to_numpy(float)
        ],
    })  # fmt: skip
    tables.show_table(table, "pair-layers")


def _thresholds(run: Run, a: str, b: str) -> None:
    rows = cache.computed(run, by_transform.thresholds_by_model)
    rows = rows[rows["model"].isin([a, b])] if len(rows) else rows
    if rows.empty:
        return
    lower = by_transform.lower_threshold(rows)
    different = {name: model for name, model in lower.items() if model}
    counts = [sum(model == which for model in different.values()) for which in (a, b)]
    st.markdown(
        f"**Detection thresholds**: A is significantly more sensitive to {counts[0]} and B to {counts[1]} of "
        f"{len(lower)} transformations"
    )
    if box := pickers.fold("Table of thresholds", "show-thresholds"):
        with box:
            tables.show_table(_threshold_table(rows, lower, a, b), "pair-thresholds")


def _threshold_table(rows: pd.DataFrame, lower: pd.Series, a: str, b: str) -> pd.DataFrame:
    text = {(row["transform"], row["model"]): _threshold(row) for row in rows.to_dict("records")}
    words = {a: "A", b: "B", "": "not significant"}
    order = sorted(lower.index, key=lambda name: (lower[name] == "", lower[name] == b))
    return pd.DataFrame({
        "transformation": [f"{named(name)} ({strength_axis(name)})" for name in order],
        "A": [text.get((name, a), "") for name in order],
        "B": [text.get((name, b), "") for name in order],
        "more sensitive": [words[lower[name]] for name in order],
    })  # fmt: skip


def _threshold(row: dict) -> str:
    number = strength_number(row["transform"], row["value"])
    if row["censored"] == "above":
        return "not detected"
    if row["censored"] == "below":
        return f"at most {number}" if not resolve(row["transform"]).falling else f"at least {number}"
    interval = interval_text(row["low"], row["high"], partial(strength_number, row["transform"]), "")
    return f"{number} ({interval})" if interval else number
