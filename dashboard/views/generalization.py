"""Generalization: unseen transformations and styles, and how far each transformation shifts an embedding."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from dashboard.data import cache
from dashboard.page import page
from dashboard.text import in_bold, named, plain
from dashboard.widgets import messages, pickers, tables
from probing_core.charts import PERCENT, Figure, dots_chart, variance_chart
from probing_core.measures import MEASURES
from probing_core.measures.notation import in_percent, model_title
from probing_core.measures.statistics import with_place
from probing_core.results import Run, sentences, summaries

PARTS = {"unseen": "Unseen transformations", "shift": "Embedding shift"}


@page("Generalization", "Does it carry over to transformations and styles that no probe has seen?")
def show() -> None:
    run = messages.run_with_models()
    part, place = pickers.tab(PARTS)
    with place:
        {"unseen": _unseen, "shift": _shift}[part](run)


def _best(run: Run) -> str:
    """Return the best encoder; empty where there is none."""
    board = cache.board(run)
    return str(board["model"].iloc[0]) if len(board) else ""


def _unseen(run: Run) -> None:
    rotations = [task for task in run.tasks if task.startswith("group-")]
    rows = cache.computed(run, summaries.rotations)
    if not rotations or rows.empty:
        messages.empty(
            "This run has no group task: that takes groups with a member to learn from and one to be surprised by. "
            "A run with the whole bank of transformations has it."
        )
        return
    both = rows[rows["subset"].isin(["seen", "unseen"])]
    chance = float(both["chance"].median())
    chosen = pickers.pick_model(run, list(dict.fromkeys(both["model"])), default=_best(run))
    points = cache.computed(run, summaries.members, chosen)
    if len(points):
        gaps = summaries.gaps(points)
        first = gaps.iloc[0]
        messages.finding(
            f"{in_bold(chosen)} recognizes the group of a transformation in {in_percent(gaps['seen'].mean())} of "
            f"pictures where its probe has seen that transformation, and in {in_percent(gaps['unseen'].mean())} "
            f"where it has not. It loses most on **{plain(named(first['transform']))}**: "
            f"{in_percent(first['seen'])} to {in_percent(first['unseen'])}."
        )
        figure = _members(points, gaps, chance)
        tables.chart(figure, "members", points, "Share of each transformation's samples whose group is recognized.")
        st.caption(
            "Each transformation is unseen in one of three divisions of the bank. The largest loss first. Filled: "
            "seen. Hollow: unseen, with its 95\N{NO-BREAK SPACE}% interval. Dotted: chance. A color is a group. These "
            "probes learn from two members of each group, so a group may be found less often than its member is named "
            "on *Embedding shift*, where probes learn from all."
        )
    left, right = st.columns(2)
    with left:
        st.subheader("Every model", help=MEASURES.get("group-hit-rate").definition)
        _seen_against(both, ("seen", "unseen"), chance, "models")
        st.caption(
            "Filled: seen in training. Hollow: members of the same groups that were not. Means of the divisions. "
            "Dotted: chance."
        )
    with right:
        st.subheader("Far styles", help="Styles of other networks and pictures, none like those in training.")
        if (rows["subset"] == "far").any():
            far = rows[rows["subset"].isin(["seen", "far"])]
            _seen_against(far, ("seen", "far"), chance, "far")
            st.caption(
                "Filled: seen in training. Hollow: pictures in styles of networks and paintings that no probe has "
                "seen, called style; below chance (dotted), they are taken for other groups."
                f"{_guesses(cache.computed(run, summaries.far_guesses))}"
            )
        else:
            messages.empty("This run has no far styles; `probing run --transforms bank,far-styles` makes one that has.")


def _guesses(shares: Mapping[str, float]) -> str:
    if not shares:
        return ""
    models = plain(" and ".join(map(model_title, shares)))
    also = " and ".join(map(in_percent, shares.values()))
    return f" {models} call {also} of untouched pictures style as well: their hollow marks are guesses."


def _members(points: pd.DataFrame, gaps: pd.DataFrame, chance: float) -> Figure:
    """Draw each transformation where it was seen, which is a mean without an interval, and where it was not."""
    unseen = points[points["unseen"]]
    seen = unseen.drop(columns=["value", "low", "high"]).merge(gaps[["transform", "seen"]], on="transform")
    both = pd.concat([_dots(seen.rename(columns={"seen": "value"}), "seen"), _dots(unseen, "unseen")])
    order = {transform: place for place, transform in enumerate(gaps["transform"])}
    dots = both.sort_values("transform", key=lambda names: names.map(order), kind="stable")
    return dots_chart(
        dots,
        cache.theme(),
        "group recognized (%)",
        dict(zip(dots["name"], dots["group"], strict=True)),
        marks=[100 * chance],
        ends=PERCENT,
        series=("seen", "unseen"),
    )


def _seen_against(rows: pd.DataFrame, subsets: tuple[str, str], chance: float, key: str) -> None:
    shown = rows[rows["model"].isin(with_place(rows["model"]))]
    means = (shown.groupby(["model", "subset"], sort=False)["value"].mean() * 100).reset_index()
    order = means[means["subset"] == subsets[1]].sort_values("value", ascending=False)["model"].tolist()
    means = means[means["model"].isin(order)].sort_values(
        "model", key=lambda names: names.map(order.index), kind="stable"
    )
    dots = means.assign(name=means["model"].map(model_title), series=means["subset"])
    figure = dots_chart(dots, cache.theme(), "group recognized (%)", marks=[100 * chance], ends=PERCENT, series=subsets)
    tables.chart(figure, key, rows, "Group recognized by model.")


def _moved(points: pd.DataFrame, model: str) -> None:
    """Show for each transformation how far it moves the embeddings of ``model``, and how often it is recognized."""
    ordered = points.sort_values("value", ascending=False, kind="stable")
    dots = pd.concat([_dots(ordered.assign(value=ordered["value_recall"]), "recognized"), _dots(ordered, "moved")])
    figure = dots_chart(
        dots.drop(columns=["low", "high"], errors="ignore"),
        cache.theme(),
        "recognized, moved (%)",
        dict(zip(dots["name"], dots["group"], strict=True)),
        ends=(PERCENT[0], max(PERCENT[1], 105 * points["value"].max())),
    )
    tables.chart(figure, "shift-recall", points, f"Shift and recall of each transformation in {model}.")


def _dots(points: pd.DataFrame, series: str) -> pd.DataFrame:
    """Return shares of transformations as `dots_chart` takes them."""
    return tables.as_percent(points).assign(name=points["transform"].map(named), series=series)


def _shift(run: Run) -> None:
    model = pickers.pick_model(run, default=_best(run))
    points = cache.computed(run, summaries.shifts, model)
    if points.empty:
        messages.empty(tables.why_none(run))
    else:
        messages.finding(sentences.shift_finding(points, in_bold(model)))
        _moved(points, model)
        st.caption(
            "Filled: how often the probe names the transformation. Hollow, the farthest first: how far it moves the "
            "embedding, in percent of the distance to another photograph. A color is a group. Untouched pictures move, "
            "too: each version of a photograph is cut a fraction of a pixel apart."
        )
    rows = cache.study(run, "variance")
    if rows.empty:
        return
    st.header("How much of an embedding is look?", help=MEASURES.get("variance-share").definition)
    order = with_place(rows[rows["part"] == "content"].sort_values("value", ascending=False)["model"])
    shown = rows[rows["model"].isin(order)].sort_values("model", key=lambda c: c.map(order.index), kind="stable")
    tables.chart(variance_chart(shown, cache.theme()), "variance", rows, "Parts of the variance by model.")
    st.caption(
        "Content: what stays of a photograph under every alteration. Look: what an alteration does to all photographs "
        "alike. Both together: what it does to some. Rest: what differs between two draws of its strength."
    )


show()
