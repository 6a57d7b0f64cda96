"""Heat map with clickable cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from probing_core.charts.figure import MARGIN, Figure, base_figure, escape
from probing_core.charts.theme import Theme, contrast

CELL_ROW_PX = 22
"""Height of a row in pixels."""

EMPTY_TITLE_PX = 20
"""Base height of the space for slanted column titles, in pixels."""

TITLE_CHARACTER_PX = 4
"""Additional height per character of the longest slanted title, in pixels."""


BLACK, WHITE = "#000000", "#ffffff"
"""Colors of the text in cells."""


@dataclass(frozen=True)
class HeatScale:
    """Color scale of a heat map.

    Attributes:
        title: title of the color bar.
        ticks: value -> tick label on the color bar.
    """

    title: str
    ticks: dict[float, str]


def heat_map(
    values: pd.DataFrame,
    texts: pd.DataFrame,
    hover: pd.DataFrame,
    theme: Theme,
    scale: HeatScale,
    bands: Sequence[tuple[str, int]],
    is_bold: pd.DataFrame | None = None,
) -> Figure:
    """Draw ``values`` as colored cells with text, with the first row on top.

    Click events contain the IDs of the row and column of the cell as ``customdata``.

    Args:
        values: values from 0 to 1, which determine the color. Cells with NaN are blank. The index and column labels are
            IDs.
        texts: text of each cell. The index and column labels are titles.
        hover: hover text of each cell.
        scale: color scale.
        bands: color and number of rows of each group of rows, from the top.
        is_bold: whether the text of each cell is bold.
    """
    rows, columns = len(values), len(values.columns)
    x, y = np.meshgrid(np.arange(columns), np.arange(rows))
    places = np.linspace(0, 1, len(theme.sequential))
    steps = [[place, color] for place, color in zip(places, theme.sequential, strict=True)]
    matrix = values.to_numpy(float)
    is_dark = _has_dark_cells(matrix, theme.sequential)
    heat = {
        "type": "heatmap",
        "zmin": 0,
        "zmax": 1,
        "colorscale": steps,
        "texttemplate": "%{text}",
        "xgap": 1,
        "ygap": 1,
        "hoverinfo": "skip",
        "colorbar": {
            "title": {"text": scale.title, "side": "right"},
            "tickvals": list(scale.ticks),
            "ticktext": list(scale.ticks.values()),
            "thickness": 12,
            "lenmode": "pixels",
            "len": 260,
            "y": 1,
            "yanchor": "top",
            "outlinewidth": 0,
        },
    }
    marked = np.zeros(matrix.shape, bool) if is_bold is None else is_bold.to_numpy(bool)
    written = texts.map(escape)
    written = written.mask(marked, "<b>" + written + "</b>")
    # Plotly's text color depends on the brightness of the cell, and has too little contrast on intermediate colors.
    halves = [
        heat
        | {
            "z": np.where(mask, matrix, np.nan),
            "text": written.where(mask, "").to_numpy().tolist(),
            "textfont": {"size": 11, "color": color},
            "showscale": not i,
        }
        for i, (mask, color) in enumerate(((~is_dark, BLACK), (is_dark, WHITE)))
    ]
    # Plotly reports only clicks on marks, so each cell has an invisible mark.
    cells = {
        "type": "scatter",
        "mode": "markers",
        "x": x.ravel(),
        "y": y.ravel(),
        "marker": {"symbol": "square", "size": 20, "opacity": 0},
        "customdata": [[str(values.index[i]), str(values.columns[j])] for i in range(rows) for j in range(columns)],
        "text": hover.to_numpy().ravel().tolist(),
        "hovertemplate": "%{text}<extra></extra>",
        "selected": {"marker": {"opacity": 0}},
        "unselected": {"marker": {"opacity": 0}},
        "showlegend": False,
    }
    shapes: list[dict[str, Any]] = []
    top = 0
    for color, count in bands:
        edges = {"xref": "paper", "x0": -0.006, "x1": 0, "yref": "y", "y0": top - 0.5, "y1": top + count - 0.5}
        shapes.append(edges | {"type": "rect", "fillcolor": color, "line": {"width": 0}})
        if top:
            line = {"xref": "paper", "x0": 0, "x1": 1, "yref": "y", "y0": top - 0.5, "y1": top - 0.5}
            shapes.append(line | {"type": "line", "line": {"color": theme.text, "width": 1}})
        top += count
    above = EMPTY_TITLE_PX + TITLE_CHARACTER_PX * max(map(len, texts.columns))
    return base_figure(
        theme,
        above + CELL_ROW_PX * rows + MARGIN["b"],
        [*halves, cells],
        {
            "tickvals": list(range(columns)),
            "ticktext": [escape(name) for name in texts.columns],
            "tickangle": -40,
            "side": "top",
            "automargin": False,
            "showgrid": False,
            "zeroline": False,
            "range": [-0.5, columns - 0.5],
        },
        {
            "tickvals": list(range(rows)),
            "ticktext": [f"{escape(name)}\N{NO-BREAK SPACE}\N{NO-BREAK SPACE}" for name in texts.index],
            "showgrid": False,
            "zeroline": False,
            "range": [rows - 0.5, -0.5],
        },
        shapes=shapes,
        margin=MARGIN | {"r": 8, "t": above},
        dragmode=False,
    )


def _has_dark_cells(values: np.ndarray, palette: Sequence[str]) -> np.ndarray:
    """Return where white text has more contrast than black text, for values from 0 to 1 on the color scale ``palette``.

    NaN counts as 0.
    """
    channels = [[int(color[i : i + 2], 16) for color in palette] for i in (1, 3, 5)]
    places = np.linspace(0, 1, len(palette))
    colors = np.rint([np.interp(np.linspace(0, 1, 101), places, channel) for channel in channels]).astype(int).T
    names = ["#{:02x}{:02x}{:02x}".format(*color) for color in colors]
    is_dark = np.array([contrast(name, WHITE) > contrast(name, BLACK) for name in names])
    return is_dark[np.rint(100 * np.nan_to_num(values)).astype(int)]
