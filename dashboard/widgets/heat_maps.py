"""Heat maps with one column per model, whose row labels stay visible where the chart scrolls."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.data import cache
from dashboard.widgets import tables
from probing_core.charts import HeatScale, Theme
from probing_core.charts import heat_map as draw
from probing_core.charts.heat_map import CELL_ROW_PX
from probing_core.measures.notation import model_title
from probing_core.measures.statistics import SIGNIFICANT, with_place
from probing_core.results import Run, by_transform
from probing_core.results.ranking import in_order, scores_of

RECALL_SCALE = HeatScale("recall (%)", {0: "0", 0.25: "25", 0.5: "50", 0.75: "75", 1: "100"})

LABELS_PX = 150
"""Maximum width in pixels of the row labels of a heat map that scrolls. Longer labels are cut off."""

ABOUT_BOLD = (
    "Bold: best in its row, or not significantly below the best (significant: "
    f"{SIGNIFICANT} after Bonferroni correction in the row)."
)


def cell_title(model: str, title: str) -> str:
    return f"<b>{html.escape(model_title(model))}</b><br>{html.escape(title)}"


def heat_map(
    run: Run,
    cells: pd.DataFrame,
    data: pd.DataFrame,
    titles: Mapping[str, str],
    groups: Sequence[str],
    scale: HeatScale,
    key: str,
    index: str = "transform",
    column: str = "value",
    on_pick: Callable[[list[Any]], None] | None = None,
) -> None:
    """Show a heat map with one row for each of ``titles`` and one column for each model, best model first.

    Args:
        run: the run.
        cells: one row per cell: ``model``, the columns named ``index`` and ``column``, ``text``, ``hover`` and
            ``level`` (whether the text is bold).
        data: table for download.
        titles: value of ``index`` -> row label.
        groups: group of each row, which determines the color of its label.
        scale: color scale.
        key: widget key.
        index: column of ``cells`` that identifies the row.
        column: column of ``cells`` that determines the color.
        on_pick: function that is called with the row and the model of a clicked cell.
    """
    theme = cache.theme()
    order = in_order(cache.computed(run, scores_of, "fine", "seen"))["model"]
    models = [model for model in with_place(order) if model in set(cells["model"])]
    best = "<br>best in its row, or not significantly below the best"
    cells = cells.assign(hover=cells["hover"].where(~cells["level"], cells["hover"] + best))
    values, texts, hover, level = (
        by_transform.matrix(cells, of, list(titles), models, index) for of in (column, "text", "hover", "level")
    )
    texts = texts.fillna("").set_axis(list(titles.values()), axis=0)
    texts = texts.set_axis([model_title(model) for model in models], axis=1)
    bands = [(theme.group(str(name)), len(list(rows))) for name, rows in groupby(groups)]
    figure = draw(values, texts, hover.fillna(""), theme, scale, bands, level.eq(True))
    with st.container(key="heat-map"):
        st.html(_row_labels(list(texts.index), bands, figure["layout"]["margin"], theme))
        tables.chart(figure, key, data, f"Heat map of {scale.title} by model.", on_pick)


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
