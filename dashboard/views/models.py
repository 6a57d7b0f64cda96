"""The "Models" page: rankings, comparisons of two models, claims and tasks."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.data import cache
from dashboard.data.strip import CORRECT, strip_of
from dashboard.page import fragment, page
from dashboard.text import hint, in_bold, named, plain
from dashboard.widgets import by_transformation, claims, messages, pickers, tables, uses
from probing_core.charts import Figure, Theme, difference_chart, ranking_chart, scatter_chart
from probing_core.measures import MEASURES
from probing_core.measures.notation import BASELINE, in_points, model_title, p_value, transform_title
from probing_core.measures.statistics import SIGNIFICANCE, with_place
from probing_core.results import PicturesMissing, Run, summaries, two_models
from probing_core.results.ranking import (
    has_place,
    in_order,
    is_baseline,
    measure_of,
    scores_of,
    standings,
)
from probing_core.results.sentences import beside_baselines, finding, models_in_words

MOST_ROWS = 18
"""Maximum number of models in the chart. The table below the chart contains all models."""

MOST_DIFFERENCES = 8
"""Maximum number of classes in the chart that compares two models."""

FAR_BELOW = 0.5
"""Models that score below all encoders by more than this fraction of the score range are omitted from the chart."""

STRIP_WIDTH = 107
"""Width in pixels of an image in the strip: seven images fit into a 1,280-pixel window, and three on a phone."""

PARTS = {
    "ranking": "Ranking",
    "transformations": "By transformation",
    "content": "Appearance vs. content",
    "claims": "Claims",
    "uses": "Which model for which task",
}


@page("Models")
def show() -> None:
    run = cache.current_run()
    board = cache.board(run)
    if board.empty:
        messages.empty('This run has no scores yet. Resume the run on the "Evaluate your model" page.')
        return
    messages.finding(f"{finding(board, len(run.classes('fine')), in_bold)} {_baseline(run, board)}".rstrip())
    part, place = pickers.tab(PARTS)
    shows = {
        "ranking": _ranking,
        "transformations": by_transformation.show_transformations,
        "content": _content,
        "claims": claims.show_claims,
        "uses": uses.show_tasks,
    }
    with place:
        shows[part](run)


def _baseline(run: Run, board: pd.DataFrame) -> str:
    baselines = _baselines(run)
    if baselines.empty or is_baseline(board["model"]).any():
        return ""
    return beside_baselines(board, baselines, in_bold)


def _baselines(run: Run) -> pd.DataFrame:
    scored = cache.computed(run, scores_of, "fine", "seen")
    return scored[is_baseline(scored["model"])].sort_values("value", ascending=False)


def _ranking(run: Run) -> None:
    _ranking_and_pair(run)
    if box := pickers.fold(f"Table of {_all_models(run)}", "show-table"):
        with box:
            _table(run)


def _all_models(run: Run) -> str:
    """Format the number of scored models like the summary of the run, which does not count seeds as models."""
    names = list(cache.computed(run, scores_of, "fine", "seen")["model"])
    first = len(with_place(names))
    seeds = f" and {len(names) - first} additional seeds" if len(names) > first else ""
    return f"all {first} models{seeds}"


@fragment
def _ranking_and_pair(run: Run) -> None:
    ranked = cache.with_baselines(run)
    models = list(ranked.loc[has_place(ranked), "model"])
    left, right = st.columns([3, 2], gap="medium")
    pair = None
    with right:  # before the first chart writes the URL, because each change adds an entry to the browser history
        if len(models) > 1:
            pair = _pick_pair(run, models)
    with left:
        measure = MEASURES.get(measure_of("seen")).title
        tables.chart(
            cache.computed(run, _ranking_figure, f"{measure} (%)", cache.theme()),
            "ranking",
            ranked,
            f"{measure.capitalize()} of {min(MOST_ROWS, len(models))} models with 95% confidence intervals.",
            on_pick=lambda mark: _select(mark, pair),
        )
        st.caption("Click a model to compare it. Error bars narrower than the marker are not visible.")
    if pair is not None:
        with right:
            _pair(run, *pair)
    _strip(run, pair or models)


def _ranking_figure(run: Run, measure: str, theme: Theme) -> Figure:
    ranked = cache.with_baselines(run)
    lines = ranked[has_place(ranked)].head(MOST_ROWS)
    drawn = ranked[ranked["model"].isin(lines["model"]) | ranked["seed_of"].isin(lines["model"])]
    return ranking_chart(drawn, theme, measure)


def _pick_pair(run: Run, models: list[str]) -> tuple[str, str]:
    titles = {model: model_title(model) for model in models}
    stored = state.stored_choices("models", models)
    encoders = [model for model in models if not model.startswith(BASELINE)]
    first, second = list(dict.fromkeys([*stored, *encoders, *models]))[:2]
    left, right = st.columns(2)
    a = pickers.select("Model A", "a", models, first, titles, where=left)
    b = pickers.select("Model B", "b", models, second, titles, where=right)
    return a, b


def _select(mark: Any, pair: tuple[str, str] | None) -> None:
    """Select the clicked model as model A, and the previous model A as model B."""
    if not isinstance(mark, list) or pair is None:  # a marker of an additional seed
        return
    clicked = html.unescape(mark[-1])
    if clicked != pair[0]:
        state.choose("a", clicked)
        state.choose("b", pair[0])


def _pair(run: Run, a: str, b: str) -> None:
    if a == b:
        messages.empty("Select two different models to compare them.")
        return
    gap = cache.computed(run, two_models.accuracy_difference, a, b)
    p = two_models.p_of_pair(cache.computed(run, two_models.pairwise_p), a, b)
    st.markdown(_pair_finding(a, b, gap.value, gap.low, gap.high, p))
    st.caption(_seed_spread(run, a, b, gap.value), help=hint("pair"))
    rows = cache.computed(run, two_models.recall_differences, a, b)
    if rows.empty:
        return
    count = min(MOST_DIFFERENCES, len(rows))
    st.markdown(f"**Classes with the largest differences in recall** ({count} of {len(rows)})")
    figure = cache.computed(run, _difference_figure, a, b, cache.theme())
    tables.chart(figure, "pair", rows, f"Recall of {model_title(a)} minus recall of {model_title(b)}, by class.")


def _difference_figure(run: Run, a: str, b: str, theme: Theme) -> Figure:
    rows = cache.computed(run, two_models.recall_differences, a, b)
    styles = theme.model_styles([a, b])
    return difference_chart(
        rows.head(MOST_DIFFERENCES).assign(name=rows["transform"].map(named)),
        theme,
        "recall of A minus recall of B (percentage points)",
        ("A", "B"),
        (styles[a].color, styles[b].color),
    )


def _pair_finding(a: str, b: str, value: float, low: float, high: float, p: float) -> str:
    interval = f"95% CI {in_points(low)} to {in_points(high)}" if np.isfinite(low) else "no interval"
    tested = "" if np.isnan(p) else f", {p_value(p)}"
    if np.isnan(p):
        verdict = f"The difference between {in_bold(a)} and {in_bold(b)} was not tested."
    elif p < SIGNIFICANCE:
        better, worse = (a, b) if value >= 0 else (b, a)
        verdict = f"{in_bold(better)} is more accurate than {in_bold(worse)}."
    else:
        verdict = f"{in_bold(a)} and {in_bold(b)} are not significantly different."
    return f"{verdict} A \N{MINUS SIGN} B: **{in_points(value)} percentage points**, {interval}{tested}."


def _seed_spread(run: Run, a: str, b: str, difference: float) -> str:
    spreads = {model: cache.computed(run, two_models.seed_spread, model) for model in (a, b)}
    lines = [
        f"{plain(model_title(model))}: {100 * spread.width:.1f} percentage points over {spread.count} seeds"
        for model, spread in spreads.items()
        if spread.count > 1
    ]
    if not lines:
        return "Only one training seed is available for each of these models."
    text = f"Accuracy range over training seeds: {'; '.join(lines)}."
    if max(spread.width for spread in spreads.values()) >= abs(difference) > 0:
        text += " The range of at least one model is as large as the difference between the models."
    return text


def _strip(run: Run, models: Sequence[str]) -> None:
    """Show one photograph under several transformations with the predictions of one or two models."""
    selected = cache.computed(run, strip_of, tuple(models))
    if selected is None:
        return
    samples, by_model = selected
    try:
        pictures = cache.pictures(run, samples)
    except PicturesMissing:
        return
    letters = dict(zip(("A", "B"), by_model, strict=False))
    st.subheader("Predictions of A and B for one photograph")
    st.caption("; ".join(f"{number}: {plain(model_title(model))}" for number, model in letters.items()))
    rows = zip(pictures, samples["truth"].astype(str), samples["sample"], strict=True)
    with st.container(horizontal=True, gap="xsmall", key="strip"):
        for picture, truth, sample in rows:
            with st.container(width=STRIP_WIDTH, gap="xxsmall"):
                st.image(picture, width=STRIP_WIDTH, alt=f"Photograph: {transform_title(truth)}")
                named_by = {number: by_model[model][sample] for number, model in letters.items()}
                lines = [
                    f"{number} {CORRECT if name == truth else plain(transform_title(name))}"
                    for number, name in named_by.items()
                ]
                st.caption("  \n".join([f"**{plain(transform_title(truth))}**", *lines]))


def _table(run: Run) -> None:
    scored, board = cache.computed(run, scores_of, "fine", "seen"), cache.board(run)
    every = in_order(scored)
    visible = cache.computed(run, scores_of, "fine", "visible").set_index("model")["value"]
    selectivity = cache.study(run, "selectivity")
    selective = selectivity.set_index("model")["value"] if len(selectivity) else pd.Series(dtype=float)
    table = pd.DataFrame(
        {
            "title": [model_title(model) for model in every["model"]],
            "score": every["value"],
            "low": every["low"],
            "high": every["high"],
            "visible": every["model"].map(visible),
            "selectivity": every["model"].map(selective),
            "against": standings(every, board),
            "objective": every["objective"],
            "model": every["model"],
        }
    )
    tables.show_table(
        table,
        "ranking-table",
        column_config={
            "title": st.column_config.TextColumn("Model", width=270),
            "against": st.column_config.TextColumn("Compared with best model", width=190, help=hint("against best")),
            "objective": None,
            "model": None,
        },
        percent={
            "score": ("Accuracy (%)", MEASURES.get(measure_of("seen")).definition),
            "low": ("95% CI low (%)", hint("interval")),
            "high": ("95% CI high (%)", hint("interval")),
            "visible": ("Accuracy on visible edits (%)", hint("visible")),
            "selectivity": ("Selectivity (percentage points)", hint("selectivity")),
        },
    )


def _content(run: Run) -> None:
    points = cache.computed(run, summaries.substance)
    if points.empty:
        messages.empty(
            "This run has no content scores, which require labeled photographs. The reference run contains "
            "content scores."
        )
        return
    placed = points[points["model"].isin(with_place(points["model"]))]
    levels = summaries.pick(run.scores, subset="seen", measure="balanced-accuracy").groupby("task")["chance"].first()
    encoders = placed[~is_baseline(placed["model"])]
    room = FAR_BELOW * (placed["style"].max() - encoders["style"].min())
    drawn = placed[placed["style"] >= encoders["style"].min() - room] if len(encoders) > 1 else placed
    figure = scatter_chart(
        drawn,
        cache.theme(),
        "content",
        "style",
        (
            f"content accuracy (%), chance: {100 * levels['content']:.1f}%",
            f"transformation accuracy (%), chance: {100 * levels['fine']:.1f}%",
        ),
    )
    st.markdown(_content_finding(run, drawn))
    tables.chart(figure, "content", points, "Transformation accuracy and content accuracy of each model.")
    out = [model_title(model) for model in placed["model"] if model not in set(drawn["model"])]
    omitted = f" Not shown because of low accuracy: {plain(', '.join(out))}." if out else ""
    st.caption(f"Squares: untrained baselines. {cache.computed(run, summaries.content_classes)}{omitted}")


def _content_finding(run: Run, points: pd.DataFrame) -> str:
    encoders = points[~is_baseline(points["model"])]
    encoders = encoders if len(encoders) > 1 else points
    best = encoders.sort_values("style").iloc[-1]
    higher = int((encoders["content"] > best["content"]).sum())
    return (
        f"{in_bold(best['model'])} has the highest transformation accuracy of {models_in_words(encoders['model'])}. "
        f"Content accuracy, which is measured on clean images, is higher for {higher or 'none'} of the other models."
    )


show()
