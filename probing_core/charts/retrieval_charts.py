"""Retrieval charts: recall by model, by transformation and by false-positive rate, and rank of the original."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from probing_core.charts.figure import (
    MARGIN,
    PERCENT,
    Figure,
    base_figure,
    escape,
    label_above,
    legend_below,
    model_label,
    seed_ticks,
    upright_line,
)
from probing_core.charts.interval_chart import interval_chart
from probing_core.charts.strength_charts import StrengthAxis
from probing_core.charts.theme import Theme
from probing_core.measures.notation import interval_in_percent, model_title

RECALL = {"title": "recall (%), 95% CI", "range": list(PERCENT), "zeroline": False}
"""Settings of the horizontal axis in charts of the recall of originals."""

NAMED = 6
"""Maximum number of models in the legend."""

UNNAMED = 0.7
"""Opacity of the lines of models that are not in the legend."""


def recall_by_model_chart(rows: pd.DataFrame, theme: Theme, selected: str, chance: float) -> Figure:
    """Draw the recall of each model with its 95% confidence interval, with the highest recall on top.

    Args:
        rows: table with the columns ``model``, ``value``, ``low`` and ``high`` (in percent), and ``seed_of``, which is
            empty unless the model is an additional seed. Additional seeds are drawn as ticks.
        selected: model whose row is highlighted.
        chance: recall of a random ranking, in percent.
    """
    seeds, rows = rows[rows["seed_of"] != ""], rows[rows["seed_of"] == ""]
    rows = rows.sort_values("value", ascending=False)
    styles = theme.model_styles(rows["model"])
    place = {model: row for row, model in enumerate(rows["model"].iloc[::-1])}
    texts = [f"{model_label(model)}: {value:.1f}%" for model, value in zip(seeds["model"], seeds["value"], strict=True)]
    lines = [place[model] for model in seeds["seed_of"]]
    return interval_chart(
        _labeled(rows).assign(
            name=rows["model"],
            title=rows["model"].map(model_title),
            color=[styles[model].color for model in rows["model"]],
            symbol=[styles[model].symbol for model in rows["model"]],
        ),
        theme,
        RECALL,
        selected,
        traces=[seed_ticks(seeds["value"].to_numpy(float), lines, texts, theme)] if len(seeds) else [],
        shapes=[upright_line(chance, theme.text)],
        annotations=[label_above(chance, f"chance {chance:.1f}%", theme)],
    )


def recall_by_rate_chart(
    curves: pd.DataFrame, theme: Theme, rate: float, named: Sequence[str], selected: str
) -> Figure:
    """Draw the recall of each model against the false-positive rate. Models that are not in the legend are gray.

    Args:
        curves: table with the columns ``model``, ``rate`` (a fraction), ``value``, ``low`` and ``high`` (in percent).
        rate: selected false-positive rate, a fraction.
        named: up to `NAMED` models to list in the legend.
        selected: model whose line is thick and has a confidence band.
    """
    styles = theme.model_styles(dict.fromkeys([*named, *curves["model"]]))
    traces: list[dict[str, Any]] = []
    for model, rows in sorted(curves.groupby("model", sort=False), key=lambda pair: pair[0] in named):
        is_named, style = model in named, styles[str(model)]
        color = style.color if is_named else theme.muted
        if model == selected and rows["low"].notna().all():
            traces.append(_band(rows, color))
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if is_named else "lines",
                "name": model_label(str(model)),
                "x": rows["rate"].to_numpy(float),
                "y": rows["value"].to_numpy(float),
                "line": {
                    "color": color,
                    "width": 3 if model == selected else 1.5,
                    "dash": style.dash if is_named else "solid",
                },
                "marker": {"size": 7, "symbol": style.symbol, "color": color},
                "opacity": 1.0 if is_named else UNNAMED,
                "showlegend": is_named,
                "customdata": [[hover, escape(str(model))] for hover in _labeled(rows)["hover"]],
                "hovertemplate": "%{fullData.name}: %{customdata[0]} at a false-positive rate of %{x:.3~%}"
                "<extra></extra>",
            }
        )
    rates = sorted(curves["rate"].unique())
    low, high = np.log10(rates[0]) - 0.08, np.log10(rates[-1]) + 0.08
    return base_figure(
        theme,
        480,
        traces,
        {
            "title": "false-positive rate (unrelated pairs above the threshold)",
            "type": "log",
            "range": [low, high],
            "tickvals": rates,
            "ticktext": [f"{100 * value:g}%" for value in rates],
            "zeroline": False,
        },
        {"title": "recall of edited copies (%)", "range": list(PERCENT), "zeroline": False},
        showlegend=True,
        legend=legend_below(),
        shapes=[upright_line(rate, theme.text)],
        annotations=[label_above(float(np.log10(rate)), f"{100 * rate:g}%", theme)],
        margin=MARGIN | {"t": 44},
    )


def rank_by_strength_chart(ranks: pd.DataFrame, theme: Theme, axis: StrengthAxis, size: int, strength: float) -> Figure:
    """Draw the rank of the original by strength, with rank 1 on top.

    Args:
        ranks: table with the columns ``model``, ``strength`` and ``rank``.
        axis: horizontal axis.
        size: number of images in the gallery.
        strength: selected strength.
    """
    models = list(dict.fromkeys(ranks["model"]))
    styles = theme.model_styles(models)
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": model_label(model),
            "x": rows["strength"].to_numpy(float),
            "y": rows["rank"].to_numpy(float),
            "line": {"color": styles[model].color, "width": 2, "dash": styles[model].dash},
            "marker": {"size": 7, "symbol": styles[model].symbol, "color": styles[model].color},
            "hovertemplate": "%{fullData.name}: rank %{y:,} at %{x:,.3~r}<extra></extra>",
        }
        for model, rows in ((model, ranks[ranks["model"] == model]) for model in models)
    ]
    ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if tick <= size]
    return base_figure(
        theme,
        300,
        traces,
        axis.settings,
        {
            "title": f"rank of the original (of {size:,})",
            "type": "log",
            "range": [np.log10(size) + 0.05, -0.1],
            "tickvals": ticks,
            "ticktext": [f"{tick:,}" for tick in ticks],
            "zeroline": False,
        },
        showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        shapes=[axis.training_band(theme), upright_line(strength, theme.text)],
        margin=MARGIN | {"t": 64},
    )


def _band(rows: pd.DataFrame, color: str) -> dict[str, Any]:
    x, low, high = (rows[column].to_numpy(float) for column in ("rate", "low", "high"))
    return {
        "type": "scatter",
        "mode": "lines",
        "x": np.concatenate([x, x[::-1]]),
        "y": np.concatenate([high, low[::-1]]),
        "fill": "toself",
        "fillcolor": color,
        "opacity": 0.18,
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _labeled(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the columns ``text`` and ``hover`` of `interval_chart` to ``rows``."""
    intervals = map(interval_in_percent, rows["low"] / 100, rows["high"] / 100)
    return rows.assign(
        text=[f"{value:.0f}%" for value in rows["value"]],
        hover=[f"{value:.1f}%, {interval}" for value, interval in zip(rows["value"], intervals, strict=True)],
    )
