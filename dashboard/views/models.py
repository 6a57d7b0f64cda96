"""Models: which model encodes most about transformations, and what follows from it."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.data import cache
from dashboard.data.strip import RIGHT, strip_of
from dashboard.page import fragment, page
from dashboard.text import about_zoo, hint, in_bold, plain
from dashboard.widgets import claims, messages, pickers, tables, uses
from probing_core.charts import PERCENT, dots_chart, leaderboard_chart
from probing_core.measures import MEASURES
from probing_core.measures.notation import in_percent, model_title, transform_title
from probing_core.measures.statistics import with_place
from probing_core.results import PicturesMissing, Run, summaries
from probing_core.results.ranking import has_place, in_order, is_baseline, measure_of, scores_of, standings
from probing_core.results.sentences import about_trainings, beside_baselines, finding

MOST_ROWS = 12
"""Models that the chart shows; all others are in the table below it."""

RARELY = 0.5
"""Share of the untouched pictures that are named so, below which the page says why."""

STRIP_WIDTH = 107
"""Pixels of a picture of the strip: seven are a row of a window of 1,280, and three of a phone."""

ABOUT_MARKS = (
    "Bars are 95\N{NO-BREAK SPACE}% intervals; one that is narrower than its mark is hidden by it. Hollow: the data do "
    "not distinguish the model from the best one. Ticks: further trainings of the same model."
)

PARTS = {
    "ranking": "Ranking",
    "content": "Appearance vs. content",
    "claims": "Claims",
    "uses": "Which model for which task",
}


@page("Models", "Which model encodes most about transformations, and is the difference real?")
def show() -> None:
    run = cache.current_run()
    board = cache.board(run)
    if board.empty:
        messages.empty("No model has a score in this run yet; `probing run --out DIR` goes on with it.")
        return
    messages.finding(f"{finding(board, len(run.classes('fine')), in_bold)} {_baseline(run, board)}".rstrip())
    part, place = pickers.tab(PARTS)
    with place:
        {"ranking": _models, "content": _substance, "claims": claims.show_claims, "uses": uses.show_cards}[part](run)


def _models(run: Run) -> None:
    _strip(run, list(cache.board(run)["model"]))
    _ranking(run)


def _baseline(run: Run, board: pd.DataFrame) -> str:
    scored = scores_of(run, "fine", "seen")
    baselines = scored[is_baseline(scored["model"])].sort_values("value", ascending=False)
    if baselines.empty or is_baseline(board["model"]).any():
        return ""
    return beside_baselines(board, baselines, in_bold)


def _strip(run: Run, models: list[str]) -> None:
    chosen = cache.computed(run, strip_of, tuple(with_place(models)))
    if chosen is None:
        return
    samples, by_model = chosen
    try:
        pictures = cache.pictures(run, cache.described(run, samples))
    except PicturesMissing:
        return
    letters = dict(zip("AB", by_model, strict=False))
    whose = " and ".join(f"**{letter}** from the embedding of {plain(model_title(m))}" for letter, m in letters.items())
    half = " and B about half of the time" if "B" in letters else ""
    st.caption(
        f"In bold, what was done to a photograph. Below it, what a probe answers: {whose}. A probe sees nothing but "
        f"the embedding. This is a test picture where A is mostly right{half}."
    )
    rows = zip(pictures, samples["truth"].astype(str), samples["sample"], strict=True)
    with st.container(horizontal=True, gap="xsmall", key="strip"):
        for picture, truth, sample in rows:
            with st.container(width=STRIP_WIDTH, gap="xxsmall"):
                st.image(picture, width=STRIP_WIDTH, alt=f"a photograph, {transform_title(truth)}")
                named = {letter: by_model[model][sample] for letter, model in letters.items()}
                said = [f"{a} {RIGHT if name == truth else plain(transform_title(name))}" for a, name in named.items()]
                st.caption("  \n".join([f"**{plain(transform_title(truth))}**", *said]))


@fragment
def _ranking(run: Run) -> None:
    board, scored = cache.board(run), scores_of(run, "fine", "seen")
    baselines = scored[is_baseline(scored["model"])].sort_values("value", ascending=False)
    shown = board
    if len(baselines) and not is_baseline(board["model"]).any():
        # The best baseline stays visible, since no embedding needs to learn it.
        shown = in_order(pd.concat([board, baselines.head(1).assign(p=np.nan, apart=True)], ignore_index=True))
    lines = shown[has_place(shown)].head(MOST_ROWS)
    left_out = [model for model in with_place(scored["model"]) if model not in set(lines["model"])]
    shown = shown[shown["model"].isin(lines["model"]) | shown["seed_of"].isin(lines["model"])]
    measure = MEASURES.get(measure_of("seen"))
    models = list(dict.fromkeys([*board.loc[has_place(board), "model"], *baselines["model"]]))
    left, right = st.columns([3, 2])
    with right:  # before the first chart, which writes the address: each change of it is a step of the back button
        model = pickers.pick_model(run, models)
    with left:
        tables.chart(
            leaderboard_chart(shown, cache.theme(), f"{measure.title} (%)"),
            "leaderboard",
            board,
            f"{measure.title.capitalize()} of {len(lines)} models with intervals.",
            on_pick=_choose,
        )
        out = f" Not drawn: {plain(', '.join(map(model_title, left_out)))}." if left_out else ""
        st.caption(
            f"{measure.definition} {ABOUT_MARKS} {about_trainings(shown)}{out} Choose a mark to see its groups. "
            f"{about_zoo(shown['model'])}"
        )
    with right:
        _model(run, model)
    words = f"All {len(scored)} as a table: encoders, baselines and further trainings"
    if box := pickers.fold(words, "show-table"):
        with box:
            _table(run, scored, board, measure.definition)


def _choose(mark: Any) -> None:
    if isinstance(mark, list):  # a tick of a further training has no groups here
        state.choose("model", html.unescape(mark[-1]))


def _model(run: Run, model: str) -> None:
    rows = cache.computed(run, summaries.by_group, (model,))
    if rows.empty:
        messages.empty("This model has no scores by group at the task fine.")
        return
    rows = rows.sort_values("value", ascending=False)
    groups = rows["group"].replace("identity", "untouched")
    figure = dots_chart(
        tables.as_percent(rows).assign(name=groups, series="recognized"),
        cache.theme(),
        "exact transformation named (%); dotted: chance",
        dict(zip(groups, rows["group"], strict=True)),
        marks=[100 / len(run.classes("fine"))],
        ends=PERCENT,
    )
    tables.chart(figure, "groups", rows, f"Share of each group's samples whose transformation {model} names.")
    if (rows.loc[rows["group"] == "identity", "value"] < RARELY).any():
        st.caption(
            f"To this probe, *untouched* is one class of {len(run.classes('fine'))} like every other, and an untouched "
            "picture looks like one of many faint alterations: so it is named rarely. Whether a picture was altered at "
            "all is another question, which the page Try your images answers."
        )
    selectivity = summaries.pick(cache.study(run, "selectivity"), model=model)
    if "control" in selectivity and len(selectivity):
        task, control = (in_percent(float(selectivity[name].iloc[0])) for name in ("accuracy", "control"))
        st.caption(
            f"Selectivity: a probe that learns what was done is right in {task}, one of the same size that learns "
            f"arbitrary labels in {control}. The difference is due to the embedding and not to the probe's own memory. "
            f"Both are tested on {int(selectivity['images'].iloc[0])} images, fewer than the scores on this page."
        )


def _table(run: Run, scored: pd.DataFrame, board: pd.DataFrame, definition: str) -> None:
    every = in_order(scored)
    visible = scores_of(run, "fine", "visible").set_index("model")["value"]
    table = pd.DataFrame(
        {
            "title": [model_title(model) for model in every["model"]],
            "score": every["value"],
            "low": every["low"],
            "high": every["high"],
            "visible": every["model"].map(visible),
            "against": standings(every, board),
            "objective": every["objective"],
            "model": every["model"],
        }
    )
    tables.show_table(
        table,
        "leaderboard-table",
        column_config={
            "title": st.column_config.TextColumn("name", width=290),
            "against": st.column_config.TextColumn("against the best", width=190, help=hint("not distinguished")),
            "objective": None,
            "model": None,
        },
        percent={
            "score": ("score (%)", definition),
            "low": ("from (%)", hint("interval")),
            "high": ("to (%)", hint("interval")),
            "visible": ("visible (%)", f"The same over fewer samples. {hint('visible')}"),
        },
    )


def _substance(run: Run) -> None:
    points = cache.computed(run, summaries.substance)
    if points.empty:
        messages.empty("This run scores no content: that takes photographs with labels; the reference run has them.")
        return
    shown = points[points["model"].isin(with_place(points["model"]))].sort_values("style", ascending=False)
    shown = shown.assign(name=shown["model"].map(model_title))
    dots = [
        shown.rename(columns={what: "value", f"{what}_low": "low", f"{what}_high": "high"}).assign(series=series)
        for what, series in (("style", "what was done"), ("content", "what is shown"))
    ]
    figure = dots_chart(tables.as_percent(pd.concat(dots)), cache.theme(), "balanced accuracy (%)", ends=PERCENT)
    tables.chart(figure, "substance", points, "Content accuracy and transformation accuracy, by model.")
    levels = summaries.pick(run.scores, subset="seen", measure="balanced-accuracy").groupby("task")["chance"].first()
    st.caption(
        "Filled: names which transformation was applied. Hollow: names what is in an untouched picture, by the label "
        f"of its corpus; guessing gives {in_percent(levels['fine'])} and {in_percent(levels['content'])}. Bars are "
        f"95\N{NO-BREAK SPACE}% intervals. "
        f"{cache.computed(run, summaries.content_classes)} {about_zoo(shown['model'])}"
    )


show()
