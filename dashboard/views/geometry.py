"""Geometry: how transformations move embeddings, and how alike the models' spaces are."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from dashboard.data import cache
from dashboard.page import page
from dashboard.text import hint, named, plain
from dashboard.widgets import messages, pickers, tables
from probing_core.charts import LAYER_TASKS, confusion_chart, dimension_chart, dots_chart, shift_chart
from probing_core.measures import MEASURES
from probing_core.results import Run, summaries
from probing_core.results.finding import shift_finding
from probing_core.run import layout

STUDIES = ("geometry", "composition", "ood", "cka", "dimension", "erasure", "selectivity", "codelength")
EQUIVARIANCE = ("equivariance-identity", "equivariance-offset", "equivariance-ridge", "equivariance-rank")
WHOSE = {"one": "one model", "all": "all models"}

METHODS = {"mahalanobis": "Mahalanobis", "neighbors": "nearest neighbors"}
"""Names of the measures of the distance from untouched embeddings."""


@page("Geometry", "How transformations move embeddings, and how alike the models' embeddings are.")
def show() -> None:
    run = cache.current_run()
    if run.models.empty:
        messages.empty("No model has been embedded in this run yet; `probing run --out DIR` does it.")
        return
    if all(cache.table(run, layout.table_path(name)).empty for name in STUDIES):
        messages.empty(tables.why_none(run))
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
    st.subheader("Is a transformation recognized that moves the embedding little?", help=hint("shift"))
    points = cache.computed(run, summaries.shifts, model)
    if points.empty:
        messages.empty(tables.why_none(run, trains=False))
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
        "by cosine; the stars on Map show what these moves have in common, which is less. Identity is what the "
        "sub-pixel warp that every view has moves by itself."
    )


def _equivariance(run: Run, model: str) -> None:
    rows = summaries.pick(cache.table(run, layout.table_path("geometry")), measure=EQUIVARIANCE)
    chosen = rows if rows.empty else rows[rows["model"] == model]
    if chosen.empty:
        return
    st.subheader("Can the move be predicted from the untouched picture?", help=hint("equivariance"))
    shares = chosen[chosen["measure"] != EQUIVARIANCE[-1]]  # a rank is no R²
    drawn = shares.assign(series=[MEASURES.get(m).title for m in shares["measure"]], name=shares["transform"])
    _dots(run, drawn, "equivariance-dots", "held-out R² (1: exactly predicted)", unit="")
    if box := pickers.fold("The same as a table", "show-equivariance"):
        with box:
            wide = chosen.pivot(index="transform", columns="measure", values="value")
            columns = {
                name: st.column_config.NumberColumn(measure.title, format="%.2f", help=measure.hint)
                for name, measure in ((name, MEASURES.get(name)) for name in EQUIVARIANCE)
            }
            wide = wide.reindex(chosen["transform"].unique())[list(EQUIVARIANCE)]
            tables.show_table(wide.reset_index(), "equivariance", column_config=columns)
            tables.download(chosen, "equivariance-intervals", "With intervals, as CSV")


def _dots(run: Run, rows: pd.DataFrame, key: str, title: str, unit: str = "%") -> None:
    """Draw a row for each ``name``, of transformations in the colors of their groups."""
    groups = dict(zip(run.transforms["transform"], run.transforms["group"], strict=True))
    tables.chart(dots_chart(rows, cache.theme(), title, groups=groups, unit=unit), key, rows, title)


def _cka(run: Run) -> None:
    st.subheader("How alike are the models' spaces?", help=hint("cka"))
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
    table = cache.table(run, layout.table_path("composition"))
    if table.empty:
        return
    st.subheader("Are two changes found that were made one after the other?", help=hint("composition"))
    rows = table[table["model"] == model].sort_values("both_hit", ascending=False)
    named = rows["first"] + ", then " + rows["second"]
    shares = {"first_hit": "the first", "second_hit": "the last", "both_hit": "both"}
    parts = [
        pd.DataFrame({"name": named, "series": series, "value": 100 * rows[column]})
        for column, series in shares.items()
    ]
    _dots(run, pd.concat(parts), "composition-dots", "pictures in which it is found (%)")
    if not (box := pickers.fold("The same as a table, with intervals", "show-composition")):
        return
    with box:
        _composition_table(rows)


def _composition_table(rows: pd.DataFrame) -> None:
    found = {"first_hit": "composition-first", "second_hit": "composition-last", "both_hit": "composition-both"}
    measures = {column: MEASURES.get(name) for column, name in found.items()}
    percent = {column: (f"{measure.title} (%)", measure.definition) for column, measure in measures.items()}
    percent |= {"both_low": ("both, from", hint("interval")), "both_high": ("both, to", hint("interval"))}
    tables.show_table(rows[["first", "second", *percent, "images"]], "composition-table", percent=percent)
    tables.notes(rows)


def _dimension(run: Run) -> None:
    st.subheader("How many dimensions does it take?", help="How well the transformation is recognized from the first "
                 "principal components of the embedding alone, so that models are compared at equal size.")  # fmt: skip
    table = tables.study(run, "dimension")
    if table.empty:
        return
    figure = dimension_chart(table, cache.theme(), pickers.chosen_model())
    tables.chart(figure, "dimension", table, "Balanced accuracy as the number of principal components grows.")
    st.caption(f"Dotted line: chance. Rest on a point for its 95 % interval. {tables.MANY_LINES}")
    tables.notes(table)


def _erasure(run: Run) -> None:
    table = cache.table(run, layout.table_path("erasure"))
    if table.empty:
        return
    st.subheader("Can what was done be erased, and what is shown be kept?", help="The linear subspace that separates "
                 "the transformations is projected out of the embedding, and accuracy is measured again.")  # fmt: skip
    for task, title in LAYER_TASKS.items():
        linear = table[(table["task"] == task) & (table["probe"] == "linear")]
        if len(linear):
            drawn = linear.assign(name=linear["model"], series=linear["erased"] + " erased")
            drawn = drawn.assign(**{column: 100 * drawn[column] for column in ("value", "low", "high")})
            _dots(run, drawn, f"erasure-{task}", f"{title}: balanced accuracy (%)")
    st.caption("Random: as many directions erased that have nothing to do with the transformations. Bars are 95 % "
               "intervals; linear probes.")  # fmt: skip
    if box := pickers.fold("Every probe, as a table", "show-erasure"):
        with box:
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
    table = cache.table(run, layout.table_path("ood"))
    if table.empty:
        return
    st.subheader(
        "Does a transformation look like an outlier?",
        help="How well the distance from untouched training embeddings separates transformed images from untouched "
        "ones; nothing is tuned on transformed images.",
    )
    chosen = table[table["model"] == model].assign(column=lambda t: t["measure"] + ", " + t["method"])
    auroc = chosen[chosen["measure"] == "auroc"]
    drawn = auroc.assign(name=auroc["transform"], series=auroc["method"].map(METHODS).fillna(auroc["method"]))
    drawn = drawn.assign(**{column: 100 * drawn[column] for column in ("value", "low", "high")})
    _dots(run, drawn, "outlier-dots", "AUROC (%): 50 is guessing, 100 always told apart")
    if box := pickers.fold("The same as a table, with false alarms", "show-outliers"):
        with box:
            wide = chosen.pivot(index="transform", columns="column", values="value")
            wide = wide.reindex(chosen["transform"].unique())
            columns = {str(name): _outlier_column(*str(name).split(", ")) for name in wide}
            tables.show_table(wide.reset_index(), "outliers", column_config=columns)
            tables.download(chosen.drop(columns="column"), "outliers-intervals", "With intervals, as CSV")


def _outlier_column(measure: str, method: str) -> Any:
    known = MEASURES.get(measure)
    return st.column_config.NumberColumn(
        f"{known.title}, {METHODS.get(method, method)}", format="%.2f", help=known.hint
    )


def _information(run: Run) -> None:
    selectivity, codelength = (cache.table(run, layout.table_path(n)) for n in ("selectivity", "codelength"))
    if selectivity.empty or codelength.empty:
        return
    st.subheader("In the embedding, or learned by the probe?", help="A probe that learns easily and generalizes finds "
                 "what the embedding holds; one that needs many examples learns it by itself.")  # fmt: skip
    drawn = selectivity.sort_values("value", ascending=False).assign(series="selectivity")
    drawn = drawn.assign(name=drawn["model"], **{column: 100 * drawn[column] for column in ("value", "low", "high")})
    _dots(run, drawn, "selectivity-dots", "selectivity (points): the task less labels drawn at random", unit="points")
    if box := pickers.fold("Selectivity and codelength, as tables", "show-information"):
        with box:
            _information_tables(selectivity, codelength)


def _information_tables(selectivity: pd.DataFrame, codelength: pd.DataFrame) -> None:
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
        rows = rows.assign(**{c: rows[c].round() for c in ("bits", "guessing_bits") if c in rows})
        tables.show_table(rows, name, column_config={"value": value, **further})


show()
