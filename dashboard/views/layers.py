"""Layers: where in a network is known what was done to a picture, and where what it shows."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.data import cache
from dashboard.page import fragment, page
from dashboard.text import hint, plain
from dashboard.widgets import messages, pickers, tables
from probing_core.charts import LAYER_TASKS, layers_chart, paths_chart
from probing_core.measures import MEASURES
from probing_core.measures.notation import in_percent
from probing_core.results import summaries
from probing_core.results.ranking import with_place
from probing_core.results.sentences import layers_finding

MAX_STEPS = 24
"""Steps of the slider; more depths than that are every twentieth of the way."""

NO_BLOCKS = "they have no blocks of their own: statistics and pixels, or a network that is read at one block"


@page("Layers", "Where in a network is known what was done to a picture, and where what it shows.")
def show() -> None:
    run = cache.current_run()
    if run.models.empty:
        messages.empty("No model has been embedded in this run yet; `probing run --out DIR` does it.")
        return
    rows = cache.computed(run, summaries.layers)
    if rows.empty:
        messages.empty(tables.why_none(run) + " Models that are no networks have no layers.")
        return
    with st.container(key="finding"):
        st.markdown(layers_finding(rows, lambda name: f"**{plain(name)}**"))
    messages.left_out(run.models["name"], rows["base"], NO_BLOCKS)
    learned, every = cache.computed(run, summaries.images_of_blocks)
    if 0 < learned < every:
        st.caption(
            f"Probes of what was done learn from {learned:,} of the {every:,} training images, those of the content "
            "from all: compare blocks with each other, and not with the scores on Overview, where every probe learns "
            "from all."
        )
    first = rows[rows["base"].isin(with_place(rows["base"]))]
    if (first["task"] == "content").any():
        _through_the_blocks(first)
    _block_by_block(first)
    if others := rows["base"].nunique() - first["base"].nunique():
        st.caption(f"The table below has these networks with other seeds, too ({others}).")
    if box := pickers.fold("The best block of each network, chosen on photographs that are not scored", "show-best"):
        with box:
            _best(rows)
    # How many images a probe learned from is said above, of all.
    tables.notes(rows.assign(note=rows["note"].str.replace(r"^learned from [\d,]+ images(; )?", "", regex=True)))


@fragment
def _through_the_blocks(rows: pd.DataFrame) -> None:
    depths = summaries.depths_of(rows)
    if len(depths) > MAX_STEPS:
        depths = [i / 20 for i in range(21)]
    names = {depth: in_percent(depth) for depth in depths}
    depth = state.choice(
        st.select_slider,
        "Depth: 0 % is the first block of each network, 100 % the last",
        "depth",
        _deepest_knowledge(rows, depths),
        depths,
        format_func=names.__getitem__,
    )
    at = summaries.blocks_at(rows, depth)
    tables.chart(
        paths_chart(rows, at, cache.theme()),
        "paths",
        at,
        f"What was done against what is shown, at {in_percent(depth)} of the depth of each network.",
    )
    st.caption(
        "Move the slider: a mark is a network at that depth, its line the way from its first block to its last. Up: "
        "names which transformation was applied, or none. Right: knows what is in an untouched picture. Each block has "
        "a linear probe of its own."
    )


def _deepest_knowledge(rows: pd.DataFrame, depths: list[float]) -> float:
    """Return the depth at which what was done is known best, in the network where it is known best."""
    fine = rows[(rows["task"] == "fine") & rows["chosen"].astype(bool)]
    best = fine.sort_values("value").iloc[-1]
    of_network = rows.loc[rows["base"] == best["base"], "layer"]
    wanted = (best["layer"] - of_network.min()) / max(1, of_network.max() - of_network.min())
    return min(depths, key=lambda depth: abs(depth - wanted))


def _block_by_block(rows: pd.DataFrame) -> None:
    st.header("Block by block")
    figure = layers_chart(rows, cache.theme(), pickers.chosen_model())
    tables.chart(figure, "layers", rows, "Balanced accuracy by block and task.")
    st.caption(f"Dotted line: chance. Rest on a point for its 95 % interval. {tables.MANY_LINES}")


def _best(rows: pd.DataFrame) -> None:
    st.caption("The block with the lowest loss on the val split, chosen without the scores.")
    best = summaries.best_layers(rows)
    named = pd.DataFrame(
        {
            "model": best["base"],
            "task": best["task"].map(LAYER_TASKS),
            "block": [f"{layer} of {layers}" for layer, layers in zip(best["layer"], best["layers"], strict=True)],
            **best[["value", "low", "high"]],
        }
    )
    tables.show_table(
        named,
        "best-layers",
        percent={
            "value": ("score (%)", MEASURES.get("balanced-accuracy").definition),
            "low": ("from (%)", hint("interval")),
            "high": ("to (%)", hint("interval")),
        },
    )


show()
