"""Charts of retrieval: recall by model and by transformation, by false-positive rate, and the rank of an original."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    legend_below,
    model_label,
    seed_ticks,
    upright_line,
)
from probing_core.charts.strength_charts import StrengthAxis
from probing_core.charts.theme import Theme

ROW = 24
"""Height of a row in pixels."""

NAMED = 6
"""Maximum number of lines with a name."""


def recall_by_model_chart(rows: pd.DataFrame, theme: Theme, selected: str, chance: float) -> Figure:
    """Draw the recall of each model with its 95% confidence interval, the highest on top.

    Args:
        rows: ``model``, ``value``, ``low``, ``high`` in percent, and ``seed_of``: the model that this one is with a
            different seed, which gets a tick on that row.
        selected: model whose row is highlighted.
        chance: recall of a random ranking, in percent.
    """
    further, rows = rows[rows["seed_of"] != ""], rows[rows["seed_of"] == ""]
    rows = rows.sort_values("value").reset_index(drop=True)
    place = {model: row for row, model in enumerate(rows["model"])}
    styles = theme.model_styles(rows["model"])
    middle, low, high = (rows[column].to_numpy(float) for column in ("value", "low", "high"))
    dots = {
        "type": "scatter",
        "mode": "markers",
        "x": middle,
        "y": rows.index.to_numpy(),
        "marker": {
            "size": 10,
            "color": [styles[model].color for model in rows["model"]],
            "symbol": [styles[model].symbol for model in rows["model"]],
        },
        "error_x": error_bar(middle, low, high, theme.muted, thickness=1.5, width=3),
        "customdata": [[escape(_interval(one)), escape(one["model"])] for _, one in rows.iterrows()],
        "hovertemplate": "%{x:.1f}%%{customdata[0]}<extra></extra>",
    }
    texts = [
        f"{model_label(model)}: {value:.1f}%" for model, value in zip(further["model"], further["value"], strict=True)
    ]
    lines = [place[model] for model in further["seed_of"]]
    traces = [dots, seed_ticks(further["value"].to_numpy(float), lines, texts, theme)] if len(further) else [dots]
    labels = [
        _bold(f"{model_label(model)}  {value:.0f}%", model == selected)
        for model, value in zip(rows["model"], rows["value"], strict=True)
    ]
    return base_figure(
        theme,
        110 + ROW * len(rows),
        [trace | {"showlegend": False} for trace in traces],
        {"title": "recall of the original (%), 95% CI", "range": list(PERCENT), "zeroline": False},
        {"tickvals": list(rows.index), "ticktext": labels, "range": [-0.6, len(rows) - 0.4], "zeroline": False},
        showlegend=False,
        shapes=[upright_line(chance, theme.text), *_highlight(place.get(selected), theme)],
        annotations=[_above(chance, f"chance {chance:.1f}%", theme)],
        margin=MARGIN | {"t": 44},
    )


def recall_by_transformation_chart(rows: pd.DataFrame, theme: Theme, groups: Mapping[str, str]) -> Figure:
    """Draw the recall under each transformation with its 95% confidence interval, the highest on top.

    Args:
        rows: ``title`` of the transformation, ``value``, ``low``, ``high`` in percent, in order.
        groups: title -> group, for the color.
    """
    rows = rows.iloc[::-1].reset_index(drop=True)
    middle, low, high = (rows[column].to_numpy(float) for column in ("value", "low", "high"))
    color = [theme.group(groups.get(title, "")) for title in rows["title"]]
    dots = {
        "type": "scatter",
        "mode": "markers",
        "x": middle,
        "y": rows.index.to_numpy(),
        "marker": {"size": 9, "color": color},
        "error_x": error_bar(middle, low, high, theme.muted, thickness=1.5, width=3),
        "customdata": [escape(f"{groups.get(one['title'], '')}{_interval(one)}") for _, one in rows.iterrows()],
        "hovertemplate": "%{x:.1f}%, %{customdata}<extra></extra>",
    }
    return base_figure(
        theme,
        110 + 17 * len(rows),
        [dots],
        {"title": "recall of the original (%), 95% CI", "range": list(PERCENT), "zeroline": False},
        {
            "tickvals": list(rows.index),
            "ticktext": [
                f"{escape(title)}  {value:.0f}%" for title, value in zip(rows["title"], rows["value"], strict=True)
            ],
            "range": [-0.6, len(rows) - 0.4],
            "zeroline": False,
            "tickfont": {"size": 11, "color": theme.text},
        },
        showlegend=False,
        margin=MARGIN | {"t": 44},
    )


def recall_by_rate_chart(
    curves: pd.DataFrame, theme: Theme, rate: float, named: Sequence[str], selected: str
) -> Figure:
    """Draw recall against the false-positive rate of every model; named models have their color, the others are gray.

    Args:
        curves: ``model``, ``rate`` and ``value``, ``low``, ``high`` in percent.
        rate: selected false-positive rate, a fraction.
        named: up to `NAMED` models whose lines have a name.
        selected: model whose line is thick and has its confidence band.
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
                "line": {"color": color, "width": 3 if model == selected else 1.5, "dash": style.dash},
                "marker": {"size": 7, "symbol": style.symbol, "color": color},
                "opacity": 1.0 if is_named else 0.45,
                "showlegend": is_named,
                "customdata": [[escape(_interval(one)), escape(str(model))] for _, one in rows.iterrows()],
                "hovertemplate": "%{fullData.name}: %{y:.1f}%%{customdata[0]} at a rate of %{x:.3~%}<extra></extra>",
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
            "ticktext": [f"{100 * one:g}%" for one in rates],
            "zeroline": False,
        },
        {"title": "recall of edited copies (%)", "range": list(PERCENT), "zeroline": False},
        showlegend=True,
        legend=legend_below(),
        shapes=[upright_line(rate, theme.text)],
        annotations=[_above(float(np.log10(rate)), f"{100 * rate:g}%", theme)],
        margin=MARGIN | {"t": 44},
    )


def rank_by_strength_chart(ranks: pd.DataFrame, theme: Theme, axis: StrengthAxis, size: int, strength: float) -> Figure:
    """Draw the rank of the original by strength, rank 1 on top.

    Args:
        ranks: ``model``, ``strength``, ``rank``.
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


def _above(x: float, text: str, theme: Theme) -> dict[str, Any]:
    return {
        "x": x, "yref": "paper", "y": 1, "yanchor": "bottom", "text": text, "showarrow": False,
        "font": {"color": theme.text, "size": 12},
    }  # fmt: skip


def _highlight(row: int | None, theme: Theme) -> list[dict[str, Any]]:
    if row is None:
        return []
    ends = {"xref": "paper", "x0": 0, "x1": 1, "y0": row - 0.5, "y1": row + 0.5, "layer": "below"}
    return [{"type": "rect", "fillcolor": theme.accent, "opacity": 0.15, "line": {"width": 0}} | ends]


def _interval(row: pd.Series) -> str:
    """Return ``, 95% CI 64.0–66.1`` for the ends ``low`` and ``high`` in percent; empty without them."""
    if pd.isna(row["low"]) or pd.isna(row["high"]):
        return ""
    return f", 95% CI {row['low']:.1f}\N{EN DASH}{row['high']:.1f}"


def _bold(text: str, is_bold: bool) -> str:
    return f"<b>{text}</b>" if is_bold else text
