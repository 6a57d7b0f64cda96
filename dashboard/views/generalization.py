"""Generalization: unseen transformations and styles, and how far each transformation shifts an embedding."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.data import cache
from dashboard.page import page
from dashboard.text import in_bold, named, plain
from dashboard.widgets import messages, pickers, tables
from probing_core.charts import Figure, dots_chart, transformation_scatter, variance_chart
from probing_core.measures import MEASURES
from probing_core.measures.notation import in_percent, model_title
from probing_core.measures.statistics import with_place
from probing_core.results import Run, generalization, sentences, summaries
from probing_core.results.generalization import CLEAN, SEEN, STYLES_SEEN, STYLES_UNSEEN, UNSEEN
from probing_core.results.ranking import encoders_of, is_baseline
from probing_core.results.sentences import models_in_words

PARTS = {
    "unseen": "Unseen transformations",
    "styles": "Unseen styles",
    "shift": "Embedding shift",
    "variance": "Fractions of variance",
}

ENDS = (-10.0, 110.0)
"""Range of percentage axes, with space for values next to marks at 0 and 100."""

MOST_LOSSES = 15
"""Maximum number of transformations that the chart of one model shows."""


@page("Generalization")
def show() -> None:
    run = messages.run_with_models()
    part, place = pickers.tab(PARTS)
    with place:
        show_part = {"unseen": _unseen, "styles": _styles, "shift": _shift, "variance": _variance}
        show_part[part](run)


def _best(run: Run) -> str:
    """Return the name of the best model; empty if there is none."""
    board = cache.board(run)
    return str(board["model"].iloc[0]) if len(board) else ""


def _chance(run: Run) -> float:
    return 1 / len(run.classes("group"))


def _unseen(run: Run) -> None:
    rates = cache.computed(run, generalization.generalization_rates)
    subset_rows = rates[rates["subset"].isin([SEEN, UNSEEN])]
    if not (subset_rows["subset"] == UNSEEN).any():
        messages.empty(
            "This run has no held-out transformations. They need groups of at least two transformations. The reference "
            "run has them."
        )
        return
    averaged = encoders_of(subset_rows)
    means = averaged.groupby("subset")["value"].mean()
    messages.finding(
        f"Recognition of the group drops by **{100 * (means[SEEN] - means[UNSEEN]):.1f} percentage points** if the "
        f"probe has not seen the transformation: {in_percent(means[SEEN], 1)} to {in_percent(means[UNSEEN], 1)}, mean "
        f"over {models_in_words(averaged['model'].drop_duplicates())}."
    )
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**By model**", help=MEASURES.get("group-hit-rate").definition)
        figure = _by_model(run, subset_rows, (SEEN, UNSEEN), "group recognized (%)")
        tables.chart(figure, "models", subset_rows, "Group recognized by model, for seen and unseen transformations.")
    with right:
        model = pickers.pick_model(run, list(dict.fromkeys(subset_rows["model"])), default=_best(run))
        points = cache.computed(run, summaries.members, model)
        if len(points):
            gaps = summaries.gaps(points)
            figure = _losses(points, gaps.head(MOST_LOSSES), _chance(run))
            title = "Group recognized by transformation, when it was seen and when it was not."
            tables.chart(figure, "members", points, title)
    st.caption("Each transformation is held out in one of three folds. Right: the largest losses. Bars: 95% CI.")


def _styles(run: Run) -> None:
    rates = cache.computed(run, generalization.generalization_rates)
    rows = rates[rates["subset"].isin([STYLES_SEEN, STYLES_UNSEEN, CLEAN])]
    chance = _chance(run)
    below, count = generalization.below_chance(rates, chance)
    if not count:
        messages.empty("This run has no unseen styles. The reference run has them.")
        return
    kind = "models" if is_baseline(rows["model"]).all() else "encoders"
    messages.finding(
        f"On unseen styles, **{below} of {count} {kind}** do worse than random guessing: they predict style for fewer "
        f"than {in_percent(chance, 1)} of these images."
    )
    figure = _by_model(run, rows, (STYLES_SEEN, STYLES_UNSEEN, CLEAN), "images predicted as style (%)", STYLES_UNSEEN)
    tables.chart(figure, "styles", rows, "Images predicted as style by model.")
    st.caption(
        "Unseen styles: different networks and paintings. A high rate on clean images indicates a bias "
        "toward predicting style."
    )


def _by_model(run: Run, rows: pd.DataFrame, subsets: tuple[str, ...], title: str, by: str = UNSEEN) -> Figure:
    order = rows[rows["subset"] == by].sort_values("value", ascending=False, kind="stable")["model"].tolist()
    sorted_rows = rows[rows["model"].isin(order)].sort_values("model", key=lambda c: c.map(order.index), kind="stable")
    dots = tables.as_percent(sorted_rows).assign(
        name=sorted_rows["model"].map(model_title), series=sorted_rows["subset"]
    )
    return dots_chart(
        dots, cache.theme(), title, marks={"chance": 100 * _chance(run)}, ends=ENDS, series=subsets, has_values=True
    )


def _losses(points: pd.DataFrame, gaps: pd.DataFrame, chance: float) -> Figure:
    """Draw the recall of each transformation if seen in training (a mean without an interval) and if not."""
    points = points[points["transform"].isin(gaps["transform"])]
    unseen = points[points["unseen"]]
    seen_dots = unseen.drop(columns=["value", "low", "high"]).merge(gaps[["transform", "seen"]], on="transform")
    dots_rows = pd.concat([_dots(seen_dots.rename(columns={"seen": "value"}), SEEN), _dots(unseen, UNSEEN)])
    order = {transform: place for place, transform in enumerate(gaps["transform"])}
    dots = dots_rows.sort_values("transform", key=lambda names: names.map(order), kind="stable")
    return dots_chart(
        dots,
        cache.theme(),
        "group recognized (%)",
        dict(zip(dots["name"], dots["group"], strict=True)),
        marks={"chance": 100 * chance},
        ends=ENDS,
        series=(SEEN, UNSEEN),
        has_values=True,
    )


def _dots(points: pd.DataFrame, series: str) -> pd.DataFrame:
    """Return fractions by transformation in the format of `dots_chart`."""
    return tables.as_percent(points).assign(name=points["transform"].map(named), series=series)


def _shift(run: Run) -> None:
    model = pickers.pick_model(run, default=_best(run))
    points = cache.computed(run, summaries.shifts, model)
    if points.empty:
        messages.empty(tables.why_none(run))
        return
    messages.finding(sentences.shift_finding(points, in_bold(model)))
    st.markdown(f"**Recall against embedding shift** of each transformation: {plain(model_title(model))}")
    figure = transformation_scatter(
        points.assign(name=points["transform"].map(named)),
        cache.theme(),
        ("value", "value_recall"),
        ("embedding shift<br>(1 = mean distance between two photographs)", "recall (%)"),
    )
    tables.chart(figure, "shift", points, f"Recall against embedding shift of each transformation in {model}.")
    st.caption("Color: group. Clean images shift, too: each version is cropped with a sub-pixel offset.")


def _variance(run: Run) -> None:
    rows = cache.study(run, "variance")
    if rows.empty:
        messages.empty(tables.why_none(run))
        return
    model_rows = rows[rows["model"].isin(with_place(rows["model"]))]
    appearance = encoders_of(model_rows[model_rows["part"] == "look"]).sort_values("value", kind="stable")
    least, most = appearance.iloc[0], appearance.iloc[-1]
    messages.finding(
        f"Appearance explains {in_percent(least['value'])} to {in_percent(most['value'])} of the variance of "
        f"the embeddings of {models_in_words(appearance['model'])}, the most in {in_bold(str(most['model']))}."
    )
    st.markdown("**Fractions of the variance of embeddings** by model")
    order = model_rows[model_rows["part"] == "content"].sort_values("value", ascending=False)["model"].tolist()
    drawn = model_rows[model_rows["model"].isin(order)].sort_values(
        "model", key=lambda c: c.map(order.index), kind="stable"
    )
    tables.chart(variance_chart(drawn, cache.theme()), "variance", rows, "Fractions of the variance by model.")
    st.caption(
        "Content: shared by all versions of a photograph. Appearance: shared by all photographs under a transformation."
    )


show()
