"""The heat map of the "Retrieval" page: recall by edit and model, with groups of edits that can be unfolded."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.text import named
from dashboard.widgets.heat_maps import ABOUT_BOLD, RECALL_SCALE, cell_title, heat_map
from probing_core.compute.task_names import ALL, FRAMING
from probing_core.diffs.framing import FRAMING_EDITS
from probing_core.measures.notation import group_title, interval_in_percent
from probing_core.results import Run, by_transform, retrieval

EDIT = "edit"
"""Name of the selected edit in the session state and the URL. It is empty if all edits are selected."""

UNFOLDED = "unfolded"
"""Name of the unfolded groups in the session state and the URL."""

GROUP = "group:"
"""Prefix of the IDs of rows that summarize a group."""

OPEN, CLOSED = "\N{BLACK DOWN-POINTING SMALL TRIANGLE}", "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}"

SELECTED = " \N{LEFTWARDS ARROW}"
"""Mark after the label of the selected edit."""


def scored(run: Run, rate: float | None) -> pd.DataFrame:
    """Return `retrieval.recall_by_edit` with the column ``level``: whether the model is level with the best encoder."""
    rows = retrieval.recall_by_edit(run, rate)
    return rows.assign(level=by_transform.level_with_best(rows, "transform")) if len(rows) else rows


def groups_of(run: Run, rows: pd.DataFrame) -> dict[str, list[str]]:
    """Return the edits of each group."""
    edits = run.transforms[run.transforms["transform"].isin(set(rows["transform"]))]
    groups = {str(group): list(of["transform"]) for group, of in edits.groupby("group", sort=False)}
    framing = [edit for edit in FRAMING_EDITS if edit in set(rows["transform"])]
    return groups | ({FRAMING: framing} if framing else {})


def pick_edit(run: Run, rows: pd.DataFrame, where: Any) -> str:
    """Show a menu of edits, and return the selected edit or `ALL`."""
    titles = {ALL: "All edits"} | {
        edit: f"{group} · {named(edit)}" for group, edits in groups_of(run, rows).items() for edit in edits
    }
    edit: str = state.choice(
        where.selectbox, "Edit", EDIT, ALL, list(titles), own_default=True, format_func=titles.__getitem__
    )
    return edit


def show_heat_map(run: Run, rows: pd.DataFrame, edit: str, key: str) -> None:
    """Show recall by edit and model. The group of the selected edit is unfolded.

    Args:
        rows: result of `scored`.
        edit: selected edit or `ALL`.
        key: widget key.
    """
    groups = groups_of(run, rows)
    unfolded = set(state.stored_choices(UNFOLDED, list(groups)))
    state.publish(UNFOLDED, sorted(unfolded))
    unfolded |= {group for group, edits in groups.items() if edit in edits}
    titles, colors = {ALL: "All edits"}, [""]
    for group, edits in groups.items():
        titles[GROUP + group] = f"{OPEN if group in unfolded else CLOSED} {group_title(group).capitalize()} (mean)"
        colors.append(group)
        if group in unfolded:
            titles |= {name: named(name) + SELECTED * (name == edit) for name in edits}
            colors += [group] * len(edits)
    heat_map(
        run,
        _cells(rows, groups),
        rows,
        titles,
        colors,
        RECALL_SCALE,
        key,
        on_pick=lambda cell: _select(cell, sorted(unfolded)),
    )
    left, right = st.columns([1, 5], vertical_alignment="center")
    if unfolded:
        left.button("Fold groups", key="fold-groups", on_click=state.choose, args=(UNFOLDED, []), type="tertiary")
    else:
        left.button(
            "Unfold groups", key="fold-groups", on_click=state.choose, args=(UNFOLDED, list(groups)), type="tertiary"
        )
    right.caption(f"Click a group to unfold it, or an edit to select it. {ABOUT_BOLD}")


def _cells(rows: pd.DataFrame, groups: dict[str, list[str]]) -> pd.DataFrame:
    """Return the cells of `heat_map` for all edits and groups.

    The recall of a group and the ends of its interval are the means over its edits. This interval is conservative,
    because the standard error of a mean is at most the mean of the standard errors.
    """
    texts, hover = [], []
    for row in rows.to_dict("records"):
        title = "All edits" if row["transform"] == ALL else named(row["transform"])
        interval = interval_in_percent(row["low"], row["high"])
        texts.append(f"{100 * row['value']:.0f}")
        hover.append(
            f"{cell_title(row['model'], title)}<br>recall {100 * row['value']:.1f}% ({interval}), "
            f"{row['bases']} photographs"
        )
    edits = rows.assign(text=texts, hover=hover)
    group_of = {edit: group for group, edits in groups.items() for edit in edits}
    means = rows.assign(group=rows["transform"].map(group_of)).dropna(subset="group")
    means = means.groupby(["group", "model"], sort=False).agg(
        value=("value", "mean"),
        low=("low", "mean"),
        high=("high", "mean"),
        bases=("bases", "min"),
        size=("value", "size"),
    )
    means = means.reset_index()
    summaries = means.assign(
        transform=GROUP + means["group"],
        level=by_transform.level_with_best(means, "group"),
        text=[f"{100 * value:.0f}" for value in means["value"]],
        hover=[
            f"{cell_title(row['model'], group_title(row['group']).capitalize())}<br>mean recall of {row['size']} "
            f"edits: {100 * row['value']:.1f}% ({interval_in_percent(row['low'], row['high'])}, conservative), "
            f"{row['bases']} photographs"
            for row in means.to_dict("records")
        ],
    )
    return pd.concat([edits, summaries[[*edits.columns.intersection(summaries.columns)]]], ignore_index=True)


def _select(cell: Any, unfolded: list[str]) -> None:
    """Fold or unfold the clicked group, or select the clicked edit and model."""
    row, model = cell
    if row.startswith(GROUP):
        group = row.removeprefix(GROUP)
        state.choose(UNFOLDED, [name for name in {*unfolded, group} if name != group or group not in unfolded])
        return
    state.choose(EDIT, row)
    state.choose("model", model)
