"""Geometry: how far transformations move embeddings, and whether probes learn what they name by heart."""

from __future__ import annotations

import streamlit as st

from dashboard.data import cache
from dashboard.page import page
from dashboard.text import hint, named, plain
from dashboard.widgets import messages, pickers, tables
from probing_core.charts import dots_chart, shift_chart
from probing_core.measures import MEASURES
from probing_core.results import Run, summaries
from probing_core.results.sentences import shift_finding
from probing_core.run import layout


@page("Geometry", "How far transformations move embeddings, and what of it a probe learns by heart.")
def show() -> None:
    run = cache.current_run()
    if run.models.empty:
        messages.empty("No model has been embedded in this run yet; `probing run --out DIR` does it.")
        return
    if all(cache.table(run, layout.table_path(name)).empty for name in ("geometry", "selectivity")):
        messages.empty(tables.why_none(run))
        return
    _shift(run, pickers.pick_model(run))
    _selectivity(run)


def _shift(run: Run, model: str) -> None:
    st.subheader("Is a transformation recognized that moves the embedding little?", help=hint("shift"))
    points = cache.computed(run, summaries.shifts, model)
    if points.empty:
        messages.empty(tables.why_none(run))
        return
    st.markdown(shift_finding(points, f"**{plain(model)}**", named))
    tables.chart(
        shift_chart(points, cache.theme()),
        "shift-recall",
        points,
        f"Shift and recall of each transformation in {model}.",
    )
    st.caption(
        "Right and low: a large move that the probe cannot name. Left and high: a small move that it recognizes. "
        "A color is a group, a shape and shade one of its members. Shift is what single pictures move, in the mean and "
        "by cosine. Identity is what the "
        "sub-pixel warp that every view has moves by itself."
    )


def _selectivity(run: Run) -> None:
    table = cache.table(run, layout.table_path("selectivity"))
    if table.empty:
        return
    measure = MEASURES.get("selectivity")
    st.subheader("In the embedding, or learned by the probe?", help=measure.hint)
    rows = table.sort_values("value", ascending=False)
    drawn = rows.assign(series="selectivity", name=rows["model"])
    drawn = drawn.assign(**{column: 100 * drawn[column] for column in ("value", "low", "high")})
    title = "selectivity (points): the task less labels drawn at random"
    tables.chart(dots_chart(drawn, cache.theme(), title, unit="points"), "selectivity-dots", rows, title)
    if box := pickers.fold("The same as a table", "show-selectivity"):
        with box:
            number = st.column_config.NumberColumn
            columns = {
                "value": number(measure.title, format="%.2f", help=measure.hint),
                "accuracy": number(format="%.2f", help="At the task: which transformation was applied (share)."),
                "control": number(format="%.2f", help="At a task whose labels are drawn at random (share)."),
            }
            shown = rows[["model", "value", "low", "high", "accuracy", "control", "note"]]
            tables.show_table(shown, "selectivity", column_config=columns)


show()
