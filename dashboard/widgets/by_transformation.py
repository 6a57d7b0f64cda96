"""Heat maps of recall and detection thresholds by model."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.data import cache
from dashboard.text import named, plain, strength_axis, strength_in_words, strength_number
from dashboard.widgets import messages, tables
from dashboard.widgets.heat_maps import ABOUT_BOLD, RECALL_SCALE, cell_title, heat_map
from dashboard.widgets.links import open_transformation
from probing_core.charts import HeatScale
from probing_core.measures.notation import group_title, in_percent, interval_in_percent, interval_text
from probing_core.results import Run, by_transform
from probing_core.results.ranking import encoders_of
from probing_core.results.sentences import models_in_words

RECALL = "recall"
GROUP_RECALL = "group"
THRESHOLD = "threshold"
CELLS = {RECALL: "Recall", GROUP_RECALL: "Recall by group", THRESHOLD: "Detection threshold"}

THRESHOLD_SCALE = HeatScale("threshold (% of the maximum in training)", {0: "0", 0.5: "50", 1: "100"})

OUTSIDE = {"above": "none", "below": "all"}
"""Value of ``censored`` -> text of the cell."""

OPENED = "_opened_cell"
"""Session key of the clicked cell."""


def show_transformations(run: Run) -> None:
    if opened := st.session_state.pop(OPENED, None):
        transform, model = opened
        state.choose("model", model)
        open_transformation(transform)
    measured = {
        RECALL: cache.computed(run, by_transform.recall_by_model),
        GROUP_RECALL: cache.computed(run, by_transform.recall_by_group),
        THRESHOLD: cache.computed(run, by_transform.thresholds_by_model),
    }
    available = {kind: title for kind, title in CELLS.items() if len(measured[kind])}
    if not available:
        messages.empty(tables.why_none(run))
        return
    selected = state.choice(
        st.segmented_control, "Show", "cells", RECALL, list(available), format_func=available.__getitem__, required=True
    )
    kind = selected if selected in available else next(iter(available))
    show_kind = {RECALL: _recall, GROUP_RECALL: _group_recall, THRESHOLD: _thresholds}
    show_kind[kind](run, measured[kind])


def _recall(run: Run, rows: pd.DataFrame) -> None:
    encoders = encoders_of(rows)
    medians = encoders.groupby("transform")["value"].median().drop("identity", errors="ignore")
    st.markdown(
        f"**{plain(named(str(medians.idxmin())))}** is the hardest transformation, with a median recall of "
        f"{in_percent(medians.min())} over {models_in_words(encoders['model'].drop_duplicates())} "
        f"(chance {in_percent(1 / len(run.classes('fine')), 1)})."
    )
    titles = {name: named(name) for name in by_transform.hardest_first(run, rows, "value", descending=False)}
    _show(run, _recall_cells(rows, titles, "transform"), rows, titles, RECALL_SCALE)


def _group_recall(run: Run, rows: pd.DataFrame) -> None:
    encoders = encoders_of(rows)
    medians = encoders.groupby("group")["value"].median().sort_values(kind="stable")
    titles = {str(name): group_title(str(name)).capitalize() for name in medians.index}
    hardest = medians.drop("identity", errors="ignore")
    if len(hardest):
        st.markdown(
            f"**{plain(titles[str(hardest.index[0])])}** is the hardest group, with a median recall of "
            f"{in_percent(hardest.iloc[0])} over {models_in_words(encoders['model'].drop_duplicates())}."
        )
    cells = _recall_cells(rows, titles, "group")
    heat_map(run, cells, rows, titles, list(titles), RECALL_SCALE, "heat-map-group", "group")
    st.caption(ABOUT_BOLD)


def _thresholds(run: Run, rows: pd.DataFrame) -> None:
    encoders = encoders_of(rows)
    undetected = encoders[encoders["censored"] == "above"].groupby("transform").size()
    if len(undetected):
        names = encoders["model"].drop_duplicates()
        detecting = len(names) - undetected.max()
        how_many = f"{detecting} of {models_in_words(names)}" if detecting else f"none of {models_in_words(names)}"
        st.markdown(
            f"**{plain(named(str(undetected.idxmax())))}** is the hardest transformation: {how_many} "
            f"{'detects' if detecting <= 1 else 'detect'} it at the tested strengths."
        )
    numbers = [strength_number(row["transform"], row["value"]) for row in rows.to_dict("records")]
    cells = rows.assign(
        text=[OUTSIDE.get(censored) or number for censored, number in zip(rows["censored"], numbers, strict=True)],
        hover=[
            f"{cell_title(row['model'], named(row['transform']))}<br>{_threshold_in_words(row, number)}, "
            f"{row['bases']} photographs"
            for row, number in zip(rows.to_dict("records"), numbers, strict=True)
        ],
    )
    order = by_transform.hardest_first(run, rows, "relative", descending=True)
    titles = {name: f"{named(name)} ({strength_axis(name)})" if name != "identity" else named(name) for name in order}
    cells = cells.assign(level=by_transform.level_of_thresholds(rows))
    _show(run, cells, rows, titles, THRESHOLD_SCALE, column="relative")
    st.caption(
        "Detected: a probe separates transformed from clean images with d\N{PRIME} = 1. None: not detected at any "
        "tested strength. All: detected at every tested strength."
    )


def _threshold_in_words(row: Mapping[Any, Any], number: str) -> str:
    parameter = strength_axis(row["transform"])
    if parameter.endswith(", %"):  # `strength_in_words` would round small percentages to 0
        strength = f"{parameter.removesuffix(', %')} {number}"
    else:
        strength = strength_in_words(row["transform"], row["value"])
    if row["censored"] == "above":
        return f"not detected at any tested strength ({strength})"
    if row["censored"] == "below":
        return f"detected at every tested strength ({strength})"
    text = interval_text(row["low"], row["high"], partial(strength_number, row["transform"]), "")
    return f"detection threshold: {strength} ({f'95% CI {text}' if text else 'no interval'})"


def _recall_cells(rows: pd.DataFrame, titles: Mapping[str, str], index: str) -> pd.DataFrame:
    """Return ``rows`` with the text and hover text of each cell.

    Args:
        titles: name of a transformation or group -> display name.
        index: column that contains this name.
    """
    texts, hover = [], []
    for row in rows.to_dict("records"):
        ci = interval_in_percent(row["low"], row["high"])
        texts.append("" if pd.isna(row["value"]) else f"{100 * row['value']:.0f}")
        hover.append(
            f"{cell_title(row['model'], titles[row[index]])}<br>recall {100 * row['value']:.1f}% ({ci}), "
            f"{row['bases']} photographs"
        )
    return rows.assign(text=texts, hover=hover, level=by_transform.level_with_best(rows, index))


def _show(
    run: Run,
    cells: pd.DataFrame,
    data: pd.DataFrame,
    titles: Mapping[str, str],
    scale: HeatScale,
    column: str = "value",
) -> None:
    groups = run.transforms.set_index("transform")["group"].reindex(list(titles)).fillna("")
    heat_map(run, cells, data, titles, list(groups), scale, "heat-map-transform", column=column, on_pick=_open_cell)
    st.caption(f"Click a cell to open its transformation. The hardest are listed first. {ABOUT_BOLD}")


def _open_cell(cell: Any) -> None:
    transform, model = cell
    if transform != "identity":
        st.session_state[OPENED] = (transform, model)
