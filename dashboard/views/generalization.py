"""The "Generalization" page: unseen transformations and styles, embedding shift, and fractions of variance."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.data import cache
from dashboard.page import page
from dashboard.text import in_bold, named, plain
from dashboard.widgets import messages, pickers, tables
from probing_core.charts import Figure, Theme, dots_chart, transformation_scatter, variance_chart
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
"""Range of percentage axes, with space for labels next to marks at 0 and 100."""

MOST_LOSSES = 15
"""Maximum number of transformations in the chart of one model."""


@page("Generalization")
def show() -> None:
    run = messages.run_with_models()
    part, place = pickers.tab(PARTS)
    with place:
        show_part = {"unseen": _unseen, "styles": _styles, "shift": _shift, "variance": _variance}
        show_part[part](run)


def _best(run: Run) -> str:
    """Return the name of the best model, or an empty string if there is no ranking."""
    board = cache.board(run)
    return str(board["model"].iloc[0]) if len(board) else ""


def _chance(run: Run) -> float:
    return 1 / len(run.classes("group"))


def _unseen(run: Run) -> None:
    rates = cache.computed(run, generalization.generalization_rates)
    subset_rows = rates[rates["subset"].isin([SEEN, UNSEEN])]
    if not (subset_rows["subset"] == UNSEEN).any():
        messages.empty(
            "This run has no held-out transformations, which require groups of at least two transformations. The "
            "reference run contains held-out transformations."
        )
        return
    averaged = encoders_of(subset_rows)
    means = averaged.groupby("subset")["value"].mean()
    messages.finding(
        f"Group recall is **{100 * (means[SEEN] - means[UNSEEN]):.1f} percentage points** lower for transformations "
        f"that were not used to train the probe: {in_percent(means[UNSEEN], 1)} instead of "
        f"{in_percent(means[SEEN], 1)}, averaged over {models_in_words(averaged['model'].drop_duplicates())}."
    )
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**By model**", help=MEASURES.get("group-hit-rate").definition)
        figure = cache.computed(run, _by_model, (SEEN, UNSEEN), "group recall (%)", UNSEEN, cache.theme())
        tables.chart(figure, "models", subset_rows, "Group recall of each model for seen and unseen transformations.")
    with right:
        model = pickers.pick_model(run, list(dict.fromkeys(subset_rows["model"])), default=_best(run))
        points = cache.computed(run, summaries.members, model)
        if len(points):
            figure = cache.computed(run, _losses, model, cache.theme())
            title = "Group recall of each transformation, when seen and when unseen in training."
            tables.chart(figure, "members", points, title)
    st.caption(
        "Each transformation is held out in one of three folds. The right chart shows the largest decreases. Error "
        "bars: 95% CI."
    )


def _styles(run: Run) -> None:
    rates = cache.computed(run, generalization.generalization_rates)
    rows = rates[rates["subset"].isin([STYLES_SEEN, STYLES_UNSEEN, CLEAN])]
    chance = _chance(run)
    above, count = generalization.above_chance(rates, chance)
    if not count:
        messages.empty("This run has no unseen styles. The reference run contains unseen styles.")
        return
    kind = "baseline" if is_baseline(rows["model"]).all() else "encoder"
    who = f"The probes of **{above} of {count} {kind}s** identify" if above else f"**No {kind}'s** probe identifies"
    messages.finding(f"{who} unseen styles better than chance ({in_percent(chance, 1)}).")
    subsets, title = (STYLES_SEEN, STYLES_UNSEEN, CLEAN), "images classified as style (%)"
    figure = cache.computed(run, _by_model, subsets, title, STYLES_UNSEEN, cache.theme())
    tables.chart(figure, "styles", rows, "Percentage of images classified as style, by model.")
    st.caption(
        "Unseen styles are other styles of the style transfer network used in training, and styles of a second "
        "network. A high percentage on clean images indicates a bias toward predicting style."
    )


def _by_model(run: Run, subsets: tuple[str, ...], title: str, by: str, theme: Theme) -> Figure:
    """Plot the rates of each model in ``subsets``, sorted by the rate in the subset ``by``."""
    rates = cache.computed(run, generalization.generalization_rates)
    rows = rates[rates["subset"].isin(subsets)]
    order = rows[rows["subset"] == by].sort_values("value", ascending=False, kind="stable")["model"].tolist()
    sorted_rows = rows[rows["model"].isin(order)].sort_values("model", key=lambda c: c.map(order.index), kind="stable")
    dots = tables.as_percent(sorted_rows).assign(
        name=sorted_rows["model"].map(model_title), series=sorted_rows["subset"]
    )
    return dots_chart(
        dots, theme, title, marks={"chance": 100 * _chance(run)}, ends=ENDS, series=subsets, has_values=True
    )


def _losses(run: Run, model: str, theme: Theme) -> Figure:
    """Plot the group recall of each transformation for probes that were trained on it and for probes that were not.

    Only the recall of probes that were not trained on the transformation has a confidence interval.
    """
    points = cache.computed(run, summaries.members, model)
    gaps = summaries.gaps(points).head(MOST_LOSSES)
    points = points[points["transform"].isin(gaps["transform"])]
    unseen = points[points["unseen"]]
    seen_dots = unseen.drop(columns=["value", "low", "high"]).merge(gaps[["transform", "seen"]], on="transform")
    dots_rows = pd.concat([_dots(seen_dots.rename(columns={"seen": "value"}), SEEN), _dots(unseen, UNSEEN)])
    order = {transform: place for place, transform in enumerate(gaps["transform"])}
    dots = dots_rows.sort_values("transform", key=lambda names: names.map(order), kind="stable")
    return dots_chart(
        dots,
        theme,
        "group recall (%)",
        dict(zip(dots["name"], dots["group"], strict=True)),
        marks={"chance": 100 * _chance(run)},
        ends=ENDS,
        series=(SEEN, UNSEEN),
        has_values=True,
    )


def _dots(points: pd.DataFrame, series: str) -> pd.DataFrame:
    """Convert a table of fractions by transformation to the input format of `dots_chart`."""
    return tables.as_percent(points).assign(name=points["transform"].map(named), series=series)


def _shift(run: Run) -> None:
    model = pickers.pick_model(run, default=_best(run))
    points = cache.computed(run, summaries.shifts, model)
    if points.empty:
        messages.empty(tables.why_none(run))
        return
    messages.finding(sentences.shift_finding(points, in_bold(model)))
    st.markdown(f"**Recall and embedding shift** of each transformation: {plain(model_title(model))}")
    figure = transformation_scatter(
        points.assign(name=points["transform"].map(named)),
        cache.theme(),
        ("value", "value_recall"),
        ("embedding shift<br>(1 = mean distance between two photographs)", "recall (%)"),
    )
    tables.chart(figure, "shift", points, f"Recall and embedding shift of each transformation for {model}.")
    st.caption("Colors show groups. Clean images also shift, because crops have different sub-pixel offsets.")


def _variance(run: Run) -> None:
    rows = cache.study(run, "variance")
    if rows.empty:
        messages.empty(tables.why_none(run))
        return
    model_rows = rows[rows["model"].isin(with_place(rows["model"]))]
    appearance = encoders_of(model_rows[model_rows["part"] == "look"]).sort_values("value", kind="stable")
    least, most = appearance.iloc[0], appearance.iloc[-1]
    messages.finding(
        f"Appearance explains {in_percent(least['value'])} to {in_percent(most['value'])} of the embedding variance of "
        f"{models_in_words(appearance['model'])}, most for {in_bold(str(most['model']))}."
    )
    st.markdown("**Fractions of the embedding variance** by model")
    order = model_rows[model_rows["part"] == "content"].sort_values("value", ascending=False)["model"].tolist()
    drawn = model_rows[model_rows["model"].isin(order)].sort_values(
        "model", key=lambda c: c.map(order.index), kind="stable"
    )
    tables.chart(
        variance_chart(drawn, cache.theme()), "variance", rows, "Fractions of the embedding variance by model."
    )
    st.caption(
        "Content: variation between photographs. Appearance: variation between transformations, including clean."
    )


show()
