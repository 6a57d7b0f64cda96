"""Geometry: how transformations move embeddings, and how alike the models' spaces are."""

from __future__ import annotations

import streamlit as st

from dashboard import data, widgets
from dashboard.glossary import hint
from dashboard.pictures import plain
from dashboard.studies import measure_columns, why_none
from probing_core.charts import confusion_chart, dimension_chart, layers_chart, shift_chart
from probing_core.measures import MEASURES
from probing_core.results import Run
from probing_core.results.summaries import layers

EQUIVARIANCE = ("equivariance-identity", "equivariance-offset", "equivariance-ridge", "equivariance-rank")


def show() -> None:
    run = data.current_run()
    st.title("Geometry")
    _shift(run)
    _equivariance(run)
    _cka(run)
    _layers(run)
    _composition(run)
    _dimension(run)
    _erasure(run)
    _outliers(run)
    _information(run)


def _shift(run: Run) -> None:
    st.header("Shift against decodability", help=hint("shift"))
    table = run.table("tables/geometry.parquet")
    shift = table if table.empty else table[table["measure"] == "shift"]
    if shift.empty:
        widgets.empty(why_none(run, trains=False))
        return
    model = widgets.pick_model(run)
    recall = run.scores[(run.scores["task"] == "fine") & (run.scores["measure"] == "recall")]
    recall = recall[recall["subset"].str.startswith("transform:")]
    recall = recall.assign(transform=recall["subset"].str.removeprefix("transform:"))
    points = shift.merge(recall[["model", "transform", "value"]], on=["model", "transform"], suffixes=("", "_recall"))
    points = points[points["model"] == model].merge(run.transforms, on="transform")
    widgets.chart(
        shift_chart(points, data.theme()),
        "shift-recall",
        points,
        f"Shift and recall of each transformation in {model}.",
    )
    st.caption(
        "Right and low: a large move that the probe cannot name. Left and high: a small move that tells. Identity is "
        "how far the sub-pixel warp that every view has moves an embedding by itself."
    )


def _equivariance(run: Run) -> None:
    st.header("Equivariance", help=hint("equivariance"))
    table = run.table("tables/geometry.parquet")
    rows = table if table.empty else table[table["measure"].isin(EQUIVARIANCE)]
    if rows.empty:
        widgets.empty(why_none(run))
        return
    model = widgets.pick_model(run, name="equivariance-model")
    chosen = rows[rows["model"] == model]
    wide = chosen.pivot(index="transform", columns="measure", values="value").reindex(chosen["transform"].unique())
    columns = measure_columns(list(EQUIVARIANCE))
    widgets.show_table(wide[list(EQUIVARIANCE)].reset_index(), "equivariance", column_config=columns)
    widgets.download(chosen, "equivariance-intervals", "With intervals, as CSV")


def _cka(run: Run) -> None:
    st.header("Likeness of the models' spaces", help=hint("cka"))
    table = run.table("tables/cka.parquet")
    if table.empty:
        widgets.empty(why_none(run, trains=False))
        return
    matrix = table.pivot(index="model_a", columns="model_b", values="value")
    order = [m for m in run.models["name"] if m in matrix.index]
    matrix = matrix.reindex(index=order, columns=order) * 100
    widgets.chart(confusion_chart(matrix, data.theme()), "cka", table, "CKA between every two models, in percent.")
    if note := table["note"].iloc[0]:
        st.caption(note)


def _layers(run: Run) -> None:
    st.header("Layers")
    if not run.models["name"].str.contains("@layer=", regex=False).any():
        widgets.empty("No model of this run was asked for its layers: name it with `@layer=all` to embed every block.")
        return
    task = widgets.pick_task(run)
    rows = layers(run, task)
    if rows.empty:
        widgets.empty("The layers have no scores of this task yet; `probing evaluate --run DIR` makes them.")
        return
    widgets.chart(layers_chart(rows, data.theme()), "layers", rows, f"Balanced accuracy by layer, task {task}.")
    best = rows[rows["chosen"]]
    if not best.empty:
        told = "; ".join(f"{plain(str(r.base))} layer {r.layer} ({r.value:.0%})" for r in best.itertuples())
        st.caption(f"Chosen by the loss on the val split, not by the scores above: {told}.")


def _composition(run: Run) -> None:
    st.header("Two transformations at once", help=hint("composition"))
    table = run.table("tables/composition.parquet")
    if table.empty:
        widgets.empty(why_none(run))
        return
    model = widgets.pick_model(run, name="composition-model")
    rows = table[table["model"] == model]
    names = {"first_hit": "composition-first", "second_hit": "composition-last", "both_hit": "composition-both"}
    widgets.show_table(
        rows.sort_values("both_hit", ascending=False)[["first", "second", *names, "both_low", "both_high", "images"]],
        "composition-table",
        column_config={
            column: st.column_config.NumberColumn(
                MEASURES.get(name).title, format="percent", help=MEASURES.get(name).definition
            )
            for column, name in names.items()
        }
        | {
            end: st.column_config.NumberColumn(end.replace("_", ", "), format="percent")
            for end in ("both_low", "both_high")
        },
    )


def _dimension(run: Run) -> None:
    st.header("Accuracy against dimension", help="How well the transformation is told from the first principal "
              "components of the embedding alone, so that models are compared at equal size.")  # fmt: skip
    table = run.table("tables/dimension.parquet")
    if table.empty:
        widgets.empty(why_none(run))
        return
    figure = dimension_chart(table, data.theme())
    widgets.chart(figure, "dimension", table, "Balanced accuracy as the number of principal components grows.")


def _erasure(run: Run) -> None:
    st.header("Erasing the transformation", help="The linear subspace that tells the transformations is projected "
              "out of the embedding, and accuracy is measured again.")  # fmt: skip
    table = run.table("tables/erasure.parquet")
    if table.empty:
        widgets.empty(why_none(run))
        return
    wide = table.pivot(index=["model", "task", "probe"], columns="erased", values="value").reset_index()
    erased = {
        "nothing": "Accuracy before.",
        "transformation": "With the subspace of the transformations erased.",
        "random": "With as many directions erased that have nothing to do with the transformations.",
    }
    columns = {name: st.column_config.NumberColumn(format="percent", help=text) for name, text in erased.items()}
    widgets.show_table(wide[["model", "task", "probe", *erased]], "erasure", column_config=columns)
    widgets.download(table, "erasure-intervals", "With intervals, as CSV")


def _outliers(run: Run) -> None:
    st.header("Outside of clean embeddings", help="How well the distance from clean training embeddings tells "
              "transformed images from clean ones; nothing is tuned on transformed images.")  # fmt: skip
    table = run.table("tables/ood.parquet")
    if table.empty:
        widgets.empty(why_none(run))
        return
    model = widgets.pick_model(run, name="outliers-model")
    chosen = table[table["model"] == model].assign(column=lambda t: t["measure"] + ", " + t["method"])
    wide = chosen.pivot(index="transform", columns="column", values="value").reindex(chosen["transform"].unique())
    columns = {
        name: st.column_config.NumberColumn(format="%.2f", help=MEASURES.get(str(name).split(",")[0]).definition)
        for name in wide
    }
    widgets.show_table(wide.reset_index(), "outliers", column_config=columns)
    widgets.download(chosen.drop(columns="column"), "outliers-intervals", "With intervals, as CSV")


def _information(run: Run) -> None:
    st.header("In the embedding, or learned by the probe?")
    selectivity, codelength = run.table("tables/selectivity.parquet"), run.table("tables/codelength.parquet")
    if selectivity.empty or codelength.empty:
        widgets.empty(why_none(run))
        return
    ends = {
        end: st.column_config.NumberColumn(format="%.2f", help="End of the 95 % interval.") for end in ("low", "high")
    }
    for name, table, columns in (
        ("selectivity", selectivity, ["model", "value", "low", "high", "accuracy", "control", "note"]),
        ("compression", codelength, ["model", "value", "low", "high", "bits", "guessing_bits", "note"]),
    ):
        measure = MEASURES.get(name)
        value = st.column_config.NumberColumn(measure.title, format="%.2f", help=measure.definition)
        rows = table.sort_values("value", ascending=False)[columns]
        widgets.show_table(rows, name, column_config={"value": value, **ends})


show()
