"""The "Layers" page: transformation and content accuracy at each layer, compared with the last layer."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from dashboard.data import cache
from dashboard.page import page
from dashboard.text import in_bold, plain
from dashboard.widgets import messages, tables
from probing_core.charts import Theme, layer_chart
from probing_core.measures.notation import in_points, model_title
from probing_core.measures.statistics import with_place
from probing_core.results import sentences, summaries
from probing_core.results.ranking import networks_of
from probing_core.results.run import Run

FEW = 9
"""Maximum number of networks in a chart. Variants are omitted first, followed by networks with the lowest accuracy."""

TASKS = {"fine": "Transformation", "content": "Content"}
"""Task in the table of layers -> title of the chart."""


@page("Layers")
def show() -> None:
    run = messages.run_with_models()
    rows = cache.computed(run, summaries.layers)
    if rows.empty:
        messages.empty(f"{tables.why_none(run)} Only neural networks have layers.")
        return
    messages.finding(cache.computed(run, _finding))
    drawn = cache.computed(run, _drawn_rows)
    crops = cache.computed(run, summaries.training_crops)
    present = {task: title for task, title in TASKS.items() if (drawn["task"] == task).any()}
    depth = drawn.groupby("base")["layer"].max()
    for column, (task, title) in zip(st.columns(len(present)), present.items(), strict=True):
        with column:
            for layers in depth.value_counts().index:  # deep networks differ more between layers than shallow ones
                names = depth.index[depth == layers]
                tables.vega_chart(
                    cache.computed(run, _chart, task, title, int(layers), cache.theme()),
                    f"layers-{task}-{layers}",
                    rows[(rows["task"] == task) & rows["base"].isin(names)],
                    f"{title} accuracy of each layer: difference from the last layer in percentage points, by network.",
                )
    st.caption(_caption(rows, drawn, crops))
    _show_chosen_layers(run)


def _finding(run: Run) -> str:
    return sentences.layers_finding(cache.computed(run, summaries.layers), in_bold)


def _drawn_rows(run: Run) -> pd.DataFrame:
    """Return the rows for the networks in the charts. ``chosen`` marks the layer selected for transformations."""
    rows = cache.computed(run, summaries.layers)
    drawn = rows[rows["base"].isin(_networks(rows))]
    selected = rows[(rows["task"] == "fine") & rows["chosen"].astype(bool)].set_index(["base", "layer"]).index
    return drawn.assign(chosen=pd.MultiIndex.from_frame(drawn[["base", "layer"]]).isin(selected))


def _chart(run: Run, task: str, title: str, layers: int, theme: Theme) -> dict[str, Any]:
    """Draw the accuracy by layer of the networks that have ``layers`` layers."""
    drawn = cache.computed(run, _drawn_rows)
    crops = cache.computed(run, summaries.training_crops).get(task)
    return layer_chart(
        drawn[(drawn["task"] == task) & (drawn.groupby("base")["layer"].transform("max") == layers)],
        theme,
        f"{title} accuracy vs. the last of {layers} layers",
        ["percentage points", *([f"{crops:,} training crops"] if crops else [])],
    )


def _chosen_layers(run: Run) -> pd.DataFrame:
    """Return the layer that was selected for transformations in each network, compared with the last layer."""
    rows = cache.computed(run, summaries.layers)
    fine, content = (rows[rows["task"] == task].set_index(["base", "layer"]) for task in ("fine", "content"))
    chosen = fine[fine["chosen"]]
    last = fine.reset_index().groupby("base")["layer"].max()
    table = pd.DataFrame({
        "model": list(chosen.index.get_level_values("base")),
        "layer": [f"{layer} of {last[base]}" for base, layer in chosen.index],
        "accuracy": 100 * chosen["value"].to_numpy(float),
        "transformation": 100 * chosen["difference"].to_numpy(float),
        "low": 100 * chosen["difference_low"].to_numpy(float),
        "high": 100 * chosen["difference_high"].to_numpy(float),
        "content_accuracy": 100 * content["value"].reindex(chosen.index).to_numpy(float),
        "content": 100 * content["difference"].reindex(chosen.index).to_numpy(float),
    })  # fmt: skip
    return table[table["model"].isin(with_place(table["model"]))].dropna(axis=1, how="all")


def _show_chosen_layers(run: Run) -> None:
    st.markdown(
        "**Layer selected for transformations on the validation set**: accuracy, and difference from the last layer "
        "(percentage points)"
    )
    table = cache.computed(run, _chosen_layers)
    columns = {
        "model": st.column_config.TextColumn("Network"),
        "layer": st.column_config.TextColumn("Layer"),
        "accuracy": st.column_config.NumberColumn("Accuracy (%)", format="%.1f"),
        "content_accuracy": st.column_config.NumberColumn("Content accuracy (%)", format="%.1f"),
        **{
            name: st.column_config.NumberColumn(title)
            for name, title in {
                "transformation": "Difference",
                "low": "95% CI low",
                "high": "95% CI high",
                "content": "Content difference",
            }.items()
        },
    }
    signed = {name: _signed for name in ("transformation", "low", "high", "content") if name in table}
    tables.show_table(table, "chosen-layers", columns, written={"model": model_title, **signed})


def _signed(points: float) -> str:
    return in_points(points / 100)


def _caption(rows: pd.DataFrame, drawn: pd.DataFrame, crops: dict[str, int]) -> str:
    present = set(drawn["base"])
    out = [model_title(model) for model in networks_of(rows["base"]) if model not in present]
    omitted = f" Not shown in the charts: {plain(', '.join(out))}." if out else ""
    fewer = ""
    if crops.get("fine", 0) < crops.get("content", 0):
        fewer = (
            f"Accuracies differ from the accuracies on the Models page, because probes for transformations are trained "
            f"on {crops['fine']:,} instead of {crops['content']:,} crops. "
        )
    return f"{fewer}Hover over a line to see its 95% CI, paired by photograph.{omitted}"


def _networks(rows: pd.DataFrame) -> list[str]:
    """Return the networks to draw, without additional seeds (see `FEW`)."""
    names = with_place(rows["base"])
    if len(names) > FEW:
        names = [name for name in names if not any(name.startswith(f"{other}-") for other in names)]
    best = rows[rows["task"] == "fine"].groupby("base")["value"].max().reindex(names)
    best_names = set(best.nlargest(FEW).index)
    return [name for name in names if name in best_names]


show()
