"""Layers: where in a network the transformation and the content are encoded."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.data import cache
from dashboard.page import page
from dashboard.text import in_bold, plain
from dashboard.widgets import messages, tables
from probing_core.charts import layers_chart
from probing_core.measures.notation import model_title
from probing_core.measures.statistics import with_place
from probing_core.results import sentences, summaries

FEW = 8
"""Most networks in one chart: more lines are not distinguished. Ablations are left out first, then the worst."""


@page("Layers", "Where in the network is it encoded?")
def show() -> None:
    run = messages.run_with_models()
    rows = cache.computed(run, summaries.layers)
    if rows.empty:
        messages.empty(tables.why_none(run) + " Models that are no networks have no blocks.")
        return
    messages.finding(sentences.layers_finding(rows, in_bold))
    first = rows[rows["base"].isin(_plain(rows))]
    tables.chart(layers_chart(first, cache.theme()), "layers", rows, "Balanced accuracy by block and task.")
    learned, every = cache.computed(run, summaries.images_of_blocks)
    fewer = (
        f" The page Models has other scores for two reasons. Here a probe learns what was done from "
        f"{learned:,} images, there from {every:,}. There an embedding has passed what a network does after its last "
        "block: in the zoo's and the untrained network a normalization."
        if 0 < learned < every
        else ""
    )
    st.caption(
        "A linear probe of each block, from the first to the last. Rest on a point for its "
        f"95\N{NO-BREAK SPACE}% interval. {_drawn(rows['base'], first['base'])}{fewer}"
    )


def _drawn(models: pd.Series, drawn: pd.Series) -> str:
    counted, shown = sentences.networks_of(models), set(drawn)
    out = [model_title(model) for model in counted if model not in shown]
    untrained = [model_title(model) for model in with_place(drawn) if model not in counted]
    words = f"Drawn are {len(counted) - len(out)} of the {len(counted)} encoders"
    words += f", and as a baseline {plain(' and '.join(untrained))}" if untrained else ""
    return f"{words}; not drawn: {plain('; '.join(out))}." if out else f"{words}."


def _plain(rows: pd.DataFrame) -> list[str]:
    """Return the models without repeated trainings; of many, those that are no ablations and know most of what was
    done."""
    names = with_place(rows["base"])
    if len(names) > FEW:
        names = [name for name in names if not any(name.startswith(f"{other}-") for other in names)]
    best = rows[rows["task"] == "fine"].groupby("base")["value"].max().reindex(names)
    kept = set(best.nlargest(FEW).index)
    return [name for name in names if name in kept]


show()
