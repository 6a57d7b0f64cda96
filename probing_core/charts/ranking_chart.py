"""Chart of a ranking, with a mark and a confidence interval for each model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from probing_core.charts.figure import (
    MARGIN,
    ROW_PX,
    Figure,
    base_figure,
    bold,
    escape,
    interval_marks,
    label_above,
    legend_below,
    legend_mark,
    model_label,
    percent,
    row_band,
    seed_ticks,
    upright_line,
)
from probing_core.charts.theme import Theme
from probing_core.measures.notation import BASELINE, TOO_FEW, interval_in_percent, p_value

ROOM = 0.2
"""Space to the left of the encoder with the lowest score, as a fraction of the range of the encoders."""

VALUE_PADDING = "\N{NO-BREAK SPACE}" * 3
"""Spaces between a mark and its value."""

STEP = 5.0
"""Step in percentage points to which the ends of the axis are rounded."""


def ranking_chart(board: pd.DataFrame, theme: Theme, measure: str, selected: str = "") -> Figure:
    """Draw a ranking with the best model on top, 95% CIs, and a tick for each additional seed.

    The axis covers the range of the encoders. Baselines far below this range are drawn as arrows at the left end.

    Args:
        board: result of `probing_core.results.leaderboard`.
        measure: title of the axis.
        selected: model whose row is highlighted.
    """
    ranked = board[board["seed_of"] == ""]
    rows = ranked.iloc[::-1]
    start, end = _ends(ranked)
    outside = rows[percent(rows["value"]) < start]
    inside = rows.drop(outside.index)
    chance = float(ranked["chance"].median()) * 100  # NaN if there is no chance level
    traces = [_marks(inside, theme, _comparison(ranked)), _values(inside, theme)]
    if len(outside):
        traces.append(_arrows(outside, start, theme))
    seeds = board[(board["seed_of"] != "") & board["seed_of"].isin(inside["model"])]
    if len(seeds):
        traces.append(_seeds(seeds, theme))
    traces += _keys(inside, theme, hollow=bool(_is_hollow(ranked).any()))
    in_range = bool(chance >= start)
    label = f"chance {chance:.1f}%"
    note = (
        label_above(chance, label, theme)
        if in_range
        else label_above(start, f"\N{LEFTWARDS ARROW} {label}", theme, xanchor="left")
    )
    names = [model_label(model) for model in rows["model"]]
    is_selected = list(rows["model"] == selected)
    return base_figure(
        theme,
        130 + ROW_PX * len(rows),
        traces,
        {"title": measure, "range": [start, end], "zeroline": False},
        {
            "categoryorder": "array",
            "categoryarray": names,
            "tickvals": names,
            "ticktext": list(map(bold, names, is_selected)),
        },
        legend=legend_below(),
        shapes=[
            *([upright_line(chance, theme.text)] if in_range else []),
            *(row_band(row, theme) for row, is_here in enumerate(is_selected) if is_here),
        ],
        annotations=[note] if np.isfinite(chance) else [],
        margin=MARGIN | {"t": 48 if np.isfinite(chance) else MARGIN["t"]},
    )


def _ends(ranked: pd.DataFrame) -> tuple[float, float]:
    """Return the ends of the axis in percent."""
    encoders = ranked[~ranked["model"].str.startswith(BASELINE)]
    drawn = encoders if len(encoders) else ranked
    low = float(100 * drawn["low"].fillna(drawn["value"]).min())
    high = float(100 * ranked["high"].fillna(ranked["value"]).max())
    start = max(0.0, STEP * np.floor((low - ROOM * (high - low)) / STEP))
    return start, min(105.0, STEP * np.ceil((high + 0.06 * (high - start)) / STEP))


def _is_hollow(ranked: pd.DataFrame) -> pd.Series:
    """Return a mask of the models that are not significantly different from the best model."""
    return ranked["p"].notna() & ~ranked["apart"].astype(bool)


def _comparison(ranked: pd.DataFrame) -> dict[str, str]:
    """Describe how each tested model compares with the best model."""
    comparisons = {}
    for row in ranked.to_dict("records"):
        if np.isfinite(row["p"]):
            verdict = "lower than" if row["apart"] else "not significantly different from"
            comparisons[row["model"]] = f"{verdict} the best (adjusted {p_value(row['p'])})"
    return comparisons


def _marks(rows: pd.DataFrame, theme: Theme, compared: dict[str, str]) -> dict[str, Any]:
    styles = theme.model_styles(rows["model"])
    color = [styles[model].color for model in rows["model"]]
    shapes = np.where(rows["model"].str.startswith(BASELINE), "square", "circle")
    hollow = _is_hollow(rows)
    return interval_marks(100 * rows["value"], 100 * rows["low"], 100 * rows["high"], theme.text) | {
        "y": [model_label(model) for model in rows["model"]],
        "marker": {
            "size": 9,
            "color": color,
            "symbol": [f"{shape}-open" if is_open else shape for shape, is_open in zip(shapes, hollow, strict=True)],
            "line": {"width": 2, "color": color},
        },
        "customdata": [  # the last entry is the model that is selected when the mark is clicked
            [
                _interval(row),
                compared.get(row["model"], ""),
                escape(row["note"]),
                escape(row["model"]),
            ]
            for row in rows.to_dict("records")
        ],
        "hovertemplate": "%{y}<br><b>%{x:.1f}%</b> %{customdata[0]}<br>%{customdata[1]}<br>%{customdata[2]}"
        "<extra>%{customdata[3]}</extra>",
        "showlegend": False,
    }


def _values(rows: pd.DataFrame, theme: Theme) -> dict[str, Any]:
    right = rows["high"].fillna(rows["value"])
    return {
        "type": "scatter",
        "mode": "text",
        "x": percent(right),
        "y": [model_label(model) for model in rows["model"]],
        "text": [f"{VALUE_PADDING}{100 * value:.1f}" for value in rows["value"]],
        "textposition": "middle right",
        "textfont": {"size": 11, "color": theme.text},
        "cliponaxis": False,
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _arrows(rows: pd.DataFrame, start: float, theme: Theme) -> dict[str, Any]:
    """Return a trace of arrows at the left end of the axis for models whose score is below its range."""
    styles = theme.model_styles(rows["model"])
    return {
        "type": "scatter",
        "mode": "markers+text",
        "x": [start] * len(rows),
        "y": [model_label(model) for model in rows["model"]],
        "marker": {"symbol": "triangle-left", "size": 10, "color": [styles[model].color for model in rows["model"]]},
        "text": [f"\N{NO-BREAK SPACE}{100 * value:.1f}, below the axis" for value in rows["value"]],
        "textposition": "middle right",
        "textfont": {"size": 11, "color": theme.text},
        "cliponaxis": False,
        "customdata": [[_interval(row), escape(row["model"])] for row in rows.to_dict("records")],
        "hovertemplate": "%{y}<br>%{text} %{customdata[0]}<extra>%{customdata[1]}</extra>",
        "showlegend": False,
    }


def _seeds(seeds: pd.DataFrame, theme: Theme) -> dict[str, Any]:
    return seed_ticks(
        percent(seeds["value"]),
        [model_label(model) for model in seeds["seed_of"]],
        [
            f"{model_label(row['model'])}<br><b>{100 * row['value']:.1f}%</b> {_interval(row)}"
            for row in seeds.to_dict("records")
        ],
        theme,
    )


def _keys(rows: pd.DataFrame, theme: Theme, hollow: bool) -> list[dict[str, Any]]:
    """Return traces that are shown only in the legend."""
    baseline = rows["model"].str.startswith(BASELINE)
    keys = {
        "encoder (bar: 95% CI)": ("circle", bool((~baseline).any())),
        "untrained baseline": ("square", bool(baseline.any())),
        "not significantly below the best": ("circle-open", hollow),
    }
    return [legend_mark(name, symbol, theme) for name, (symbol, present) in keys.items() if present]


def _interval(row: dict[Any, Any]) -> str:
    return f"({interval_in_percent(row['low'], row['high'], missing=TOO_FEW)})"
