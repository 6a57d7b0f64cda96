"""Charts of retrieval: recall against strength, and parts of the variance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from probing_core.charts.figure import (
    MARGIN,
    MENU,
    PERCENT,
    Figure,
    base_figure,
    error_bar,
    escape,
    legend_below,
    model_label,
    percent,
)
from probing_core.charts.many_lines import single_out
from probing_core.charts.theme import Theme

MAX_BARS = 4
"""Lines that have their intervals drawn; of more, only the pointer shows them."""

PARTS = {"content": "content", "look": "look", "both": "both together", "rest": "rest"}


def recall_chart(rows: pd.DataFrame, theme: Theme, title: str, falling: bool, chosen: str = "") -> Figure:
    """Draw a line for each model over the strength of one transformation.

    Args:
        rows: ``model``, ``strength``, ``value``, ``low``, ``high`` (fractions).
        title: of the strength and its unit.
        falling: whether the transformation is weakest at its largest strength.
        chosen: model that is named whatever its recall is.
    """
    figure = base_figure(
        theme,
        400 + MENU + 10 * rows["model"].nunique(),
        [trace for _, trace in _lines(rows, "strength", theme)],
        {"title": f"{title}, stronger to the right", "autorange": "reversed" if falling else True},
        {"title": "original found (%)", "range": PERCENT},
        legend=legend_below(),
        margin=MARGIN | {"t": MARGIN["t"] + MENU},  # the name of the highest line stands above it
    )
    return single_out(figure, theme, chosen)


def variance_chart(rows: pd.DataFrame, theme: Theme, along: str) -> Figure:
    """Draw one bar for each model or layer, of its parts of the variance.

    Args:
        rows: the column ``along``, whose values name the bars from the top, ``part``, ``value``, ``low``, ``high``
            (fractions).
    """
    bars = list(dict.fromkeys(rows[along]))[::-1]
    colors = {"content": theme.accent, "look": theme.warning, "both": theme.text, "rest": theme.muted}
    traces = []
    for part, title in PARTS.items():
        some = rows[rows["part"] == part].set_index(along).reindex(bars)
        if some["value"].isna().all():
            continue
        value = percent(some["value"])
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": title,
                "x": value,
                "y": [model_label(b) for b in bars] if along == "model" else [escape(b) for b in bars],
                "text": [f"{v:.0f}" if v >= 5 else "" for v in value],
                "textposition": "inside",
                "insidetextanchor": "middle",
                "textangle": 0,
                "textfont": {"color": theme.text if part == "rest" else theme.background},
                "marker": {"color": colors[part], "opacity": 0.45 if part == "rest" else 1},
                "customdata": [
                    f"95 % interval {100 * low:.1f} to {100 * high:.1f}" if np.isfinite(low) else "no interval"
                    for low, high in zip(some["low"], some["high"], strict=True)
                ],
                "hovertemplate": f"%{{y}}: {title} %{{x:.1f}} % (%{{customdata}})<extra></extra>",
            }
        )
    return base_figure(
        theme,
        140 + 32 * len(bars),
        traces,
        {"title": "share of the variance (%)", "range": [0, 100]},
        {"showgrid": False},
        barmode="stack",
        bargap=0.25,
        legend=legend_below() | {"traceorder": "normal"},
    )


def _lines(rows: pd.DataFrame, along: str, theme: Theme) -> list[tuple[str, dict[str, Any]]]:
    """Return a name and a trace for each model."""
    models = list(dict.fromkeys(rows["model"]))
    styles = theme.model_styles(models)
    lines = []
    for model in models:
        own = rows[rows["model"] == model]
        color, symbol, dash = styles[str(model)]
        trace: dict[str, Any] = {
            "type": "scatter",
            "name": model_label(str(model)),
            "x": own[along].to_numpy(float),
            "y": percent(own["value"]),
            "mode": "lines+markers",
            "line": {"color": color, "dash": dash, "width": 2},
            "marker": {"symbol": symbol, "size": 8},
            "customdata": [
                f"{100 * low:.1f} to {100 * high:.1f}" for low, high in zip(own["low"], own["high"], strict=True)
            ],
            "hovertemplate": "%{y:.1f} % at %{x:,.3~r} (95 % interval %{customdata})",
        }
        if len(models) <= MAX_BARS:
            value, low, high = (percent(own[end]) for end in ("value", "low", "high"))
            trace["error_y"] = error_bar(value, low, high, color, thickness=1.5)
        lines.append((str(model), trace))
    return lines
