"""Figures as plain dictionaries in Plotly's JSON, and what all of ours share.

The classes of the package `plotly` check and copy every value, which takes longer than the rest of a page. Our tests
validate every chart with them instead.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import pandas as pd

from probing_core.charts.theme import Theme
from probing_core.measures.notation import model_title


class Figure(dict[str, Any]):
    """``data``, a list of traces, and ``layout``; numbers may be NumPy arrays."""


MARGIN = {"l": 8, "r": 22, "t": 32, "b": 8}
"""Pixels around a plot without labels; the last number of an axis sticks out to the right."""


MENU = 24
"""Pixels of room above a chart, for its own menu."""

PERCENT = (-5.0, 105.0)
"""Range of an axis in percent: marks at 0 and 100 are drawn whole, even on a phone."""

EVEN_LUMINANCE = 0.179
"""Relative luminance on which white and black have the same contrast: (1.05 / 0.05) ** 0.5 * 0.05 - 0.05."""


def base_figure(
    theme: Theme,
    height: int,
    traces: Sequence[dict[str, Any]] = (),
    xaxis: dict[str, Any] | None = None,
    yaxis: dict[str, Any] | None = None,
    **layout: Any,
) -> Figure:
    """Return a figure in the page's colors.

    Args:
        height: in pixels.
        xaxis, yaxis: arguments of `axis_style`.
    """
    common = {
        "height": height,
        "margin": MARGIN,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": theme.text, "size": 13},
        "hoverlabel": {"bgcolor": theme.background, "font": {"color": theme.text}, "align": "left"},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": theme.muted, "activecolor": theme.accent},
        "colorway": [theme.series(i) for i in range(8)],
        "dragmode": "pan",
        "xaxis": axis_style(theme, **(xaxis or {})),
        "yaxis": axis_style(theme, **(yaxis or {})),
    }
    return Figure(data=list(traces), layout=common | layout)


def axis_style(theme: Theme, title: str = "", **settings: Any) -> dict[str, Any]:
    """Return the settings of an axis. Figures have no template, so that they look alike wherever they are drawn."""
    style: dict[str, Any] = {
        "gridcolor": theme.grid,
        "zerolinecolor": theme.grid,
        "automargin": True,
        "ticks": "outside",
        "ticklen": 6,
        "tickcolor": "rgba(0,0,0,0)",
        "tickfont": {"color": theme.text, "size": 12},
    }
    if title:  # an empty one takes room, too
        # Without the standoff, the title overlaps long labels.
        style["title"] = {"text": title, "font": {"color": theme.text, "size": 13}, "standoff": 12}
    return style | settings


def legend_below() -> dict[str, Any]:
    """Return the layout of a legend along the lower edge, for any height of the figure and number of lines."""
    return {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0, "xanchor": "left"}


def chance_line(height: float, theme: Theme, axes: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return a dotted line across a panel at the score of guessing, as a shape.

    Args:
        height: the score, in the unit of the axis.
        axes: ``xaxis`` and ``yaxis`` of the panel; the first by default.
    """
    across, up = (axes["xaxis"], axes["yaxis"]) if axes else ("x", "y")
    ends = {"xref": f"{across} domain", "x0": 0, "x1": 1, "yref": up, "y0": height, "y1": height}
    # In the color of the text: others are colors of models or of groups.
    return {"type": "line", "line": {"dash": "dot", "color": theme.text, "width": 2}} | ends


def upright_line(x: float, color: str) -> dict[str, Any]:
    return upright_band(x, x) | {"type": "line", "line": {"dash": "dot", "color": color, "width": 2}}


def upright_band(low: float, high: float) -> dict[str, Any]:
    return {"type": "rect", "xref": "x", "x0": low, "x1": high, "yref": "y domain", "y0": 0, "y1": 1}


def error_bar(value: np.ndarray, low: np.ndarray, high: np.ndarray, color: str, **style: Any) -> dict[str, Any]:
    """Return the intervals ``low`` to ``high`` around ``value``, all in the unit of the axis, as Plotly's error
    bars."""
    return {
        "type": "data",
        "symmetric": False,
        "array": high - value,
        "arrayminus": value - low,
        "thickness": 2,
        "width": 4,
        "color": color,
    } | style


def percent(column: pd.Series) -> np.ndarray:
    return column.to_numpy(float) * 100


def seed_ticks(x: np.ndarray, y: Sequence[Any], hover: Sequence[str], theme: Theme) -> dict[str, Any]:
    """Return ticks for models that repeat another one with a higher seed, on that one's line.

    Args:
        x, y: scores, and the places of the lines.
        hover: texts, with names escaped.
    """
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "other seeds",
        "x": x,
        "y": y,
        "marker": {"symbol": "line-ns", "size": 16, "line": {"width": 2, "color": theme.text}},
        "customdata": hover,
        "hovertemplate": "%{customdata}<extra></extra>",
        "showlegend": True,
    }


def heatmap(z: np.ndarray, theme: Theme, gap: int, hover: str, **settings: Any) -> dict[str, Any]:
    """Return a trace of cells of ``z``, in percent, ``gap`` pixels apart; NaN cells stay empty.

    Args:
        hover: Plotly's template.
    """
    cells = {"type": "heatmap", "z": z, "zmin": 0, "zmax": 100, "colorscale": theme.sequential, "showscale": False}
    return cells | {"xgap": gap, "ygap": gap, "hovertemplate": hover} | settings


def cell_numbers(
    heatmap: dict[str, Any], texts: Sequence[Sequence[str]], x: Sequence[Any], y: Sequence[Any], size: int
) -> list[dict[str, Any]]:
    """Return the numbers of the cells of ``heatmap`` as traces, white on dark cells and black on light ones.

    Plotly's own numbers are gray on cells of medium lightness.

    Args:
        heatmap: with ``z``, ``zmin``, ``zmax`` and ``colorscale``.
        texts: of each cell; empty ones are left out.
        x, y: places of the columns and of the rows.
    """
    z = np.asarray(heatmap["z"], float)
    place = np.clip((z - heatmap["zmin"]) / (heatmap["zmax"] - heatmap["zmin"]), 0, 1)
    stops, colors = zip(*heatmap["colorscale"], strict=True)
    channels = np.array([[int(str(color)[i : i + 2], 16) for i in (1, 3, 5)] for color in colors], float)
    mixed = np.stack([np.interp(np.nan_to_num(place), stops, channels[:, i]) for i in range(3)], axis=-1)
    white = _luminance(mixed) < EVEN_LUMINANCE
    traces = []
    for color, mine in (("#ffffff", white), ("#000000", ~white)):
        cells = [(i, j) for i, j in zip(*np.nonzero(mine), strict=True) if texts[i][j]]
        trace = {
            "type": "scatter",
            "mode": "text",
            "x": [x[j] for _, j in cells],
            "y": [y[i] for i, _ in cells],
            "text": [texts[i][j] for i, j in cells],
            "textfont": {"size": size, "color": color},
            "hoverinfo": "skip",
            "showlegend": False,
        }
        traces.append(trace)
    return traces


def _luminance(colors: np.ndarray) -> np.ndarray:
    """Return the relative luminance (WCAG 2.2) of colors (..., 3) in 0 to 255."""
    parts = colors / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]


def escape(text: object) -> str:
    """Escape ``text`` for Plotly, which reads a subset of HTML: names of files and labels are never markup."""
    return html.escape(str(text), quote=False)


def model_label(model: str) -> str:
    return escape(model_title(model))


def to_json(figure: Any) -> bytes:
    """Serialize a figure, or a structure that holds one, as JSON; NaN and infinity become null.

    Raises:
        TypeError: it holds something that is neither JSON nor an array.
    """
    return orjson.dumps(figure, _arrays, orjson.OPT_SERIALIZE_NUMPY)


def _arrays(value: Any) -> Any:
    """Convert arrays that orjson does not know: texts, and arrays that are not contiguous."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError
