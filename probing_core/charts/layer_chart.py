"""Chart of the difference in accuracy between each layer and the last layer.

Vega-Lite is used because it can highlight the line under the pointer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from probing_core.charts.theme import Theme
from probing_core.measures.notation import in_points, minus, model_title

PANEL_COLUMNS = 3
"""Number of panels per row. Three panels fit on a phone."""

PANEL_PX, AROUND_PX = 120, 120
"""Height of a row of panels, and total height of the title, the legend and the axis, in pixels."""

FAINT_OPACITY = 0.15
"""Opacity of the lines of other networks in a panel."""

LAYER, LAST, SELECTED = "layer", "last layer", "selected for transformations"
"""Legend labels of the marks."""

STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
"""Candidate tick intervals in percentage points. The smallest interval with at most `MOST_TICKS` ticks is used."""

MOST_TICKS = 6


def layer_chart(rows: pd.DataFrame, theme: Theme, title: str, axis: list[str]) -> dict[str, Any]:
    """Draw a panel for each network, with a line for the difference in accuracy between its layers and the last layer.

    All panels have the same scales and also show the faint lines of all other networks. The network under the pointer
    is highlighted in all panels. Vega-Lite cannot fit faceted charts to the width of a page, so all panels are drawn
    with offsets in a single pair of axes.

    Args:
        rows: table with the columns ``base`` (model name without the layer), ``layer``, ``value``, ``difference``,
            ``difference_low`` and ``difference_high`` (fractions), and ``chosen`` (whether the layer was selected).
        title: title of the chart.
        axis: title of the vertical axis, one string per line.

    Returns:
        A Vega-Lite specification that includes the data.
    """
    names = list(dict.fromkeys(rows["base"]))
    styles = theme.model_styles(names)
    points = _points(rows)
    bottom, top = _ends(points)
    room = top - bottom
    low, high = bottom - 0.1 * room, top + 0.5 * room  # the space above the lines is for the title of the panel
    pitch, height = int(rows["layer"].max()) + 1, high - low
    panels = pd.DataFrame({
        "panel": [model_title(name) for name in names],
        "right": [pitch * (place % PANEL_COLUMNS) for place in range(len(names))],
        "down": [-height * (place // PANEL_COLUMNS) for place in range(len(names))],
    })  # fmt: skip
    panel_points = _shifted(points.assign(panel=points["model"]), panels)
    background = _shifted(points.merge(panels[["panel"]], how="cross").query("panel != model"), panels)
    ticks = _ticks(bottom, top)
    rights, downs = sorted(set(panels["right"])), sorted(set(panels["down"]))
    layers = sorted(set(rows["layer"].astype(int)))
    x = {
        "field": "x",
        "type": "quantitative",
        "title": "layer, from input to output",
        "axis": {
            "values": [right + layer for right in rights for layer in layers],
            "labelExpr": f"datum.value % {pitch}",
            "grid": False,
        },
        "scale": {"domain": [0.4, pitch * len(rights) - 0.4], "nice": False, "zero": False},
    }
    y = {
        "field": "y",
        "type": "quantitative",
        "title": axis,
        "axis": {"values": [down + tick for down in downs for tick in ticks], "labels": False, "titlePadding": 32},
        "scale": {"domain": [downs[0] + low, high], "nice": False},
    }
    color = {
        "field": "model",
        "type": "nominal",
        "scale": {"domain": list(panels["panel"]), "range": [styles[name].color for name in names]},
        "legend": None,
    }
    line = {"x": x, "y": y, "color": color, "detail": {"field": "panel"}}
    tooltip = [
        {"field": "model", "title": "model"},
        {"field": "of", "title": "layer"},
        {"field": "accuracy", "title": "accuracy (%)", "format": ".1f"},
        {"field": "difference", "title": "difference (points)", "format": "+.1f"},
        *({"field": end, "title": f"95% CI {end}", "format": "+.1f"} for end in ("low", "high")),
    ]
    band = {
        "mark": {"type": "area", "opacity": 0.25, "tooltip": False},
        "encoding": line | {"y": y | {"field": "y_low"}, "y2": {"field": "y_high"}},
    }
    marks = {
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
        "mark": {"type": "point", "filled": True, "opacity": 1},
        "encoding": {
            "x": x,
            "y": y,
            "color": color,
            "shape": {
                "field": "kind",
                "type": "nominal",
                "scale": {"domain": [LAYER, LAST, SELECTED], "range": ["circle", "square", "diamond"]},
                "legend": {"title": None, "orient": "top", "symbolFillColor": theme.text, "labelLimit": 0},
            },
            "size": {"condition": {"test": f"datum.kind === '{SELECTED}'", "value": 130}, "value": 40},
            "tooltip": tooltip,
        },
    }
    selected = panel_points[panel_points["kind"] == SELECTED]
    edges = pd.DataFrame({"y": [down + tick for down in downs for tick in ticks]})
    edges["text"] = [minus(f"{tick:+g}") if tick else "0" for _ in downs for tick in ticks]
    tops = pd.DataFrame({"x": panels["right"] + 0.5, "y": panels["down"] + high, "text": panels["panel"]})
    zeros = pd.DataFrame({"x": panels["right"] + 0.5, "x2": panels["right"] + pitch - 0.5, "y": panels["down"]})
    return {
        "title": {"text": title, "anchor": "start", "color": theme.text, "fontSize": 14},
        "data": {"values": _records(panel_points)},
        "layer": [
            {
                "data": {"values": _records(zeros)},
                "mark": {"type": "rule", "strokeDash": [3, 3], "color": theme.text},
                "encoding": {"x": x, "x2": {"field": "x2"}, "y": y},
            },
            _texts(edges, {"x": {"value": -6}, "y": y}, theme, align="right"),
            _texts(tops, {"x": x, "y": y}, theme, align="left", baseline="top", fontWeight="bold", lineBreak=", "),
            _texts(selected.assign(text=selected["written"]), {"x": x, "y": y}, theme, dy=-13),
            {
                "data": {"values": _records(background[["model", "panel", "x", "y"]])},
                "mark": {"type": "line", "strokeWidth": 2},
                "encoding": line
                | {"opacity": {"condition": {"param": "hovered", "empty": False, "value": 1}, "value": FAINT_OPACITY}},
            },
            band,
            {"mark": {"type": "line", "strokeWidth": 2.5}, "encoding": line},
            marks,
        ],
        "height": PANEL_PX * len(downs) + AROUND_PX,
        "background": "transparent",
        "config": _config(theme),
    }


def _points(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a table with one row for each layer of each network, with differences in percentage points."""
    last = rows.groupby("base")["layer"].transform("max")
    kind = pd.Series(LAYER, index=rows.index).mask(rows["layer"] == last, LAST)
    return pd.DataFrame({
        "model": rows["base"].map(model_title),
        "layer": rows["layer"],
        "of": [f"{layer} of {count}" for layer, count in zip(rows["layer"], last, strict=True)],
        "accuracy": 100 * rows["value"],
        "difference": 100 * rows["difference"],
        "low": 100 * rows["difference_low"],
        "high": 100 * rows["difference_high"],
        "kind": kind.mask(rows["chosen"].astype(bool), SELECTED),
        "written": rows["difference"].map(in_points),
    })  # fmt: skip


def _shifted(points: pd.DataFrame, panels: pd.DataFrame) -> pd.DataFrame:
    """Add the chart coordinates of ``points``, which depend on the panel."""
    points = points.merge(panels, on="panel")
    down = points["down"]
    return points.assign(
        x=points["layer"] + points["right"],
        y=points["difference"] + down,
        y_low=points["low"] + down,
        y_high=points["high"] + down,
    )


def _texts(rows: pd.DataFrame, place: dict[str, Any], theme: Theme, **style: Any) -> dict[str, Any]:
    return {
        "data": {"values": _records(rows)},
        "mark": {"type": "text", "color": theme.text, "fontSize": 12, "tooltip": False} | style,
        "encoding": place | {"text": {"field": "text"}},
    }


def _records(rows: pd.DataFrame) -> list[dict[Any, Any]]:
    return rows.astype(object).where(rows.notna(), None).to_dict("records")


def _ends(points: pd.DataFrame) -> tuple[float, float]:
    """Return the range of all drawn values, extended to include 0."""
    values = points[["difference", "low", "high"]].to_numpy(float)
    low, high = min(0.0, float(np.nanmin(values))), max(0.0, float(np.nanmax(values)))
    return (low, high) if low < high else (-1.0, 1.0)


def _ticks(low: float, high: float) -> list[float]:
    step = next((step for step in STEPS if (high - low) / step < MOST_TICKS), STEPS[-1])
    return [step * place for place in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]


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
