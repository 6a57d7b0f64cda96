"""Geometry: how transformations move embeddings, and how alike the models' spaces are."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.data import cache
from dashboard.page import page
from dashboard.text import hint
from dashboard.widgets import messages, pickers, tables
from probing_core.charts import confusion_chart, dimension_chart, shift_chart
from probing_core.measures import MEASURES
from probing_core.results import Run, summaries
from probing_core.runs import layout

EQUIVARIANCE = ("equivariance-identity", "equivariance-offset", "equivariance-ridge", "equivariance-rank")
WHOSE = {"one": "one model", "all": "all models"}

METHODS = {"mahalanobis": "Mahalanobis", "neighbors": "nearest neighbors"}
"""Names of the measures of the distance from clean embeddings."""


@page("Geometry", "How transformations move embeddings, and how alike the models' embeddings are.")
def show() -> None:
    run = cache.current_run()
    if run.models.empty:
        messages.empty("No model has been embedded in this run yet; `probing embed --run DIR` does it.")
        return
    choice, chosen = st.columns(2)
    if pickers.segments("Show", "whose", list(WHOSE), names=WHOSE, where=choice) == "one":
        model = pickers.pick_model(run, where=chosen)
        _shift(run, model)
        _equivariance(run, model)
        _composition(run, model)
        _outliers(run, model)
    else:
        _cka(run)
        _dimension(run)
        _erasure(run)
        _information(run)


def _shift(run: Run, model: str) -> None:
    st.subheader("Shift against decodability", help=hint("shift"))
    points = cache.computed(run, summaries.shifts, model)
    if points.empty:
        messages.empty(tables.why_none(run, trains=False))
        return
    tables.chart(
        shift_chart(points, cache.theme()),
        "shift-recall",
        points,
        f"Shift and recall of each transformation in {model}.",
    )
    st.caption(
        "Right and low: a large move that the probe cannot name. Left and high: a small move that it recognizes. "
        "Identity is how far the sub-pixel warp that every view has moves an embedding by itself."
    )


def _equivariance(run: Run, model: str) -> None:
    st.subheader("Equivariance", help=hint("equivariance"))
    rows = summaries.pick(cache.table(run, layout.table_path("geometry")), measure=EQUIVARIANCE)
    if rows.empty:
        messages.empty(tables.why_none(run))
        return
    chosen = rows[rows["model"] == model]
    wide = chosen.pivot(index="transform", columns="measure", values="value").reindex(chosen["transform"].unique())
    columns = {
        name: st.column_config.NumberColumn(measure.title, format="%.2f", help=measure.hint)
        for name, measure in ((name, MEASURES.get(name)) for name in EQUIVARIANCE)
    }
    tables.show_table(wide[list(EQUIVARIANCE)].reset_index(), "equivariance", column_config=columns)
    tables.download(chosen, "equivariance-intervals", "With intervals, as CSV")


def _cka(run: Run) -> None:
    st.subheader("Likeness of the models' spaces", help=hint("cka"))
    table = tables.study(run, "cka", trains=False)
    if table.empty:
        return
    matrix = table.pivot(index="model_a", columns="model_b", values="value")
    order = [m for m in run.models["name"] if m in matrix.index]
    matrix = matrix.reindex(index=order, columns=order) * 100
    figure = confusion_chart(matrix, cache.theme(), axes=("model", "model"))
    tables.chart(figure, "cka", table, "CKA between every two models, in percent.")
    others = table[table["model_a"] != table["model_b"]].dropna(subset=["low", "high"])
    halves = (others["high"] - others["low"]) / 2 * 100
    half = (
        f" The 95 % intervals, in the data, reach {halves.median():.1f} points to either side in the median and "
        f"{halves.max():.1f} at most."
        if len(halves)
        else ""
    )
    note = f" {table['note'].iloc[0].capitalize()}." if table["note"].iloc[0] else ""
    st.caption(f"In percent: 100 is the same geometry, 0 what unrelated spaces have in the mean.{half}{note}")


def _composition(run: Run, model: str) -> None:
    st.subheader("Two transformations at once", help=hint("composition"))
    table = tables.study(run, "composition")
    if table.empty:
        return
    rows = table[table["model"] == model].sort_values("both_hit", ascending=False)
    found = {"first_hit": "composition-first", "second_hit": "composition-last", "both_hit": "composition-both"}
    measures = {column: MEASURES.get(name) for column, name in found.items()}
    percent = {column: (f"{measure.title} (%)", measure.definition) for column, measure in measures.items()}
    percent |= {"both_low": ("both, from", hint("interval")), "both_high": ("both, to", hint("interval"))}
    tables.show_table(rows[["first", "second", *percent, "images"]], "composition-table", percent=percent)
    tables.notes(rows)


def _dimension(run: Run) -> None:
    st.subheader("Accuracy against dimension", help="How well the transformation is recognized from the first "
                 "principal components of the embedding alone, so that models are compared at equal size.")  # fmt: skip
    table = tables.study(run, "dimension")
    if table.empty:
        return
    figure = dimension_chart(table, cache.theme())
    tables.chart(figure, "dimension", table, "Balanced accuracy as the number of principal components grows.")
    st.caption("Dotted line: chance. Rest on a point for its 95 % interval; click a name below the chart to hide it.")
    tables.notes(table)


def _erasure(run: Run) -> None:
    st.subheader("Erasing the transformation", help="The linear subspace that separates the transformations is "
                 "projected out of the embedding, and accuracy is measured again.")  # fmt: skip
    table = tables.study(run, "erasure")
    if table.empty:
        return
    wide = table.pivot(index=["model", "task", "probe"], columns="erased", values="value")
    wide = wide.reindex(list(run.models["name"]), level="model").reset_index()
    erased = {
        "nothing": "Accuracy with nothing erased.",
        "transformation": "With the subspace of the transformations erased.",
        "random": "With as many directions erased that have nothing to do with the transformations.",
    }
    percent = {name: (f"{name} erased (%)", text) for name, text in erased.items()}
    tables.show_table(wide[["model", "task", "probe", *erased]], "erasure", percent=percent)
    tables.download(table, "erasure-intervals", "With intervals, as CSV")
    tables.notes(table)


def _outliers(run: Run, model: str) -> None:
    st.subheader("Outside of clean embeddings", help="How well the distance from clean training embeddings separates "
                 "transformed images from clean ones; nothing is tuned on transformed images.")  # fmt: skip
    table = tables.study(run, "ood")
    if table.empty:
        return
    chosen = table[table["model"] == model].assign(column=lambda t: t["measure"] + ", " + t["method"])
    wide = chosen.pivot(index="transform", columns="column", values="value").reindex(chosen["transform"].unique())
    columns = {str(name): _outlier_column(*str(name).split(", ")) for name in wide}
    tables.show_table(wide.reset_index(), "outliers", column_config=columns)
    tables.download(chosen.drop(columns="column"), "outliers-intervals", "With intervals, as CSV")


def _outlier_column(measure: str, method: str) -> Any:
    known = MEASURES.get(measure)
    return st.column_config.NumberColumn(
        f"{known.title}, {METHODS.get(method, method)}", format="%.2f", help=known.hint
    )


def _information(run: Run) -> None:
    st.subheader("In the embedding, or learned by the probe?", help="A probe that learns easily and generalizes finds "
                 "what the embedding holds; one that needs many examples learns it by itself.")  # fmt: skip
    selectivity, codelength = (cache.table(run, layout.table_path(n)) for n in ("selectivity", "codelength"))
    if selectivity.empty or codelength.empty:
        messages.empty(tables.why_none(run))
        return
    number = st.column_config.NumberColumn
    further = {
        "accuracy": number(format="%.2f", help="At the task: which transformation was applied (share)."),
        "control": number(format="%.2f", help="At a task whose labels are drawn at random (share)."),
        "bits": number(format="localized", help="What the labels cost when the embedding is known, in bits."),
        "guessing_bits": number("bits by guessing", format="localized", help="What they cost without it, in bits."),
    }
    for name, table, columns in (
        ("selectivity", selectivity, ["model", "value", "low", "high", "accuracy", "control", "note"]),
        ("compression", codelength, ["model", "value", "low", "high", "bits", "guessing_bits", "note"]),
    ):
        measure = MEASURES.get(name)
        value = number(measure.title, format="%.2f", help=measure.hint)
        rows = table.sort_values("value", ascending=False)[columns]
        tables.show_table(rows, name, column_config={"value": value, **further})


show()
