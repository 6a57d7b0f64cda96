"""The star of transformations: what each does to the embeddings of one model, and of all side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.components.hover import pictures_on_hover
from dashboard.data import cache
from dashboard.data.selection import samples_of
from dashboard.text import named
from dashboard.widgets import messages, pickers, tables
from probing_core.charts import Figure, Theme, star_chart
from probing_core.compute.star import MEAN
from probing_core.measures.notation import in_percent
from probing_core.results import Run
from probing_core.results.stars import ABOUT, NO_SAMPLE, stars

CHART = "star"


def show(run: Run, chosen: str, on_choose: Callable[[str], None]) -> None:
    """Show the star of a model of ``run`` and, folded, those of all, or one sentence on why there are none.

    Args:
        chosen: transformation that stands out; empty for none.
        on_choose: called with the transformation that was clicked.
    """
    table = cache.computed(run, stars)
    if table.empty:
        has_some = any(run.has_embeddings(model) for model in run.models["name"])
        messages.empty(
            "The mean offsets of the transformations, which stand here, are not computed yet; "
            "`probing run --out DIR` computes them."
            if has_some
            else "This run ships neither the mean offsets of its transformations, which stand here, nor embeddings to "
            "compute them from; a run computed here (`probing run`, or the page New run) has them."
        )
        return
    st.markdown(_sentence(table))

    def choose(picked: list[Any]) -> None:
        found = samples_of(picked, run.sample_count)
        on_choose(str(run.sample_rows(found[:1])["transform"].iloc[0]) if len(found) else "")

    models = list(table["model"].unique())
    messages.left_out(run.models["name"], models, "the run holds no mean offsets of theirs")
    model = models[0] if len(models) == 1 else pickers.select("The star of", "star-of", models)
    _draw(run, model, CHART, chosen, choose)
    st.caption(f"{ABOUT} Click a line to choose its transformation for everything below.")
    if len(models) > 1 and (box := pickers.fold(f"The stars of all {len(models)} models side by side", "show-stars")):
        with box:
            _draw(run, "", f"{CHART}s", chosen, choose)


def drawn(run: Run, model: str, chosen: str, dark: bool) -> Figure:
    """Return the star of ``model``, or of every model if that is empty, with the transformation ``chosen``."""
    return star_chart(_of(run, model), Theme(dark=dark), chosen)


def _of(run: Run, model: str) -> pd.DataFrame:
    table = cache.computed(run, stars)
    return table[table["model"] == model] if model else table


def _draw(run: Run, model: str, key: str, chosen: str, on_pick: Callable[[list[Any]], None]) -> None:
    table = _of(run, model)
    tables.chart(
        cache.computed(run, drawn, model, chosen, cache.is_dark()),
        key,
        lambda: table.drop(columns=["hover", "sample"]),
        f"Mean offset of each transformation with its trail from weak to strong, {table['model'].nunique()} models.",
        on_pick=on_pick,
    )
    if not run.pictures.why_not and (table["sample"] != NO_SAMPLE).any():
        pictures_on_hover(key, run)


def _sentence(table: pd.DataFrame) -> str:
    means = table[table["step"] == MEAN].groupby("transform", sort=False)["value"].mean().sort_values()
    weak, strong = means.index[0], means.index[-1]
    models = table["model"].nunique()
    over = f"On average over {models} models, " if models > 1 else ""
    return (
        f"{over}**{named(strong)}** moves all pictures together furthest, by {in_percent(means.iloc[-1])} of the "
        f"distance between two photographs, and **{named(weak)}** least, by {in_percent(means.iloc[0])}. A single "
        "picture moves further, in a direction of its own, too: that is the shift on Geometry."
    )
