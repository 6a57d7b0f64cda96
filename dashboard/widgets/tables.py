"""Tables and charts with a download button for their data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import streamlit as st
from pandas.api.types import is_numeric_dtype

from dashboard import state
from dashboard.data.downloads import Downloads
from probing_core.charts import Figure
from probing_core.compute.sampling.samples import FEW_PHOTOGRAPHS, has_splits
from probing_core.results import Run
from probing_core.results.csv_text import csv_text

Table = pd.DataFrame | Callable[[], pd.DataFrame]
"""A table, or a function that computes the table on download. The function must not call Streamlit."""

WHOLE_TABLE = 16
"""Maximum number of rows that a table shows without scrolling."""

ROW_PX, HEADER_PX = 35, 37
"""Heights of a row and of the header with its borders in Streamlit."""

CONFIG = {"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"]}
"""Settings of the chart toolbar, from which charts can be saved as images."""


def chart(
    figure: Figure,
    key: str,
    table: Table,
    alt: str,
    on_pick: Callable[[list[Any]], None] | None = None,
) -> None:
    """Show a Plotly figure with a download button for its data.

    Args:
        figure: Plotly figure. Its layout must contain the height.
        key: widget key of the chart and name of the downloaded file.
        table: data for download.
        alt: description of the chart for screen readers.
        on_pick: function that is called with the ``customdata`` of the clicked point.
    """
    state.write_address()  # before the chart, because changing the URL redraws existing charts

    def picked() -> None:
        points = st.session_state[key]["selection"]["points"]
        if points and on_pick:
            on_pick(points[0].get("customdata"))

    # While Plotly validates a trace, it removes the type from the dictionary, which may be shared with other visitors.
    own_figure = {**figure, "data": [dict(trace) for trace in figure["data"]]}
    with st.container(key=f"chart-{key}"):
        st.plotly_chart(
            own_figure,
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
    """Show a Vega-Lite chart with a download button for its data.

    Args:
        spec: Vega-Lite specification with data and a height.
        key: widget key of the chart and name of the downloaded file.
        table: data for download.
        alt: description of the chart for screen readers.
    """
    state.write_address()  # before the chart, because changing the URL redraws existing charts
    with st.container(key=f"chart-{key}"):
        # Otherwise, the chart has no height until its script is loaded.
        with st.container(height=spec["height"], border=False, gap=None):
            st.vega_lite_chart(spec=spec, theme=None, key=key, width="stretch", alt=alt)
        download(table, key)


def download(table: Table, key: str, label: str = "Download CSV") -> None:
    """Show a button that downloads ``table`` as ``KEY.csv``. The file is generated on download."""

    def csv() -> str:
        return csv_text(table() if callable(table) else table)

    download_file(csv, key, label, f"{key}.csv", "text/csv")


def download_file(content: Callable[[], str | bytes], key: str, label: str, name: str, mime: str) -> None:
    """Show a button that downloads the result of ``content``.

    A click calls ``content`` without rerunning the page.
    """
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
    """Show a table with a download button for its data.

    Tables with up to `WHOLE_TABLE` rows are shown without scrolling.

    Args:
        table: the table.
        key: widget key of the table and name of the downloaded file.
        column_config: column settings of Streamlit.
        percent: column of fractions -> title and help text. These columns are shown and downloaded in percent.
        written: column -> function that formats the values on the page. Downloads contain unformatted values. Numeric
            columns are sorted by value, and all others by the formatted text.
        row_height: row height in pixels, for rows with wrapped text.
        missing: text for missing values.
    """
    percent = percent or {}
    table = table.assign(**{column: table[column] * 100 for column in percent})
    shares = {
        column: st.column_config.NumberColumn(title, help=about, format="%.1f")
        for column, (title, about) in percent.items()
    }
    written = written or {}
    numbers: dict[Any, Any] = {
        column: text_of for column, text_of in written.items() if is_numeric_dtype(table[column])
    }
    texts = {column: table[column].map(text_of) for column, text_of in written.items() if column not in numbers}
    shown = table.assign(**texts)
    rows = min(len(table), WHOLE_TABLE)
    height = HEADER_PX + max(rows, 1) * (row_height or ROW_PX)
    # Otherwise, the table has no height until its script is loaded.
    with st.container(height=height, border=False, gap=None, key=f"rows-{key}"):
        st.dataframe(
            shown.style.format(numbers) if numbers else shown,
            hide_index=True,
            key=key,
            column_config={**shares, **(column_config or {})},
            height=height,
            row_height=row_height,
            placeholder=missing,
        )
    download(table, key)


def as_percent(rows: pd.DataFrame) -> pd.DataFrame:
    """Return ``rows`` with values and confidence limits converted to percent."""
    return rows.assign(**{column: 100 * rows[column] for column in ("value", "low", "high") if column in rows})


def why_none(run: Run) -> str:
    if not has_splits(run.images):
        return (
            f"This result requires at least {FEW_PHOTOGRAPHS} photographs, but this run has "
            f"{run.images.loc[run.images['used'], 'base_id'].nunique()}. The reference run contains the result."
        )
    if not any(run.has_embeddings(model) for model in run.models["name"]):
        return (
            "This run was created with an earlier version that did not compute this result, and contains no embeddings "
            'from which to compute it. Start a new run on the "Evaluate your model" page.'
        )
    return 'This run does not contain this result yet. Resume the run on the "Evaluate your model" page.'
