"""Tables and charts with a download of their data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.data.downloads import Downloads
from probing_core.charts import Figure
from probing_core.compute.sampling.samples import FEW_PHOTOGRAPHS, has_splits
from probing_core.results import Run
from probing_core.results.csv_text import csv_text

Table = pd.DataFrame | Callable[[], pd.DataFrame]
"""A table, or a function that computes it on download; the function must not call Streamlit."""

WHOLE_TABLE = 16
"""Maximum number of rows that a table shows without scrolling."""

CONFIG = {"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"]}
"""Settings for the menu of every chart, which can also save the chart as an image."""


def chart(
    figure: Figure,
    key: str,
    table: Table,
    alt: str,
    on_pick: Callable[[list[Any]], None] | None = None,
) -> None:
    """Show a figure with a download of its data; the menu of the figure saves it as an image.

    Args:
        figure: figure with a height.
        alt: description of the chart for screen readers.
        on_pick: called with the customdata of the clicked point, in a list.
    """
    state.write_address()  # before the chart, since the browser draws earlier charts again

    def picked() -> None:
        points = st.session_state[key]["selection"]["points"]
        if points and on_pick:
            on_pick(points[0].get("customdata"))

    with st.container(key=f"chart-{key}"):
        st.plotly_chart(
            figure,
            height=figure["layout"]["height"],
            theme=None,
            key=key,
            on_select=picked if on_pick else "ignore",
            selection_mode="points",
            config=CONFIG,
            alt=alt,
        )
        download(table, key)


def vega_chart(spec: dict[str, Any], key: str, table: Table, alt: str) -> None:
    """Show a Vega-Lite chart with a download of its data.

    Args:
        spec: Vega-Lite specification with data and a height.
        alt: description of the chart for screen readers.
    """
    state.write_address()  # before the chart, since the browser draws earlier charts again
    with st.container(key=f"chart-{key}"):
        st.vega_lite_chart(spec=spec, theme=None, key=key, width="stretch", alt=alt)
        download(table, key)


def download(table: Table, key: str, label: str = "Data as CSV") -> None:
    """Show a button that downloads ``table`` as ``KEY.csv``; the CSV is generated on download."""

    def csv() -> str:
        return csv_text(table() if callable(table) else table)

    download_file(csv, key, label, f"{key}.csv", "text/csv")


def download_file(content: Callable[[], str | bytes], key: str, label: str, name: str, mime: str) -> None:
    """Show a button that downloads ``content``, which is computed on click, without a rerun of the page."""
    visitor: Downloads = st.session_state.setdefault("_downloads", Downloads())
    st.download_button(
        label,
        visitor.bounded(content),
        file_name=name,
        mime=mime,
        key=f"download-{key}",
        type="tertiary",
        icon=":material/download:",
        on_click="ignore",
    )


def show_table(
    table: pd.DataFrame,
    key: str,
    column_config: Mapping[str, Any] | None = None,
    percent: Mapping[str, tuple[str, str]] | None = None,
    written: Mapping[str, Callable[[Any], str]] | None = None,
    row_height: int | None = None,
    missing: str = "\N{EN DASH}",
) -> None:
    """Show a table with a download of its data.

    A table of up to `WHOLE_TABLE` rows is shown without scrolling.

    Args:
        column_config: Streamlit's column settings.
        percent: column of fractions -> title and explanation. These columns are shown and downloaded in percent.
        written: column -> function that formats its values on the page; downloads contain exact values.
        row_height: in pixels, for rows in which text wraps.
        missing: text of a missing value.
    """
    percent = percent or {}
    table = table.assign(**{column: table[column] * 100 for column in percent})
    shares = {
        column: st.column_config.NumberColumn(title, help=about, format="%.1f")
        for column, (title, about) in percent.items()
    }
    st.dataframe(
        table.style.format(dict(written)) if written else table,
        hide_index=True,
        key=key,
        column_config={**shares, **(column_config or {})},
        height="content" if len(table) <= WHOLE_TABLE else "auto",
        row_height=row_height,
        placeholder=missing,
    )
    download(table, key)


def as_percent(rows: pd.DataFrame) -> pd.DataFrame:
    """Return ``rows`` with values and interval bounds in percent."""
    return rows.assign(**{column: 100 * rows[column] for column in ("value", "low", "high") if column in rows})


def why_none(run: Run) -> str:
    if not has_splits(run.images):
        return (
            f"This result requires at least {FEW_PHOTOGRAPHS} photographs, but this run has "
            f"{run.images.loc[run.images['used'], 'base_id'].nunique()}. The reference run has it."
        )
    if not any(run.has_embeddings(model) for model in run.models["name"]):
        return (
            "This run was created before this result was added, and has no embeddings to compute it from. A new run "
            "has it (see Evaluate your model)."
        )
    return "This run does not have this result yet. Resume the run on Evaluate your model."
