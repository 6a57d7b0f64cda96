"""Geometry: how transformations move embeddings, and how alike the models' spaces are."""

from __future__ import annotations

import re

import pandas as pd
import streamlit as st

from dashboard import data, widgets
from dashboard.glossary import hint
from probing_core.charts import confusion_chart, layers_chart, shift_chart
from probing_core.results import Run

LAYER = re.compile(r"^(?P<model>.*)@layer=(?P<layer>\d+)(?P<rest>.*)$")


def show() -> None:
    run = data.current_run()
    st.title("Geometry")
    _shift(run)
    _equivariance(run)
    _cka(run)
    _layers(run)
    _composition(run)


def _shift(run: Run) -> None:
    st.header("Shift against decodability", help=hint("shift"))
    table = run.table("tables/geometry.parquet")
    shift = table if table.empty else table[table["measure"] == "shift"]
    if shift.empty:
        widgets.empty("This run has no shifts of embeddings; they are measured with the reference run.")
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
    st.caption("Right and low: a large move that the probe cannot name. Left and high: a small move that tells.")


def _equivariance(run: Run) -> None:
    st.header("Equivariance", help=hint("equivariance"))
    table = run.table("tables/geometry.parquet")
    rows = table if table.empty else table[table["measure"].isin(["equivariance-r2", "retrieval-mrr"])]
    if rows.empty:
        widgets.empty("This run has no equivariance; it is measured with the reference run.")
        return
    wide = rows.pivot_table(index=["model", "transform"], columns="measure", values="value").reset_index()
    widgets.show_table(
        wide,
        "equivariance",
        column_config={
            "equivariance-r2": st.column_config.NumberColumn(format="%.2f", help=hint("equivariance")),
            "retrieval-mrr": st.column_config.NumberColumn(format="%.2f", help=hint("retrieval")),
        },
    )


def _cka(run: Run) -> None:
    st.header("Likeness of the models' spaces", help=hint("cka"))
    table = run.table("tables/cka.parquet")
    if table.empty:
        widgets.empty("This run has no CKA between models: debiased CKA takes at least 2,000 images.")
        return
    matrix = table.pivot(index="model_a", columns="model_b", values="value")
    order = [m for m in run.models["name"] if m in matrix.index]
    matrix = matrix.reindex(index=order, columns=order) * 100
    widgets.chart(confusion_chart(matrix, data.theme()), "cka", table, "CKA between every two models, in percent.")


def _layers(run: Run) -> None:
    st.header("Layers")
    scores = run.scores
    rows = scores[(scores["subset"] == "seen") & (scores["measure"] == "balanced-accuracy")].copy()
    parsed = rows["model"].str.extract(LAYER)
    rows["layer"], rows["base"] = pd.to_numeric(parsed["layer"]), parsed["model"] + parsed["rest"].fillna("")
    rows = rows.dropna(subset=["layer"])
    if rows.empty:
        widgets.empty("No model of this run was asked for its layers: name it with `@layer=all` to embed every block.")
        return
    task = widgets.pick_task(run)
    chosen = rows[rows["task"] == task].sort_values(["base", "layer"])
    widgets.chart(layers_chart(chosen, data.theme()), "layers", chosen, f"Balanced accuracy by layer, task {task}.")


def _composition(run: Run) -> None:
    st.header("Two transformations at once", help=hint("composition"))
    table = run.table("tables/composition.parquet")
    if table.empty:
        widgets.empty("This run has no compositions; they are measured with the reference run.")
        return
    model = widgets.pick_model(run, name="composition-model")
    widgets.show_table(table[table["model"] == model], "composition-table")


show()
