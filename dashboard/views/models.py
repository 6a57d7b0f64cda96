"""The "Models" page: rankings, comparisons of two models, claims and tasks."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.data import cache
from dashboard.data.strip import CORRECT, strip_of
from dashboard.page import page
from dashboard.text import hint, in_bold, plain
from dashboard.widgets import by_transformation, claims, comparison, messages, pickers, submissions, tables, uses
from probing_core.charts import Figure, Theme, ranking_chart, scatter_chart
from probing_core.measures import MEASURES
from probing_core.measures.notation import model_title, transform_title
from probing_core.measures.statistics import with_place
from probing_core.results import PicturesMissing, Run, summaries
from probing_core.results.ranking import (
    has_place,
    in_order,
    is_baseline,
    measure_of,
    ranking_of_probe,
    rows_of_probes,
    scores_of,
    standings,
)
from probing_core.results.sentences import about_probe_rows, beside_baselines, finding, models_in_words

MOST_ROWS = 18
"""Maximum number of models in the chart. The table below the chart contains all models."""

FAR_BELOW = 0.5
"""Models that score below all encoders by more than this fraction of the score range are omitted from the chart."""

STRIP_WIDTH = 107
"""Width in pixels of an image in the strip: seven images fit into a 1,280-pixel window, and three on a phone."""

LINEAR = "linear"
PROBES = {LINEAR: "Linear", "mlp": "MLP", "knn-5": "k-NN (5)", "knn-20": "k-NN (20)", "knn-50": "k-NN (50)"}
"""Kind of probe -> title."""

PARTS = {
    "ranking": "Ranking",
    "compare": "Compare two models",
    "transformations": "By transformation",
    "content": "Appearance vs. content",
    "claims": "Claims",
    "uses": "Which model for which task",
    "board": "Board",
}


@page("Models")
def show() -> None:
    run = cache.current_run()
    board = cache.board(run)
    if board.empty:
        messages.empty('This run has no scores yet. Resume the run on the "Evaluate your model" page.')
        return
    above = st.container()
    part, place = pickers.tab(PARTS)
    if part != "compare":  # this tab has its own finding
        with above:
            messages.finding(finding(board, len(run.classes("fine")), in_bold))
            if sentence := _baseline(run, board):
                st.markdown(sentence)
    shows = {
        "ranking": _ranking,
        "compare": comparison.show_comparison,
        "transformations": by_transformation.show_transformations,
        "content": _content,
        "claims": claims.show_claims,
        "uses": uses.show_tasks,
        "board": submissions.show_board,
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
    _ranking_chart(run)
    if box := pickers.fold(f"Table of {_all_models(run)}", "show-table"):
        with box:
            _table(run)


def _all_models(run: Run) -> str:
    """Format the number of scored models like the summary of the run, which does not count seeds as models."""
    names = list(cache.computed(run, scores_of, "fine", "seen")["model"])
    first = len(with_place(names))
    seeds = f" and {len(names) - first} additional seeds" if len(names) > first else ""
    return f"all {first} models{seeds}"


def _pick_probe(run: Run) -> str:
    """Show a menu of the kinds of probes with scores, say which share their training rows, and return the selection."""
    rows = cache.computed(run, rows_of_probes)
    present = {probe for probes in rows.values() for probe in probes}
    titles = {probe: title for probe, title in PROBES.items() if probe in present}
    if len(titles) < 2:
        return LINEAR
    probe: str = state.choice(
        st.segmented_control, "Probe", "probe", LINEAR, list(titles), format_func=titles.__getitem__, required=True
    )
    tested = "" if probe == LINEAR else " Differences between models are tested for linear probes only."
    st.caption(f"{plain(about_probe_rows(rows, titles))}{tested}")
    return probe


def _ranked(run: Run, probe: str) -> pd.DataFrame:
    return cache.with_baselines(run) if probe == LINEAR else cache.computed(run, ranking_of_probe, probe)


def _ranking_chart(run: Run) -> None:
    probe = _pick_probe(run)
    ranked = _ranked(run, probe)
    models = list(ranked.loc[has_place(ranked), "model"])
    measure = MEASURES.get(measure_of("seen")).title
    tables.chart(
        cache.computed(run, _ranking_figure, probe, f"{measure} (%)", cache.theme()),
        "ranking",
        ranked,
        f"{measure.capitalize()} of {min(MOST_ROWS, len(models))} models with 95% confidence intervals.",
        on_pick=_select,
    )
    first = comparison.first_clicked()
    hint_text = f"{plain(model_title(first))} is selected. Click a second model" if first else "Click two models"
    st.caption(f"{hint_text} to compare them. Error bars narrower than the marker are not visible.")
    _strip(run, comparison.pair_of(models) or models)


def _ranking_figure(run: Run, probe: str, measure: str, theme: Theme) -> Figure:
    ranked = _ranked(run, probe)
    lines = ranked[has_place(ranked)].head(MOST_ROWS)
    drawn = ranked[ranked["model"].isin(lines["model"]) | ranked["seed_of"].isin(lines["model"])]
    return ranking_chart(drawn, theme, measure)


def _select(mark: Any) -> None:
    if isinstance(mark, list):  # otherwise, it is the marker of an additional seed
        comparison.click(html.unescape(mark[-1]))


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
    others = {0: "No other model has", 1: "One other model has"}.get(higher, f"{higher} other models have")
    return (
        f"{in_bold(best['model'])} has the highest transformation accuracy of {models_in_words(encoders['model'])}. "
        f"{others} higher content accuracy (measured on clean images)."
    )


show()
