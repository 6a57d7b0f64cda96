"""Tables and charts with their data to download, and explanations of the columns of a run's tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.data import cache
from dashboard.text import hint
from dashboard.widgets.messages import empty
from probing_core.charts import Figure
from probing_core.compute.samples import FEW_PHOTOGRAPHS, has_splits
from probing_core.measures.notation import minus
from probing_core.results import Run
from probing_core.run import layout

Table = pd.DataFrame | Callable[[], pd.DataFrame]
"""A table, or a function that makes it when it is downloaded; the function must not call Streamlit."""

WHOLE_TABLE = 16
"""Number of rows that a table shows without scrolling."""

CONFIG = {"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"]}
"""Settings of the menu of every chart; a picture can be downloaded from it."""

_number, _text = st.column_config.NumberColumn, st.column_config.TextColumn

COLUMNS: dict[str, Any] = {
    "low": _number("from", help="Lower end of the 95 % interval.", format="%.3g"),
    "high": _number("to", help="Upper end of the 95 % interval.", format="%.3g"),
    "images": _number(help="Images that were measured."),
    "base_id": _text("photograph"),
    "fold": _text(help="With fewer than 30 photographs, which of the groups of photographs was tested."),
    "penalty": _number(help=hint("penalty"), format="%.2g"),
    "at_edge": st.column_config.CheckboxColumn("at the edge", help="The penalty is the first or last of its grid."),
    "converged": st.column_config.CheckboxColumn(help="The fit ended by itself, not by its limit of steps."),
    "iterations": _number("steps", help="Steps of the optimizer."),
    "validation_loss": _number(
        "validation loss", help="Mean of -log of the probability of the right class, on validation photographs.",
        format="%.3f",
    ),
    "dim": _number("dimensions", help="Numbers in an embedding."),
    "input_size": _number("input (pixels)", help="Side of the square that the model receives."),
    "why_not": _text("why"),
}  # fmt: skip


def chart(
    figure: Figure,
    key: str,
    table: Table,
    alt: str,
    on_pick: Callable[[list[Any]], None] | None = None,
) -> None:
    """Show a figure with its data to download; the figure's own menu saves the picture.

    Args:
        figure: with a height.
        alt: what the chart shows, for screen readers.
        on_pick: called with the customdata of the point that was clicked, in a list.
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


def download(table: Table, key: str, label: str = "Data as CSV") -> None:
    """Show a button that downloads ``table`` as ``KEY.csv``; the CSV is made on download."""

    def csv() -> str:
        return (table() if callable(table) else table).to_csv(index=False)

    download_file(csv, key, label, f"{key}.csv", "text/csv")


def download_file(content: Callable[[], str | bytes], key: str, label: str, name: str, mime: str) -> None:
    """Show a button that downloads ``content``, which is made only then; the page does not run again."""
    st.download_button(
        label,
        content,
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
    height: int | None = None,
) -> None:
    """Show a table with its data to download.

    A table of up to `WHOLE_TABLE` rows is shown whole; a column of empty notes is left out.

    Args:
        column_config: Streamlit's settings of columns that `COLUMNS` lacks or that mean something else here.
        percent: title and explanation of columns of fractions, by column; they are shown and downloaded in percent.
        written: functions that write columns for people, on the page alone: downloads keep exact names.
        height: in pixels.
    """
    percent = percent or {}
    table = table.assign(**{column: table[column] * 100 for column in percent})
    shown = table.drop(columns="note") if "note" in table and not table["note"].any() else table
    settings = {name: COLUMNS[name] for name in shown.columns if name in COLUMNS}
    for column, (title, about) in percent.items():
        settings[column] = _number(title, help=about, format="%.1f")
    settings |= column_config or {}
    whole: Literal["content", "auto"] = "content" if len(shown) <= WHOLE_TABLE else "auto"
    st.dataframe(
        _written(shown, settings, written or {}),
        hide_index=True,
        key=key,
        column_config=settings,
        height=height or whole,
    )
    download(table, key)


def _written(shown: pd.DataFrame, settings: dict[str, Any], words: Mapping[str, Callable[[Any], str]]) -> Any:
    """Return the table with columns written by ``words``, and negative numbers with a minus sign instead of Streamlit's
    hyphen.

    Streamlit shows what pandas writes where ``settings``, which are changed, state no format.
    """
    formats: dict[Any, Any] = {column: write for column, write in words.items() if column in shown}
    for column in map(str, shown.select_dtypes("number")):
        if (shown[column] < 0).any() and (found := settings.get(column, {})) is not None:
            kind = dict(found.get("type_config") or {"type": "number"})
            formats[column] = partial(_number_written, kind.pop("format", None) or "%.3g")
            settings[column] = {**found, "type_config": kind}
    return shown.style.format(formats, na_rep="None") if formats else shown


def _number_written(form: str, value: float) -> str:
    return minus(form % value)


def study(run: Run, name: str) -> pd.DataFrame:
    """Return the table of the study called ``name``; where the run has none, return an empty one and show why."""
    table = cache.table(run, layout.table_path(name))
    if table.empty:
        empty(why_none(run))
    return table


def why_none(run: Run) -> str:
    if not has_splits(run.images):
        return (
            f"This is measured from {FEW_PHOTOGRAPHS} photographs on, and this run has "
            f"{run.images.loc[run.images['used'], 'base_id'].nunique()}; the reference run has it."
        )
    if not any(run.has_embeddings(model) for model in run.models["name"]):
        return (
            "This is measured from embeddings, which this run does not ship, and was added after the run was made; a "
            "run that is computed here (New run, or `probing run`) has it."
        )
    return "This run does not hold what is shown here yet; `probing run --out DIR` makes it from its embeddings."
