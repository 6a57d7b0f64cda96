"""Plotly figures as plain dictionaries, and their shared layout.

The classes of the `plotly` package validate and copy every value, which takes longer than rendering the rest of a page.
Charts are therefore validated with these classes only in tests.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from PIL import ImageFont

from probing_core.charts.theme import Theme
from probing_core.measures.notation import model_title


class Figure(dict[str, Any]):
    """A Plotly figure with the keys ``data`` (a list of traces) and ``layout``. Values can be NumPy arrays."""


MARGIN = {"l": 8, "r": 22, "t": 32, "b": 8}
"""Default margins in pixels, excluding axis labels. The right margin leaves space for the last tick label."""

LABEL_FONT_PX = 12
"""Font size of tick labels in pixels."""

TICK_PX = 6
"""Distance between a tick label and its axis in pixels."""

MAX_LABEL_PX = 260
"""Maximum width in pixels of tick labels for which space is reserved, so that a very long name does not fill the
figure."""

AXIS_TITLE_PX = 28
"""Space next to a vertical axis for its title, in pixels."""

BELOW_PX, TITLE_LINE_PX, LEGEND_PX = 23, 16, 30
"""Space below a figure for tick labels, for a line of the axis title, and for a legend, in pixels."""

LEGEND_LINE_PX, LEGEND_MARK_PX = 19, 45
"""Height of a line of a legend, and width of a legend entry in addition to its text, in pixels."""

PHONE_PX = 340
"""Width of a figure on a phone in pixels."""

TITLE_STANDOFF = 12
"""Distance between tick labels and the title of an axis in pixels. Without it, the title overlaps long labels."""

MARGIN_OF_RANGE = 0.04
"""Padding at both ends of an axis, as a fraction of its range."""

ROW_PX = 26
"""Height of a row in pixels, for charts with one model or transformation per row."""

MENU = 24
"""Height of the space above a chart for its menu, in pixels."""

FONT = '"Source Sans", sans-serif'
"""Font of the dashboard, which is loaded by Streamlit."""

PERCENT = (-5.0, 105.0)
"""Range of axes in percent, with padding so that marks at 0 and 100 are not clipped."""


def base_figure(
    theme: Theme,
    height: int,
    traces: Sequence[dict[str, Any]] = (),
    xaxis: dict[str, Any] | None = None,
    yaxis: dict[str, Any] | None = None,
    **layout: Any,
) -> Figure:
    """Create a figure with the shared layout and the colors of the theme.

    Args:
        height: height of the figure in pixels.
        xaxis, yaxis: arguments of `axis_style`.
        layout: additional entries of the layout.
    """
    common: dict[str, Any] = {
        "height": height,
        "template": {},  # without it, Streamlit adds its own, which is half as large as the figure
        "margin": MARGIN,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": theme.text, "size": 13, "family": FONT},
        "hoverlabel": {
            "bgcolor": theme.background,
            "font": {"color": theme.text, "family": FONT},
            "align": "left",
        },
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": theme.muted, "activecolor": theme.accent},
        "dragmode": "pan",
        "xaxis": axis_style(theme, **(xaxis or {})),
        "yaxis": axis_style(theme, **(yaxis or {})),
    }
    whole = common | layout
    has_legend = "legend" in whole and whole.get("showlegend", len(traces) > 1)
    lines = _legend_lines(traces) if has_legend else 0
    least = {"l": _left_margin(whole["yaxis"], traces), "b": _bottom_margin(whole["xaxis"], lines)}
    whole["margin"] = whole["margin"] | {side: max(least[side], whole["margin"][side]) for side in least}
    whole["height"] += LEGEND_LINE_PX * max(0, lines - 1)  # ``height`` includes one line
    return Figure(data=list(traces), layout=whole)


def _left_margin(axis: dict[str, Any], traces: Sequence[dict[str, Any]]) -> int:
    """Estimate the left margin in pixels that the labels of a vertical axis require.

    Plotly enlarges margins that are too small, but then it draws the figure again, which takes half as long as drawing
    it once. An estimate that is a few pixels too large is therefore better than none.
    """
    if not axis["automargin"]:
        return 0
    labels = axis.get("ticktext") or [y for trace in traces for y in trace.get("y", ()) if isinstance(y, str)]
    widest = max(_text_width(line) for label in labels or ["100"] for line in label.split("<br>"))
    return math.ceil(MARGIN["l"] + TICK_PX + min(widest, MAX_LABEL_PX) + AXIS_TITLE_PX * ("title" in axis))


def _legend_lines(traces: Sequence[dict[str, Any]]) -> int:
    """Estimate the number of lines of a horizontal legend on a phone, where it has the most lines.

    Plotly places all entries on one line if they fit, and otherwise in columns that are as wide as the widest entry.
    """
    names = [trace["name"] for trace in traces if "name" in trace and trace.get("showlegend", True)]
    widths = [LEGEND_MARK_PX + _text_width(name) * 13 / LABEL_FONT_PX for name in names]
    if sum(widths) <= PHONE_PX:
        return 1
    return math.ceil(len(widths) / max(1, int(PHONE_PX // max(widths))))


def _bottom_margin(axis: dict[str, Any], legend_lines: int) -> int:
    """Estimate the bottom margin in pixels that a horizontal axis and a legend require."""
    if not axis["automargin"]:
        return 0
    lines = axis["title"]["text"].split("<br>") if "title" in axis else []
    title = TITLE_STANDOFF + TITLE_LINE_PX * len(lines) if lines else 0
    legend = LEGEND_PX + LEGEND_LINE_PX * (legend_lines - 1) if legend_lines else 0
    return MARGIN["b"] + BELOW_PX + title + legend


def _text_width(label: str) -> float:
    """Estimate the width in pixels of a tick label, which can contain Plotly's subset of HTML.

    The default font of Pillow is up to a tenth wider than `FONT`.
    """
    return _pillow_font().getlength(html.unescape(re.sub(r"<[^>]+>", "", label)))


@cache
def _pillow_font() -> Any:
    return ImageFont.load_default(LABEL_FONT_PX)


def axis_style(theme: Theme, title: str = "", **settings: Any) -> dict[str, Any]:
    """Return axis settings that do not depend on a Plotly template."""
    style: dict[str, Any] = {
        "gridcolor": theme.grid,
        "zerolinecolor": theme.grid,
        "automargin": True,
        "ticks": "outside",
        "ticklen": TICK_PX,
        "tickcolor": "rgba(0,0,0,0)",
        "tickfont": {"color": theme.text, "size": LABEL_FONT_PX},
    }
    if title:  # an empty title would also take up space
        style["title"] = {"text": title, "font": {"color": theme.text, "size": 13}, "standoff": TITLE_STANDOFF}
    return style | settings


def legend_below() -> dict[str, Any]:
    """Return the layout of a horizontal legend at the bottom of a figure of any height."""
    return {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0, "xanchor": "left"}


def chance_line(height: float, theme: Theme, axes: Mapping[str, str]) -> dict[str, Any]:
    """Return a shape for a dotted horizontal line at chance level in the panel of ``axes``."""
    ends = {"xref": f"{axes['xaxis']} domain", "x0": 0, "x1": 1, "yref": axes["yaxis"], "y0": height, "y1": height}
    # Use the text color, because all other colors belong to models or groups.
    return {"type": "line", "line": {"dash": "dot", "color": theme.text, "width": 2}} | ends


def upright_line(x: float, color: str) -> dict[str, Any]:
    return upright_band(x, x) | {"type": "line", "line": {"dash": "dot", "color": color, "width": 2}}


def upright_band(low: float, high: float) -> dict[str, Any]:
    return {"type": "rect", "xref": "x", "x0": low, "x1": high, "yref": "y domain", "y0": 0, "y1": 1}


def error_bar(value: np.ndarray, low: np.ndarray, high: np.ndarray, color: str, **style: Any) -> dict[str, Any]:
    """Return Plotly error bars from ``low`` to ``high`` around ``value``, in the unit of the axis."""
    return {
        "type": "data",
        "symmetric": False,
        "array": high - value,
        "arrayminus": value - low,
        "thickness": 2,
        "width": 4,
        "color": color,
    } | style


def interval_marks(value: pd.Series, low: pd.Series, high: pd.Series, color: str) -> dict[str, Any]:
    """Return a trace of marks with horizontal error bars in ``color``. All values are in the unit of the axis."""
    middle, left, right = (ends.to_numpy(float) for ends in (value, low, high))
    bars = error_bar(middle, left, right, color, thickness=1.5)
    return {"type": "scatter", "mode": "markers", "x": middle, "error_x": bars}


def row_axis(labels: Sequence[str]) -> dict[str, Any]:
    """Return the settings of a vertical axis with one row per label, starting at the bottom."""
    return {
        "tickvals": list(range(len(labels))),
        "ticktext": list(labels),
        "range": [-0.6, len(labels) - 0.4],
        "zeroline": False,
    }


def row_band(row: int, theme: Theme) -> dict[str, Any]:
    """Return a shape that highlights a row."""
    place = {"xref": "paper", "x0": 0, "x1": 1, "y0": row - 0.5, "y1": row + 0.5, "layer": "below"}
    return place | {"type": "rect", "fillcolor": theme.accent, "opacity": 0.15, "line": {"width": 0}}


def label_above(x: float, text: str, theme: Theme, **style: Any) -> dict[str, Any]:
    """Return an annotation that labels ``x`` above the plot."""
    place = {"x": x, "y": 1, "yref": "paper", "yanchor": "bottom", "showarrow": False}
    return place | {"text": text, "font": {"size": 12, "color": theme.text}} | style


def legend_mark(name: str, symbol: str, theme: Theme, color: str = "") -> dict[str, Any]:
    """Return a trace that is shown only in the legend."""
    color = color or theme.text
    marker = {"symbol": symbol, "size": 10, "color": color, "line": {"width": 2, "color": color}}
    return {"type": "scatter", "mode": "markers", "name": name, "x": [None], "y": [None], "marker": marker}


def bold(text: str, is_bold: bool) -> str:
    return f"<b>{text}</b>" if is_bold else text


def percent(column: pd.Series) -> np.ndarray:
    return column.to_numpy(float) * 100


def seed_ticks(x: np.ndarray, y: Sequence[Any], hover: Sequence[str], theme: Theme) -> dict[str, Any]:
    """Return a trace that draws additional seeds as ticks in the rows of their models.

    Args:
        x: value of each tick.
        y: row of each tick.
        hover: hover text of each tick, in which names must be escaped.
        theme: colors of the page.
    """
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "additional seed",
        "x": x,
        "y": y,
        "marker": {"symbol": "line-ns", "size": 16, "line": {"width": 2, "color": theme.text}},
        "customdata": hover,
        "hovertemplate": "%{customdata}<extra></extra>",
        "showlegend": True,
    }


def escape(text: object) -> str:
    """Escape ``text`` for Plotly, which interprets a subset of HTML."""
    return html.escape(str(text), quote=False)


def model_label(model: str) -> str:
    return escape(model_title(model))
