"""Dot plot with several values per row, their confidence intervals, and a line that connects the values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from probing_core.charts.figure import (
    MARGIN,
    Figure,
    base_figure,
    escape,
    interval_marks,
    label_above,
    legend_below,
    legend_mark,
    row_axis,
    seed_ticks,
    upright_line,
)
from probing_core.charts.theme import Theme
from probing_core.measures.notation import decimal

SERIES_SYMBOLS = ("circle", "circle-open", "diamond-open")

ROW = 24
"""Height of a row in pixels."""

SYMBOL_TEXTS = ("\N{BLACK CIRCLE}", "\N{WHITE CIRCLE}", "\N{WHITE DIAMOND}")
"""Characters that look like `SERIES_SYMBOLS`."""

VALUE_PX = 28
"""Width of a column of values in pixels."""

LONGEST = 31
"""Maximum number of characters of a name on one line. In longer names, the part in parentheses starts a new line."""


def dots_chart(
    rows: pd.DataFrame,
    theme: Theme,
    title: str,
    groups: Mapping[str, str] | None = None,
    marks: Mapping[str, float] | None = None,
    unit: str = "%",
    ends: tuple[float, float] | None = None,
    series: Sequence[str] = (),
    has_values: bool = False,
) -> Figure:
    """Draw a row for each name, with a dot for each series.

    Args:
        rows: table with the columns ``name`` (from top to bottom), ``series`` and ``value``, and optionally ``low``
            and ``high``, in the unit of the axis. Values with a name in the optional column ``seed_of`` are drawn as
            ticks in the row with this name.
        groups: name -> group, which determines the color. By default, dots are neutral.
        marks: label -> value at which a dotted line is drawn, such as chance level. The label may be empty.
        unit: unit of the values in hover text.
        ends: lower and upper ends of the axis.
        series: names of all series, in the order of `SERIES_SYMBOLS`. The default is the order of appearance.
        has_values: whether to write the values in columns to the right of the plot.
    """
    seeds = rows[:0]
    if "seed_of" in rows:
        seeds, rows = rows[rows["seed_of"] != ""], rows[rows["seed_of"] == ""]
    names, series = list(dict.fromkeys(rows["name"]))[::-1], list(series or dict.fromkeys(rows["series"]))
    place = {name: i for i, name in enumerate(names)}
    colors = {name: theme.group(groups[name]) if groups and name in groups else theme.text for name in names}
    spans = rows.groupby("name")["value"].agg(["min", "max"])
    joins = {
        "type": "scatter",
        "mode": "lines",
        "x": [x for name in names for x in (*spans.loc[name], None)],
        "y": [y for name in names for y in (place[name], place[name], None)],
        "line": {"color": theme.muted, "width": 3},
        "opacity": 0.45,
        "hoverinfo": "skip",
        "showlegend": False,
    }
    traces: list[dict[str, Any]] = [joins] if len(series) > 1 else []
    for symbol, name in zip(SERIES_SYMBOLS, series, strict=False):
        if len(series_rows := rows[rows["series"] == name]):
            traces.append(_dots(series_rows, place, colors, symbol, unit, theme))
    if groups and len(series) > 1:  # legend marks must not have the color of a group
        traces = [trace | {"showlegend": False} for trace in traces]
        traces += [
            legend_mark(escape(name), symbol, theme) for symbol, name in zip(SERIES_SYMBOLS, series, strict=False)
        ]
    if len(seeds):
        traces.append(_ticks(seeds, place, unit, theme))
    return base_figure(
        theme,
        (130 if len(series) > 1 else 100) + ROW * len(names),
        traces,
        {"title": title, "zeroline": False} | ({"range": list(ends)} if ends else {}),
        row_axis([_in_lines(name) for name in names]),
        showlegend=len(series) > 1,
        legend=legend_below(),
        shapes=[upright_line(mark, theme.text) for mark in (marks or {}).values()],
        annotations=[
            label_above(mark, f"{escape(label)} {decimal(round(mark, 1))}{_unit(unit)}", theme, xanchor="left")
            for label, mark in (marks or {}).items()
            if label
        ]
        + (_values(rows, names, series, theme) if has_values else []),
        margin=MARGIN | {"r": MARGIN["r"] + VALUE_PX * len(series) * has_values},
    )


def _values(rows: pd.DataFrame, names: Sequence[str], series: Sequence[str], theme: Theme) -> list[dict[str, Any]]:
    """Return annotations with the values of each row to the right of the plot, in columns below their symbols."""
    values = rows.drop_duplicates(["name", "series"]).set_index(["name", "series"])["value"]
    place = {"xref": "paper", "x": 1, "xanchor": "right", "showarrow": False, "font": {"size": 11, "color": theme.text}}
    columns = []
    for column, name in enumerate(series):
        at = place | {"xshift": VALUE_PX * (column + 1)}
        symbol = SYMBOL_TEXTS[column] if len(series) > 1 else ""
        columns.append(at | {"yref": "paper", "y": 1, "yanchor": "bottom", "text": symbol})
        columns += [
            at | {"y": row, "text": f"{values[key, name]:.0f}"}
            for row, key in enumerate(names)
            if (key, name) in values.index
        ]
    return columns


def _unit(unit: str) -> str:
    return unit if unit == "%" else f" {unit}"


def _in_lines(name: str) -> str:
    return escape(name).replace(" (", "<br>(") if len(name) > LONGEST else escape(name)


def _ticks(rows: pd.DataFrame, place: Mapping[str, int], unit: str, theme: Theme) -> dict[str, Any]:
    texts = [
        f"{escape(name)}, {escape(series)}: {decimal(value)}{_unit(unit)}"
        for name, series, value in zip(rows["name"], rows["series"], rows["value"], strict=True)
    ]
    return seed_ticks(rows["value"].to_numpy(float), [place[model] for model in rows["seed_of"]], texts, theme)


def _dots(
    rows: pd.DataFrame, place: Mapping[str, int], colors: Mapping[str, str], symbol: str, unit: str, theme: Theme
) -> dict[str, Any]:
    series, color = escape(rows["series"].iloc[0]), [colors[name] for name in rows["name"]]
    missing = pd.Series(float("nan"), rows.index)
    return interval_marks(rows["value"], rows.get("low", missing), rows.get("high", missing), theme.muted) | {
        "name": series,
        "y": [place[name] for name in rows["name"]],
        "marker": {"symbol": symbol, "size": 10, "color": color, "line": {"width": 2, "color": color}},
        "customdata": [escape(name) for name in rows["name"]],
        "hovertemplate": f"%{{customdata}}, {series}: %{{x:.3~r}}{_unit(unit)}<extra></extra>",
    }
