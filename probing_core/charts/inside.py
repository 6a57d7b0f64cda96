"""Charts of the layers of networks, and of the parts of the variance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from probing_core.charts.figure import (
    PERCENT,
    Figure,
    base_figure,
    chance_line,
    error_bar,
    legend_below,
    model_label,
    percent,
)
from probing_core.charts.panels import axes_of, paneled_figure
from probing_core.charts.theme import Theme
from probing_core.measures.notation import in_percent

MAX_BARS = 6
"""Largest number of lines whose intervals can be distinguished; with more, intervals are in the hover text only."""


MOST_TICKS = 12
"""Most blocks of which each has its number at the axis."""

LAYER_TASKS = {"fine": "what was done", "content": "what is shown"}
"""Tasks that are shown by layer, and the titles of their panels."""


def layers_chart(rows: pd.DataFrame, theme: Theme) -> Figure:
    """Draw a panel for each task, with a line for each model over its layers, with intervals.

    Args:
        rows: ``task``, ``base`` (model without layer), ``layer``, ``value``, ``low``, ``high``, ``chance`` (fractions).
    """
    tasks = [task for task in LAYER_TASKS if (rows["task"] == task).any()]
    lines, words, traces = [], [], []
    for panel, task in enumerate(tasks):
        of_task, axes = rows[rows["task"] == task], axes_of(panel)
        for trace in _accuracy_traces(of_task, theme):
            traces.append(trace | axes | {"legendgroup": trace["name"], "showlegend": panel == 0})
        chance = float(of_task["chance"].iloc[0])
        lines.append(chance_line(100 * chance, theme, axes))
        place = {"x": 1, "xref": f"{axes['xaxis']} domain", "xanchor": "right", "yanchor": "bottom"}
        place |= {"y": 100 * chance, "yref": axes["yaxis"], "showarrow": False}
        words.append(place | {"text": f"chance {in_percent(chance)}", "font": {"size": 11, "color": theme.text}})
    figure = paneled_figure(
        theme,
        [LAYER_TASKS[task] for task in tasks],
        400 + 10 * rows["base"].nunique(),
        0.12,
        traces,
        {"title": "block"} | ({"dtick": 1} if rows["layer"].max() <= MOST_TICKS else {}),
        [{"range": PERCENT, "title": "" if panel else "balanced accuracy (%)"} for panel in range(len(tasks))],
        legend=legend_below(),
        shapes=lines,
    )
    figure["layout"]["annotations"] += words
    return figure


def _accuracy_traces(rows: pd.DataFrame, theme: Theme) -> list[dict[str, Any]]:
    codes, names = pd.factorize(rows["base"])
    styles = theme.model_styles(names)
    # Arrays: pandas takes half a millisecond for each column of each model.
    layers, share = rows["layer"].to_numpy(), rows[["value", "low", "high"]].to_numpy(float) * 100
    traces = []
    for code, name in enumerate(names):
        at = codes == code
        value, low, high = share[at].T
        color, symbol, dash = styles[str(name)]
        trace = {
            "type": "scatter",
            "x": layers[at],
            "y": value,
            "name": model_label(str(name)),
            "mode": "lines+markers",
            "line": {"color": color, "dash": dash},
            "marker": {"symbol": symbol, "size": 9},
            "customdata": [f"{a:.1f} to {b:.1f}" for a, b in zip(low, high, strict=True)],
            "hovertemplate": "%{y:.1f} % (95 % interval %{customdata})",
        }
        bars = {"error_y": error_bar(value, low, high, color)} if len(names) <= MAX_BARS else {}
        traces.append(trace | bars)
    return traces


PARTS = {"content": "content", "look": "look", "both": "both together", "rest": "rest"}
UNSEPARATED = "both together and rest"
"""The rest of what was measured in one repetition, which does not tell the two apart."""


def variance_chart(rows: pd.DataFrame, theme: Theme) -> Figure:
    """Draw the parts of the variance of each model as one bar.

    Args:
        rows: ``model``, from the top, ``part``, ``value``, ``low``, ``high`` (fractions).
    """
    bars = list(dict.fromkeys(rows["model"]))[::-1]
    apart = bool((rows["part"] == "both").any())
    titles = PARTS if apart else PARTS | {"rest": UNSEPARATED}
    # Another gray where it is more than the rest. Its opacity is in the color, which the legend shows, too.
    gray = f"{theme.muted}73" if apart else theme.muted
    colors = {"content": theme.accent, "look": theme.warning, "both": theme.text, "rest": gray}
    traces = []
    for part, title in titles.items():
        some = rows[rows["part"] == part].set_index("model").reindex(bars)
        if some["value"].isna().all():
            continue
        value = percent(some["value"])
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": title,
                "x": value,
                "y": [model_label(b) for b in bars],
                "text": [f"{v:.0f}" if v >= 5 else "" for v in value],
                "textposition": "inside",
                "insidetextanchor": "middle",
                "textangle": 0,
                "textfont": {"color": theme.text if part == "rest" and apart else theme.background},
                "marker": {"color": colors[part]},
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
