"""Confusion matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from probing_core.charts.figure import MARGIN, MENU, Figure, base_figure, cell_numbers, escape, heatmap
from probing_core.charts.theme import Theme

SMALL = 16
"""Up to so many rows or columns, cells and their numbers are drawn larger."""


def confusion_chart(matrix: pd.DataFrame, theme: Theme, axes: tuple[str, str] = ("truth", "taken for")) -> Figure:
    """Draw truth in rows and predictions in columns.

    Args:
        matrix: from `probing_core.results.confusion_matrix`, in percent; NaN cells stay empty.
        axes: titles of rows and columns.
    """
    rows, columns = [str(v) for v in matrix.index], [str(v) for v in matrix.columns]
    across = _names_axis(columns, axes[1]) | {"tickangle": -60, "ticklabeloverflow": "allow", "side": "top"}
    down = _names_axis(rows, axes[0])
    values = matrix.to_numpy(float)
    named = [[[escape(t), escape(p), _amount(values[i, j])] for j, p in enumerate(columns)] for i, t in enumerate(rows)]
    truth, taken = (f"{what} <b>%{{customdata[{i}]}}</b>" for i, what in enumerate(axes))
    hover = f"{truth}<br>{taken}<br>%{{customdata[2]}}<extra></extra>"
    cells = heatmap(values, theme, 1, hover, customdata=named, hoverongaps=True)
    texts = [[_cell(v) for v in row] for row in cells["z"]]
    size = 9 if len(columns) > SMALL else 12
    above = max(190, 60 + 5 * max(map(len, columns), default=0))  # slanted labels need room, which the rows would lose
    return base_figure(
        theme,
        above + MENU + max((17 if len(rows) > SMALL else 24) * len(rows), 220),
        [cells, *cell_numbers(cells, texts, range(len(columns)), range(len(rows)), size)],
        across | {"range": [-0.5, len(columns) - 0.5]},
        down | {"range": [len(rows) - 0.5, -0.5]},
        hovermode="closest",
        margin=MARGIN | {"r": 48},  # slanted labels reach out
    )


def _names_axis(names: list[str], title: str) -> dict[str, Any]:
    return {
        "title": title,
        "tickvals": list(range(len(names))),
        "ticktext": [escape(name) for name in names],
        "showgrid": False,
        "zeroline": False,
    }


def _cell(value: float) -> str:
    return "" if not np.isfinite(value) or round(value) == 0 else f"{value:.0f}"


def _amount(value: float) -> str:
    return f"{value:.1f} %" if np.isfinite(value) else "no samples"
