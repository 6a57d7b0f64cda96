"""Charts for one transformation: detection thresholds, accuracy by strength, and predicted classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from probing_core.charts.figure import (
    MARGIN,
    MARGIN_OF_RANGE,
    PERCENT,
    Figure,
    base_figure,
    bold,
    chance_line,
    error_bar,
    escape,
    label_above,
    model_label,
    upright_band,
)
from probing_core.charts.interval_chart import INTERVAL_ROW_PX, interval_chart
from probing_core.charts.theme import Theme
from probing_core.measures.classification import ABOVE
from probing_core.measures.notation import model_title


@dataclass(frozen=True)
class StrengthAxis:
    """Horizontal axis for strengths, from weakest to strongest.

    Attributes:
        title: parameter and unit.
        weakest, strongest: range of tested strengths. The weakest strength may have the larger value.
        trained: range of strengths used in training.
    """

    title: str
    weakest: float
    strongest: float
    trained: tuple[float, float]

    @property
    def settings(self) -> dict[str, Any]:
        room = MARGIN_OF_RANGE * (self.strongest - self.weakest)
        return {
            "title": f"{self.title}, stronger \N{RIGHTWARDS ARROW}",
            "range": [self.weakest - room, self.strongest + room],
        }

    def training_band(self, theme: Theme) -> dict[str, Any]:
        shade = {"fillcolor": theme.muted, "opacity": 0.12, "line": {"width": 0}, "layer": "below"}
        return upright_band(*self.trained) | shade

    def training_label(self, theme: Theme) -> dict[str, Any]:
        """Return a label for the training range, right-aligned because there is no space on the right."""
        return label_above(self.trained[1], "training range", theme, xanchor="right")


def thresholds_chart(rows: pd.DataFrame, theme: Theme, axis: StrengthAxis, selected: str) -> Figure:
    """Draw the detection threshold of each model with its 95% confidence interval, with the first row on top.

    Args:
        rows: table with the columns ``model``, ``threshold``, ``low``, ``high``, ``censored`` and ``text`` (written
            after the name).
        axis: horizontal axis.
        selected: model whose row is highlighted.
    """
    styles = theme.model_styles(rows["model"])
    rows = rows.assign(
        name=rows["model"],
        title=rows["model"].map(model_title),
        value=rows["threshold"].mask(rows["censored"] == ABOVE),
        color=[styles[model].color for model in rows["model"]],
        symbol=[styles[model].symbol for model in rows["model"]],
        hover=rows["text"],
    )
    annotations = [axis.training_label(theme)]
    return interval_chart(
        rows, theme, axis.settings, selected, shapes=[axis.training_band(theme)], annotations=annotations
    )


def accuracy_by_strength_chart(
    curve: pd.DataFrame, theme: Theme, axis: StrengthAxis, selected: Sequence[str], chance: float
) -> Figure:
    """Draw the accuracy of every model by strength. The selected models are highlighted.

    Args:
        curve: table with the columns ``model``, ``strength``, ``value``, ``low`` and ``high`` (in percent).
        axis: horizontal axis.
        selected: models that are drawn in color and with confidence intervals.
        chance: accuracy of random guessing, in percent.
    """
    traces = [
        _line(rows, str(model), theme.muted, width=1) | {"opacity": 0.55}
        for model, rows in curve[~curve["model"].isin(selected)].groupby("model", sort=False)
    ]
    for model, rows in curve[curve["model"].isin(selected)].groupby("model", sort=False):
        style = theme.model_styles([str(model)])[str(model)]
        middle, low, high = (rows[column].to_numpy(float) for column in ("value", "low", "high"))
        traces.append(
            _line(rows, str(model), style.color, width=3)
            | {"mode": "lines+markers", "marker": {"size": 8, "symbol": style.symbol}}
            | {"error_y": error_bar(middle, low, high, style.color, thickness=1.5, width=3)}
        )
    return base_figure(
        theme,
        420,
        traces,
        axis.settings,
        {"title": "accuracy (%)", "range": PERCENT},
        showlegend=False,
        shapes=[axis.training_band(theme), chance_line(chance, theme, {"xaxis": "x", "yaxis": "y"})],
        annotations=[axis.training_label(theme), _chance_label(chance, theme)],
        margin=MARGIN | {"t": 44},
    )


def predictions_chart(rows: pd.DataFrame, theme: Theme, groups: Sequence[str], true: str) -> Figure:
    """Draw a bar for the frequency of each predicted class, with the first row on top.

    Args:
        rows: table with the columns ``title`` and ``value`` (in percent).
        groups: group of each row, which determines the color, or an empty string for rows that combine several classes.
        true: title of the row with the true class.
    """
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": rows["value"].to_numpy(float),
        "y": [bold(escape(title), title == true) for title in rows["title"]],
        "marker": {"color": [theme.group(group) for group in groups]},
        "text": [f"{value:.1f}%" if value < 10 else f"{value:.0f}%" for value in rows["value"]],
        "textposition": "outside",
        "cliponaxis": False,
        "hoverinfo": "skip",
    }
    return base_figure(
        theme,
        100 + INTERVAL_ROW_PX * len(rows),
        [bars],
        {"title": "samples (%)", "range": [0, 100]},
        {"autorange": "reversed", "zeroline": False},
        showlegend=False,
        bargap=0.3,
        margin=MARGIN | {"r": 40},
    )


def _line(rows: pd.DataFrame, model: str, color: str, width: int) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": model_label(model),
        "x": rows["strength"].to_numpy(float),
        "y": rows["value"].to_numpy(float),
        "line": {"color": color, "width": width},
        "hovertemplate": "%{y:.0f}% at %{x:,.3~r}",
    }


def _chance_label(chance: float, theme: Theme) -> dict[str, Any]:
    return {
        "xref": "paper", "x": 1, "y": chance, "text": f"chance {chance:.1f}%", "showarrow": False,
        "xanchor": "right", "yanchor": "bottom", "font": {"color": theme.text},
    }  # fmt: skip
