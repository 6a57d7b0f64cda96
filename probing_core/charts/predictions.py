"""Charts of what models answer, by strength and by how sure they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from probing_core.charts.figure import (
    PERCENT,
    Figure,
    base_figure,
    error_bar,
    escape,
    legend_below,
    model_label,
    upright_band,
    upright_line,
)
from probing_core.charts.labels import place_labels
from probing_core.charts.theme import SYMBOLS, Theme
from probing_core.measures.notation import model_title

ROOM = 0.55
"""Room for names behind the strongest strength, as a share of the range of strengths."""

AWAY = "\N{NO-BREAK SPACE}" * 2
"""Keeps a name away from the interval of the mark that it stands at."""

MARGIN_OF_RANGE = 0.04
"""Room before the weakest strength and behind the strongest one that the axis has, as the same share."""


@dataclass(frozen=True)
class StrengthAxis:
    """The horizontal axis of a chart over strength, from weak to strong.

    Attributes:
        title: the parameter and its unit.
        mark: the chosen strength.
        falling: whether smaller numbers are stronger (qualities, levels, contrasts).
        learned: the range of strengths that probes learned from, to be shaded.
        thresholds: model -> the strength from which it sees the transformation, a tick on the axis.
    """

    title: str
    mark: float
    falling: bool = False
    learned: tuple[float, float] | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)


def strength_chart(
    curve: pd.DataFrame,
    value: str,
    theme: Theme,
    title: str,
    axis: StrengthAxis,
    bounds: tuple[str, str] | None = None,
) -> Figure:
    """Draw one line a model over the strength, with its name at the end, or in the legend where there is no room.

    Args:
        curve: ``model``, ``strength`` and the column ``value``.
        title: of the vertical axis.
        bounds: columns of the ends of the 95 % interval.
    """
    styles = theme.model_styles(curve["model"])
    names, unnamed = _names_at_ends(curve, value, theme, axis.falling)
    traces: list[dict[str, Any]] = []
    for model, rows in curve.groupby("model", sort=False):
        color, symbol, dash = styles[str(model)]
        known = {"type": "scatter", "name": model_label(str(model)), "legendgroup": escape(model)}
        line = {
            "x": rows["strength"].to_numpy(float),
            "y": rows[value].to_numpy(float),
            "mode": "lines+markers",
            "line": {"color": color, "width": 2, "dash": dash},
            "marker": {"symbol": symbol, "size": 8},
            "showlegend": model in unnamed,
            "hovertemplate": "%{y:,.3~r} at %{x:,.3~r}",
        }
        if bounds:
            middle, low, high = (rows[column].to_numpy(float) for column in (value, *bounds))
            line["error_y"] = error_bar(middle, low, high, color, thickness=1.5, width=3)
        traces.append(known | line)
        if str(model) in axis.thresholds:
            tick = {
                "x": [axis.thresholds[str(model)]],
                "y": [0],
                "showlegend": False,
                "mode": "markers",
                "marker": {"symbol": "line-ns", "size": 26, "line": {"color": color, "width": 4}},
                "hovertemplate": "seen from %{x:,.3~r} on",  # its lower half would cover the axis's numbers
            }
            traces.append(known | tick)
    traces.append(names)
    shapes = [upright_line(axis.mark, theme.muted)]
    if axis.learned is not None:
        shade = {"fillcolor": theme.muted, "opacity": 0.12, "line": {"width": 0}, "layer": "below"}
        shapes.append(upright_band(*axis.learned) | shade)
    return base_figure(
        theme,
        360 + 10 * curve["model"].nunique(),
        traces,
        {
            "title": f"{axis.title}, stronger to the right",
            "range": _ends(curve["strength"], axis.falling),
            "domain": [0, (1 + 2 * MARGIN_OF_RANGE) / (1 + MARGIN_OF_RANGE + ROOM)],  # names are behind its end
        },
        {"title": title, "rangemode": "tozero"},
        showlegend=bool(unnamed),
        legend=legend_below(),
        shapes=shapes,
    )


def reliability_chart(bins: pd.DataFrame, theme: Theme) -> Figure:
    """Draw the share of altered pictures against the probability with which they were called so; the diagonal is right.

    Args:
        bins: ``set`` (of pictures; a line each), ``called``, ``share``, ``weight`` (the area of a mark), as fractions.
    """
    diagonal = {"x": [0, 100], "y": [0, 100], "mode": "lines", "line": {"color": theme.muted, "width": 1}}
    traces: list[dict[str, Any]] = [diagonal | {"type": "scatter", "hoverinfo": "skip", "showlegend": False}]
    for place, (name, rows) in enumerate(bins.groupby("set", sort=False)):
        weight = rows["weight"].to_numpy(float)
        traces.append({
            "type": "scatter",
            "name": escape(str(name)),
            "x": 100 * rows["called"].to_numpy(float),
            "y": 100 * rows["share"].to_numpy(float),
            "customdata": 100 * weight,
            "mode": "lines+markers",
            "line": {"color": theme.series(place), "width": 1.5},
            "marker": {"symbol": SYMBOLS[place % len(SYMBOLS)], "size": 5 + 30 * np.sqrt(weight), "opacity": 0.85},
            "hovertemplate": "called altered with %{x:.0f} %: %{y:.0f} % are, %{customdata:.0f} % of the weight",
        })  # fmt: skip
    axes = ("probability that was said (%)", "share that is altered (%)")
    horizontal, vertical = ({"title": title, "range": list(PERCENT)} for title in axes)
    return base_figure(theme, 420, traces, horizontal, vertical, legend=legend_below())


def _ends(strengths: pd.Series, falling: bool, room: float = MARGIN_OF_RANGE) -> list[float]:
    low, high = float(strengths.min()), float(strengths.max())
    weak, strong = (high, low) if falling else (low, high)
    return [weak - MARGIN_OF_RANGE * (strong - weak), strong + room * (strong - weak)]


def _names_at_ends(
    curve: pd.DataFrame, value: str, theme: Theme, falling: bool
) -> tuple[dict[str, Any], frozenset[str]]:
    """Return the names of models behind the strongest points of their lines, and the models for which there is no
    room."""
    ordered = curve.sort_values("strength", ascending=not falling, kind="stable")
    ends = ordered.drop_duplicates("model", keep="last").dropna(subset=[value])
    weak, strong = _ends(curve["strength"], falling, ROOM)
    along = (ends["strength"] - weak) / ((strong - weak) or 1.0)
    up = ends[value] / (float(curve[value].max()) or 1.0)
    labels = place_labels(along.to_numpy(float), up.to_numpy(float), list(map(model_title, ends["model"])))
    unnamed = set(curve["model"]) - {model for model, (text, _) in zip(ends["model"], labels, strict=True) if text}
    names = {
        "type": "scatter",
        "mode": "text",
        "x": ends["strength"].to_numpy(float),
        "y": ends[value].to_numpy(float),
        "text": [AWAY + escape(text) if text else "" for text, _ in labels],
        "textposition": [position for _, position in labels],
        "textfont": {"size": 11, "color": theme.text},
        "cliponaxis": False,
        "hoverinfo": "skip",
        "showlegend": False,
    }
    return names, frozenset(unnamed)
