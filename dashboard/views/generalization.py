"""Generalization: groups recognized by members that training never saw, and the predictions for those members."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.data import cache
from dashboard.page import fragment, page
from dashboard.text import hint, named, plain
from dashboard.widgets import messages, pickers, tables
from probing_core.charts import PERCENT, confusion_chart, dots_chart, members_chart, seen_unseen_chart
from probing_core.measures import MEASURES
from probing_core.measures.notation import in_percent
from probing_core.results import Run, summaries
from probing_core.results.ranking import seed_of

SHARE = ["value", "low", "high"]
"""Columns of a share and its interval."""

SCORE = ["model", "rotation"]
"""Columns that name a score of a model."""


@page("Generalization", hint("unseen"))
def show() -> None:
    run = cache.current_run()
    rotations = [task for task in run.tasks if task.startswith("group-")]
    if not rotations:
        messages.empty(
            "This run has no group task: that takes groups with a member to learn from and one to be surprised by. "
            "A run with the whole bank of transformations has it."
        )
        return
    model = pickers.pick_model(run)
    _members(run, model)
    _models(run)
    _where_unseen_land(run, model, rotations)
    _far(run)


def _models(run: Run) -> None:
    st.header("Every model, seen and unseen", help=MEASURES.get("group-hit-rate").definition)
    rows = cache.computed(run, summaries.rotations)
    both = rows[rows["subset"].isin(["seen", "unseen"])]
    means = (both.groupby(["model", "subset"], sort=False)["value"].mean() * 100).reset_index()
    means = means.rename(columns={"model": "name", "subset": "series"}).sort_values("series", kind="stable")
    order = {model: i for i, model in enumerate(dict.fromkeys(rows["model"]))}
    means = means.sort_values("name", key=lambda names: names.map(order), kind="stable", ignore_index=True)
    means["seed_of"] = seed_of(list(means["name"]))
    messages.left_out(run.models["name"], both["model"], "they have no scores of these tasks")
    chance = float(both["chance"].median()) * 100
    figure = dots_chart(means, cache.theme(), "recognized (%); dotted: chance", marks=[chance], ends=PERCENT)
    tables.chart(figure, "models", means, "Group recognized, seen and unseen, by model: means over the rotations.")
    st.caption(
        "Filled: transformations that the probe was trained on. Hollow: members of the same groups that it never saw. "
        f"{'Ticks: the same model with another seed. ' if (means['seed_of'] != '').any() else ''}"
        "Means over the rotations, which are folded below with their intervals."
    )
    if box := pickers.fold("Rotation by rotation, with intervals", "show-rotations"):
        with box:
            _seen_against_unseen(run, rows, order)


def _seen_against_unseen(run: Run, rows: pd.DataFrame, order: dict[str, int]) -> None:
    figure = seen_unseen_chart(rows[rows["subset"].isin(["seen", "unseen"])], cache.theme())
    tables.chart(
        figure, "seen-unseen", rows, "In-group hit rate of seen and unseen transformations by model and rotation."
    )
    st.caption(
        "Best at seen ones on top. Filled: transformations that the probe was trained on. Hollow: members of the same "
        f"groups that it never saw. One symbol a rotation; bars are 95 % intervals. {hint('rotation')}"
    )
    tables.notes(rows)
    gaps = cache.computed(run, summaries.rotations, "generalization-gap")
    untouched = summaries.pick(cache.computed(run, summaries.rotations, "called-identity"), subset="unseen")
    untouched = untouched[[*SCORE, "value"]].rename(columns={"value": "called untouched"})
    table = gaps[[*SCORE, *SHARE, "interval", "bases"]].merge(untouched, on=SCORE, how="left")
    tables.show_table(
        table.rename(columns={"value": "gap"}).sort_values("model", key=lambda c: c.map(order), kind="stable"),
        "gaps",
        percent={
            "gap": ("gap (points)", MEASURES.get("generalization-gap").definition),
            "low": ("gap, from", hint("interval")),
            "high": ("gap, to", hint("interval")),
            "called untouched": ("unseen called untouched (%)", MEASURES.get("called-identity").definition),
        },
    )


def _members(run: Run, model: str) -> None:
    points = cache.computed(run, summaries.members, model)
    if points.empty:
        messages.empty(f"'{plain(model)}' has no scores of single transformations in this run; choose another model.")
        return
    gaps = summaries.gaps(points)
    first = gaps.iloc[0]
    with st.container(key="finding"):
        st.markdown(
            f"**{plain(model)}** recognizes the group of a transformation in {in_percent(gaps['seen'].mean())} of "
            f"pictures where its probe has seen that transformation, and in {in_percent(gaps['unseen'].mean())} where "
            f"it has not. It loses most on **{plain(named(first['transform']))}**: {in_percent(first['seen'])} to "
            f"{in_percent(first['unseen'])}."
        )
    st.header(
        "Each transformation, seen and unseen",
        help="Each transformation is unseen in one rotation and seen in the other two.",
    )
    rows = cache.computed(run, summaries.rotations)
    chance = float(rows.loc[rows["subset"].isin(["seen", "unseen"]), "chance"].median())
    figure = members_chart(points, list(gaps["transform"]), cache.theme(), chance)
    tables.chart(figure, "members", points, f"Share of each transformation's samples whose group {model} recognizes.")
    st.caption(
        "The largest loss first. Dot: seen (the mean of two rotations). Diamond: unseen, with its 95 % interval. The "
        "line is the loss, a color a group, and below the dotted line guessing would do as well."
    )


@fragment
def _where_unseen_land(run: Run, model: str, rotations: list[str]) -> None:
    st.header("Where unseen members land", help=hint("unseen"))
    task = pickers.select("Rotation", "rotation", rotations, names=pickers.TASK_NAMES, help=hint("rotation"))
    matrix, samples = cache.computed(run, summaries.landing, model, task)
    if matrix.empty:
        messages.empty(f"'{plain(model)}' has no predictions of unseen transformations here; choose another rotation.")
        return
    figure = confusion_chart(matrix, cache.theme(), axes=("unseen transformation", "taken for"))
    tables.chart(
        figure,
        "land",
        lambda: matrix.reset_index().melt("truth", value_name="percent"),
        f"Group that {model} takes each unseen transformation for.",
    )
    st.caption(f"{samples:,} samples of transformations that the probe never saw, in percent of each transformation.")


def _far(run: Run) -> None:
    st.header("Far styles", help="Styles of other networks and pictures, none like those in training.")
    rows = cache.computed(run, summaries.rotations)
    far = rows[rows["subset"] == "far"]
    if far.empty:
        messages.empty("This run has no far styles; `probing run --transforms bank,far-styles` makes one that has.")
        return
    figure = seen_unseen_chart(rows[rows["subset"].isin(["seen", "far"])], cache.theme())
    tables.chart(figure, "far", far, "Hit rate on far styles beside seen transformations.")
    _far_control(rows)


def _far_control(rows: pd.DataFrame) -> None:
    """Show the trace that the network of most far styles leaves by itself, beside the far styles."""
    control = rows.loc[rows["subset"] == "far-control", [*SCORE, *SHARE]]
    if control.empty:
        return
    far = rows.loc[rows["subset"] == "far", [*SCORE, "value"]].rename(columns={"value": "far"})
    table = far.merge(control.rename(columns={"value": "control"}), on=SCORE, how="right")
    tables.show_table(
        table,
        "far-control",
        percent={
            "far": ("far styles (%)", "Share of far styles that are called style."),
            "control": ("control (%)", "Share of the control that is called style."),
            "low": ("control, from", hint("interval")),
            "high": ("control, to", hint("interval")),
        },
    )
    st.caption(
        "Control: each picture painted by the arbitrary-style network in the picture's own style, which is no style. "
        "Where it is called style nevertheless, the probe recognizes the network's fingerprint."
    )


show()
