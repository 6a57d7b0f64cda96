"""Heat maps of recall and detection thresholds by model."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.data import cache
from dashboard.text import named, plain, strength_axis, strength_number
from dashboard.widgets import messages, tables
from dashboard.widgets.links import open_transformation
from probing_core.charts import HeatScale, Theme, heat_map
from probing_core.charts.heat_map import CELL_ROW_PX
from probing_core.measures.notation import group_title, in_percent, interval_in_percent, model_title
from probing_core.measures.statistics import with_place
from probing_core.results import Run, by_transform
from probing_core.results.ranking import encoders_of, in_order, scores_of
from probing_core.results.sentences import models_in_words

RECALL = "recall"
GROUP_RECALL = "group"
THRESHOLD = "threshold"
CELLS = {RECALL: "Recall", GROUP_RECALL: "Recall by group", THRESHOLD: "Detection threshold"}

RECALL_SCALE = HeatScale("recall (%)", {0: "0", 0.25: "25", 0.5: "50", 0.75: "75", 1: "100"})
THRESHOLD_SCALE = HeatScale("threshold (% of the maximum in training)", {0: "0", 0.5: "50", 1: "100"})

OUTSIDE = {"above": "none", "below": "all"}
"""Value of ``censored`` -> text of the cell."""

LABELS_PX = 150
"""Maximum width in pixels of the row labels of a heat map that scrolls. Longer labels are cut off."""

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
    _heat_map(run, _recall_cells(rows, titles, "transform"), rows, titles, RECALL_SCALE)


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
    _heat_map(run, _recall_cells(rows, titles, "group"), rows, titles, RECALL_SCALE, "group")


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
            f"{_cell_title(row['model'], named(row['transform']))}<br>{_threshold_in_words(row, number)}"
            for row, number in zip(rows.to_dict("records"), numbers, strict=True)
        ],
    )
    order = by_transform.hardest_first(run, rows, "relative", descending=True)
    titles = {name: f"{named(name)} ({strength_axis(name)})" if name != "identity" else named(name) for name in order}
    _heat_map(run, cells, rows, titles, THRESHOLD_SCALE, column="relative")
    st.caption(
        "Detected: a probe separates transformed from clean images with d\N{PRIME} = 1. None: not detected at any "
        "tested strength. All: detected at every tested strength."
    )


def _threshold_in_words(row: Mapping[Any, Any], number: str) -> str:
    parameter = strength_axis(row["transform"]).removesuffix(", %")
    if row["censored"] == "above":
        return f"not detected at any tested strength ({parameter} {number})"
    if row["censored"] == "below":
        return f"detected at every tested strength ({parameter} {number})"
    low, high = (strength_number(row["transform"], row[end]) for end in ("low", "high"))
    return f"detection threshold: {parameter} {number} (95% CI {low}\N{EN DASH}{high})"


def _cell_title(model: str, title: str) -> str:
    return f"<b>{html.escape(model_title(model))}</b><br>{html.escape(title)}"


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
        hover.append(f"{_cell_title(row['model'], titles[row[index]])}<br>recall {100 * row['value']:.1f}% ({ci})")
    return rows.assign(text=texts, hover=hover)


def _heat_map(
    run: Run,
    cells: pd.DataFrame,
    data: pd.DataFrame,
    titles: Mapping[str, str],
    scale: HeatScale,
    index: str = "transform",
    column: str = "value",
) -> None:
    """Show a heat map with one row for each of ``titles`` and one column for each model, best model first.

    Args:
        run: the run.
        cells: one row per cell: ``model``, the columns named ``index`` and ``column``, ``text`` and ``hover``.
        data: table for download.
        titles: value of ``index`` -> row label.
        scale: color scale.
        index: column of ``cells`` that identifies the row.
        column: column of ``cells`` that determines the color.
    """
    theme = cache.theme()
    order = in_order(cache.computed(run, scores_of, "fine", "seen"))["model"]
    models = [model for model in with_place(order) if model in set(cells["model"])]
    values, texts, hover = (
        by_transform.matrix(cells, of, list(titles), models, index) for of in (column, "text", "hover")
    )
    texts = texts.fillna("").set_axis(list(titles.values()), axis=0)
    texts = texts.set_axis([model_title(model) for model in models], axis=1)
    groups = run.transforms.set_index("transform")["group"]
    of_rows = list(titles) if index == "group" else groups.reindex(list(titles)).fillna("")
    bands = [(theme.group(str(name)), len(list(rows))) for name, rows in groupby(of_rows)]
    figure = heat_map(values, texts, hover.fillna(""), theme, scale, bands)
    is_clickable = index == "transform"
    on_pick = _open_cell if is_clickable else None
    with st.container(key="heat-map"):
        st.html(_row_labels(list(texts.index), bands, figure["layout"]["margin"], theme))
        tables.chart(figure, f"heat-map-{index}", data, f"Heat map of {scale.title} by model.", on_pick)
    if is_clickable:
        st.caption("Click a cell to open its transformation. The hardest groups and transformations are listed first.")


def _row_labels(
    titles: Sequence[str], bands: Sequence[tuple[str, int]], margin: Mapping[str, int], theme: Theme
) -> str:
    """Return the HTML of row labels that stay visible where the chart scrolls, and replace the labels of the chart."""
    colors = [color for color, count in bands for _ in range(count)]
    labels = (
        f'<span style="border-color: {color}">{html.escape(title)}</span>'
        for title, color in zip(titles, colors, strict=True)
    )
    width = min(margin["l"], LABELS_PX)
    style = (
        f"width: {width}px; padding-top: {margin['t']}px; background: {theme.background}; line-height: {CELL_ROW_PX}px"
    )
    covered = f"<style>.st-key-heat-map {{ --covered: {width - margin['l']}px }}</style>"
    return f'{covered}<div class="row-labels" aria-hidden="true" style="{style}">{"".join(labels)}</div>'


def _open_cell(cell: Any) -> None:
    transform, model = cell
    if transform != "identity":
        st.session_state[OPENED] = (transform, model)
