"""Overview: which model leads, at which task, and which do not differ significantly."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.components.tour import tour
from dashboard.data import cache
from dashboard.data.two_classes import TWO
from dashboard.page import page
from dashboard.text import ALTERED_AT_ALL, hint
from dashboard.views.leaderboard import best_first, show_finding, show_leaderboard
from dashboard.widgets import messages, pickers, tables, uses
from dashboard.widgets.claims import show_claims
from probing_core.charts import profile_chart, substance_chart
from probing_core.measures import MEASURES
from probing_core.measures.notation import in_percent
from probing_core.results import Run, summaries
from probing_core.results.ranking import is_baseline, seed_of

SELDOM = 0.5  # share of untouched pictures named as such below which the page says why it is low

INTRODUCTION = (
    "An image embedding is used for what is in a picture. This shows what else it holds: transformations are applied "
    "to photographs, and small probes must recognize from the embedding alone which one it was."
)


@page("What does your image embedding know?")
def show() -> None:
    run = cache.current_run()
    show_finding(run)
    st.markdown(f"{INTRODUCTION} {_facts(run)}")
    tour("Overview")
    uses.show_cards(run)
    show_leaderboard(run)
    models = best_first(run)
    if models:
        _beside(run, models)
    _question()
    if models:
        _profile(run, models)
    _substance(run)
    show_claims(run)


def _facts(run: Run) -> str:
    used = run.images[run.images["used"]]
    photographs = used["base_id"].nunique()
    cut = f" images, cut from {photographs:,}" if photographs != len(used) else ""
    names = run.models["name"] if len(run.models) else pd.Series(dtype=str)
    others = pd.Series(seed_of(list(names)), names.index, dtype=str) != ""
    baselines = int(is_baseline(names[~others]).sum())
    counts = [(int((~others).sum()) - baselines, "encoder"), (baselines, "baseline")]
    models = " and ".join(f"{n:,} {what}{'' if n == 1 else 's'}" for n, what in counts if n) or "no model yet"
    seeds = f" ({others.sum()} more with other seeds)" if others.any() else ""
    return f"Here: {models}{seeds}, {run.sample_count:,} samples of {len(used):,}{cut} photographs."


def _question() -> None:
    if st.button(
        "Which model is best at distinguishing two transformations, and which pictures does it get wrong?",
        icon=":material/compare_arrows:",
        key="ask-two",
    ):
        state.choose("compare", TWO)
        st.switch_page("views/confusion.py")


def _beside(run: Run, models: list[str]) -> None:
    """Show the further evidence on the scores of the fine task: other probes, probabilities, repetitions."""
    percent = {
        "value": ("score %", hint("balanced accuracy")),
        "low": ("from %", hint("interval")),
        "high": ("to %", hint("interval")),
    }
    for title, compute, caption in (
        (
            "Other probes",
            summaries.other_probes,
            "The linear probe, an MLP (three seeds, and all of them together) and nearest neighbors.",
        ),
        (
            "Repetitions",
            summaries.repetitions,
            summaries.ABOUT_REPETITIONS,
        ),
    ):
        table, name = cache.computed(run, compute, tuple(models)), title.lower().replace(" ", "-")
        if len(table) and (box := pickers.fold(f"{title} at the task fine", f"show-{name}")):
            with box:
                st.caption(caption)
                tables.show_table(table, name, percent=percent)
    sure = cache.computed(run, summaries.certainty, tuple(models))
    if len(sure) and (box := pickers.fold("How far the probabilities of the task fine can be trusted", "show-sure")):
        with box:
            _certainty(sure, models)


def _certainty(sure: pd.DataFrame, models: list[str]) -> None:
    table = sure.pivot(index="model", columns="measure", values="value").reindex(models)
    table = table.join(sure[sure["measure"] == "nll"].set_index("model")[["low", "high"]])
    there = [m for m in MEASURES if m.name in table]
    for measure in there:
        st.caption(f"{measure.title.capitalize()} ({measure.unit}): {measure.hint}")
    number = st.column_config.NumberColumn
    titles = {m.name: number(m.title, help=m.hint, format="%.3f") for m in there}
    about = "Of the negative log-likelihood; 95 % interval."
    titles |= {n: number(t, help=about, format="%.3f") for n, t in (("low", "nll from"), ("high", "nll to"))}
    columns = ["nll", "low", "high", *(m.name for m in there if m.name != "nll")]
    tables.show_table(table[columns].reset_index(), "certainty", column_config=titles)


def _profile(run: Run, models: list[str]) -> None:
    st.header("Models by groups", help=hint("recall"))
    rows = cache.computed(run, summaries.by_group, tuple(models))
    if rows.empty:
        messages.empty("This run has no scores by group for the task fine; `probing run --out DIR` makes them.")
        return
    figure = profile_chart(rows, cache.theme())
    tables.chart(
        figure, "profile", rows, "Share of each group's samples whose exact transformation each model's probe names."
    )
    st.caption(f"{summaries.ABOUT_GROUPS}{_about_identity(rows)}")
    tables.notes(rows)


def _about_identity(rows: pd.DataFrame) -> str:
    """Return why untouched pictures are seldom named as such, with the shares of the encoders."""
    untouched = rows[(rows["group"] == "identity") & ~is_baseline(rows["model"])]["value"]
    if untouched.empty or untouched.max() > SELDOM:
        return ""
    return (
        f" Identity is low, {in_percent(untouched.min())} to {in_percent(untouched.max())} for encoders: "
        f"several of the other classes are changes so faint that an untouched picture looks like them. {ALTERED_AT_ALL}"
    )


def _substance(run: Run) -> None:
    st.header("Content against transformation", help=hint("content"))
    points = cache.computed(run, summaries.substance)
    if points.empty:
        messages.empty(
            "This run has no content task: the labels of its corpus are the photographs themselves. "
            "`probing run --corpus folder:PATH`, with one subfolder a label, makes a run that has one."
        )
        return
    tables.chart(
        substance_chart(points, cache.theme()), "substance", points, "Content accuracy against transformation accuracy."
    )
    seen = summaries.pick(run.scores, measure="balanced-accuracy", subset="seen")
    chance = seen.groupby("task")["chance"].first()
    st.caption(
        "Right: knows what is in an untouched picture. Up: knows which transformation was applied. Bars are 95 % "
        f"intervals; guessing gives {in_percent(chance['content'])} and {in_percent(chance['fine'])}."
        f" Hollow: variants of the model of the same shade. {cache.computed(run, summaries.content_classes)}"
    )
    if box := pickers.fold("Content under each transformation", "show-content"):
        with box:
            _content_by_transform(run)


def _content_by_transform(run: Run) -> None:
    st.caption(summaries.ABOUT_CONTENT)
    table = cache.computed(run, summaries.content_by_transform)
    shares = table.columns.drop(["model", "transform"])
    titles = shares.str.replace("_low", " from").str.replace("_high", " to").str.replace("clean", "untouched") + " %"
    percent = {share: (title, hint("content")) for share, title in zip(shares, titles, strict=True)}
    tables.show_table(table, "content-by-transform", percent=percent)


show()
