"""Accuracy by layer compared with the last layer, in Vega-Lite, which can highlight the line under the mouse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from probing_core.charts.theme import Theme
from probing_core.measures.notation import model_title

FAINT = 0.18
"""Opacity of the other lines while one is highlighted."""

HEIGHT = 400
"""Height of the chart in pixels."""

SELECTED = "layer selected for transformations"
"""Legend of the diamonds."""

SPREAD = 0.4
"""Width in layers over which the models are spread at each layer."""


def layer_chart(rows: pd.DataFrame, theme: Theme, title: str, axis: str) -> dict[str, Any]:
    """Draw a line for each network over its layers, in order; the last layer is at 0.

    The line nearest to the mouse is highlighted, with the band of its 95% intervals. The selected layer is a diamond.
    Models are drawn next to each other at each layer, since all of them have the same difference at the last layer.

    Args:
        rows: ``base`` (model without layer), ``layer``, ``difference``, ``difference_low``, ``difference_high`` (NaN
            where a run has no intervals) and ``chosen``, which marks the selected layer; differences are fractions.
        title: of the chart.
        axis: title of the vertical axis.

    Returns:
        A Vega-Lite specification with its data.
    """
    names = list(dict.fromkeys(rows["base"]))
    styles = theme.model_styles(names)
    last = rows.groupby("base")["layer"].transform("max")
    kind = pd.Series("layer", index=rows.index).mask(rows["chosen"].astype(bool), SELECTED)
    offset = {name: SPREAD * ((place + 0.5) / len(names) - 0.5) for place, name in enumerate(names)}
    layers = sorted({int(layer) for layer in rows["layer"]})
    table = pd.DataFrame(
        {
            "model": rows["base"].map(model_title),
            "position": rows["layer"] + rows["base"].map(offset),
            "of": [f"{layer} of {count}" for layer, count in zip(rows["layer"], last, strict=True)],
            "difference": 100 * rows["difference"],
            "low": 100 * rows["difference_low"],
            "high": 100 * rows["difference_high"],
            "kind": kind,
        }
    )
    has_intervals = bool(table["low"].notna().any())
    records = table.astype(object).where(table.notna(), None).to_dict("records")
    tooltip = [
        {"field": "model", "title": "model"},
        {"field": "of", "title": "layer"},
        {"field": "difference", "title": "change (points)", "format": "+.1f"},
        *([{"field": end, "title": f"95% CI {end}", "format": "+.1f"} for end in ("low", "high")] * has_intervals),
    ]
    x = {
        "field": "position",
        "type": "quantitative",
        "title": "layer, from input to output",
        "axis": {"values": layers, "format": "d", "grid": False},
        "scale": {"domain": [layers[0] - SPREAD, layers[-1] + SPREAD], "nice": False, "zero": False},
    }
    color = {
        "field": "model",
        "type": "nominal",
        "scale": {
            "domain": [model_title(name) for name in names],
            "range": [styles[name].color for name in names],
        },
        "legend": {"title": None, "orient": "bottom", "columns": 2, "labelLimit": 260, "symbolType": "stroke"},
    }
    lit = {"param": "hovered", "empty": True}
    y = {
        "field": "difference",
        "type": "quantitative",
        "title": axis,
        "axis": {"labelExpr": "datum.value > 0 ? '+' + datum.label : datum.label"},
        "scale": {"domain": _ends(table), "nice": False},
    }
    band = {
        "mark": {"type": "area", "interpolate": "linear", "tooltip": False},
        "encoding": {
            "x": x,
            "y": y | {"field": "low"},
            "y2": {"field": "high"},
            "color": color,
            "opacity": {"condition": {"param": "hovered", "empty": False, "value": 0.25}, "value": 0},
        },
    }
    line = {
        "mark": {"type": "line", "strokeWidth": 2.5},
        "encoding": {"x": x, "y": y, "color": color, "opacity": {"condition": lit | {"value": 1}, "value": FAINT}},
    }
    points = {
        "params": [
            {
                "name": "hovered",
                "select": {
                    "type": "point",
                    "fields": ["model"],
                    "on": "pointerover",
                    "nearest": True,
                    "clear": "pointerout",
                },
            }
        ],
        "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
        "encoding": {
            "x": x,
            "y": y,
            "color": color,
            "shape": {
                "field": "kind",
                "type": "nominal",
                "scale": {"domain": ["layer", SELECTED], "range": ["circle", "diamond"]},
                "legend": {"title": None, "orient": "top", "symbolFillColor": theme.text, "labelLimit": 0},
            },
            "size": {"condition": {"test": f"datum.kind === '{SELECTED}'", "value": 190}, "value": 50},
            "opacity": {"condition": lit | {"value": 1}, "value": FAINT},
            "tooltip": tooltip,
        },
    }
    zero = {
        "data": {"values": [{"at": 0, "text": "last layer"}]},
        "layer": [
            {
                "mark": {"type": "rule", "strokeDash": [3, 3], "color": theme.text, "size": 1.5},
                "encoding": {"y": {"field": "at", "type": "quantitative", "title": axis}},
            },
            {
                "mark": {"type": "text", "align": "right", "dy": -8, "x": "width", "color": theme.text},
                "encoding": {
                    "y": {"field": "at", "type": "quantitative", "title": axis},
                    "text": {"field": "text"},
                },
            },
        ],
    }
    return {
        "title": {"text": title, "anchor": "start", "color": theme.text, "fontSize": 14},
        "data": {"values": records},
        "layer": [*([band] if has_intervals else []), zero, line, points],
        "height": HEIGHT,
        "background": "transparent",
        "config": _config(theme),
    }


def _ends(table: pd.DataFrame) -> list[float]:
    """Return the ends of the vertical axis: whatever is drawn, and 0, with some room."""
    values = table[["difference", "low", "high"]].to_numpy(float)
    low, high = min(0.0, float(np.nanmin(values))), max(0.0, float(np.nanmax(values)))
    room = 0.08 * (high - low) or 1.0
    return [low - room, high + room]


def _config(theme: Theme) -> dict[str, Any]:
    return {
        "view": {"stroke": None},
        "font": "inherit",
        "axis": {
            "labelColor": theme.text,
            "titleColor": theme.text,
            "gridColor": theme.muted,
            "gridOpacity": 0.25,
            "domainColor": theme.muted,
            "tickColor": theme.muted,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
        },
        "legend": {"labelColor": theme.text, "labelFontSize": 12},
    }
