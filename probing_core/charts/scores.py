"""Charts of scores with their intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from probing_core.charts.figure import (
    MARGIN,
    PERCENT,
    Figure,
    base_figure,
    error_bar,
    escape,
    model_label,
    percent,
    seed_ticks,
    upright_line,
)
from probing_core.charts.theme import BASELINE, Theme


def leaderboard_chart(
    board: pd.DataFrame, theme: Theme, measure: str = "balanced accuracy (%)", among: str = ""
) -> Figure:
    """Draw a dot with its 95 % interval for each ranked model, best on top, and the level of guessing; repeated
    trainings of a model are ticks on its line.

    Args:
        board: ``model``, ``seed_of``, ``value``, ``low``, ``high``, ``chance``, ``p``, ``apart``, ``note`` from
            `probing_core.results.leaderboard`.
        measure: title of the axis.
        among: what guessing chooses from, such as "among 31 classes", where the page does not say it.
    """
    further = board[board["seed_of"] != ""]
    board = board[board["seed_of"] == ""]
    rows = board.iloc[::-1]
    baseline = rows["model"].str.startswith(BASELINE)
    styles = theme.model_styles(rows["model"])
    color = [styles[model].color for model in rows["model"]]
    # All baselines are apart from a ranking of encoders; the best one is a model that others are compared with.
    best = board.index[~(board["apart"] & board["model"].str.startswith(BASELINE))][0]
    filled = rows["apart"] | (rows.index == best)
    dots = {
        "type": "scatter",
        "x": percent(rows["value"]),
        "y": [model_label(model) for model in rows["model"]],
        "mode": "markers",
        "marker": {
            "size": 12,
            "color": color,
            "symbol": [
                ("square" if b else "circle") + ("" if f else "-open") for b, f in zip(baseline, filled, strict=True)
            ],
            "line": {"width": 2, "color": color},
        },
        "error_x": error_bar(percent(rows["value"]), percent(rows["low"]), percent(rows["high"]), theme.text),
        "customdata": [  # the last is the model that a click chooses
            [
                _interval(row["low"], row["high"]),
                _standing(row["p"], row["apart"]),
                escape(row["note"]),
                escape(row["model"]),
            ]
            for row in rows.to_dict("records")
        ],
        "hovertemplate": "%{y}<br><b>%{x:.1f} %</b> %{customdata[0]}<br>%{customdata[1]}<br>%{customdata[2]}"
        "<extra></extra>",
    }
    chance = float(board["chance"].median()) * 100
    words = {
        "x": chance,
        "y": 1,
        "yref": "paper",
        "yanchor": "bottom",
        "text": f"chance {chance:.1f} % {among}".rstrip(),
        "showarrow": False,
        "font": {"color": theme.text},
    }
    return base_figure(
        theme,
        100 + 26 * len(board),
        [dots, *([_ticks(further, theme)] if len(further) else [])],
        {"title": measure, "range": PERCENT},
        showlegend=False,
        shapes=[upright_line(chance, theme.text)],
        annotations=[words],
        margin=MARGIN | {"t": 56},  # room for the words below the chart's menu
    )


def _ticks(further: pd.DataFrame, theme: Theme) -> dict[str, Any]:
    return seed_ticks(
        percent(further["value"]),
        [model_label(model) for model in further["seed_of"]],
        [
            f"{model_label(row['model'])}<br><b>{row['value'] * 100:.1f} %</b> {_interval(row['low'], row['high'])}"
            for row in further.to_dict("records")
        ],
        theme,
    )


def _interval(low: float, high: float) -> str:
    if not np.isfinite(low):
        return "(no interval: too few photographs)"
    return f"(95 % interval {low * 100:.1f} to {high * 100:.1f})"


def _standing(p: float, apart: bool) -> str:
    if not np.isfinite(p):
        return ""
    return "lower than the best" if apart else "not distinguished from the best"
