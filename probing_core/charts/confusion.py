"""Confusion matrices whose cells can be clicked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from probing_core.charts.figure import MARGIN, MENU, Figure, base_figure, cell_numbers, escape
from probing_core.charts.theme import Theme
from probing_core.measures.notation import minus

SMALL = 16
"""Up to so many rows or columns, cells and their numbers are drawn larger."""


def confusion_chart(
    matrix: pd.DataFrame,
    theme: Theme,
    group_of: Mapping[str, str] | None = None,
    unit: str = "%",
    difference: bool = False,
    chosen: tuple[str, str] | None = None,
    axes: tuple[str, str] = ("truth", "taken for"),
) -> Figure:
    """Draw truth in rows and predictions in columns; or any table with a number for each pair of names.

    Args:
        matrix: from `probing_core.results.confusion_matrix`, in the unit to show; NaN cells stay empty.
        group_of: class -> group; lines are drawn between groups.
        unit: of the cells.
        difference: whether cells are differences, colored from orange to blue around 0.
        chosen: (truth, predicted) of the cell to frame.
        axes: what rows and columns are.
    """
    rows, columns = [str(v) for v in matrix.index], [str(v) for v in matrix.columns]
    shapes = _between_groups(rows, columns, group_of, theme) if group_of else []
    if chosen and chosen[0] in rows and chosen[1] in columns:
        i, j = rows.index(chosen[0]), columns.index(chosen[1])
        frame = {"type": "rect", "line": {"color": theme.warning, "width": 3}}
        shapes.append(frame | {"x0": j - 0.5, "x1": j + 0.5, "y0": i - 0.5, "y1": i + 0.5})
    across = _names_axis(columns, axes[1]) | {"tickangle": -60, "ticklabeloverflow": "allow", "side": "top"}
    down = _names_axis(rows, axes[0])
    cells = _cells(matrix.to_numpy(float), rows, columns, theme, unit, difference, axes)
    texts = [[_cell(v) for v in row] for row in cells["z"]]
    size = 9 if len(columns) > SMALL else 12
    above = max(190, 60 + 5 * max(map(len, columns), default=0))  # slanted labels: else they take it from the rows
    return base_figure(
        theme,
        above + MENU + max((17 if len(rows) > SMALL else 24) * len(rows), 220),
        [cells, *cell_numbers(cells, texts, range(len(columns)), range(len(rows)), size)],
        across | {"range": [-0.5, len(columns) - 0.5]},
        down | {"range": [len(rows) - 0.5, -0.5]},
        clickmode="event",
        hovermode="closest",
        shapes=shapes,
        margin=MARGIN | {"r": 48},  # slanted labels reach out
    )


def _cells(
    values: np.ndarray,
    rows: list[str],
    columns: list[str],
    theme: Theme,
    unit: str,
    difference: bool,
    axes: tuple[str, str],
) -> dict[str, Any]:
    top = max(float(np.nanmax(np.abs(values), initial=0)), 1e-9)
    return {
        "type": "heatmap",
        "z": values,
        "zmin": -top if difference else 0,
        "zmax": top if difference or unit != "%" else 100,
        "colorscale": theme.diverging if difference else theme.sequential,
        "xgap": 1,
        "ygap": 1,
        "showscale": False,
        "customdata": [
            [[i, j, t, p, _amount(values[i, j], unit, difference)] for j, p in enumerate(map(escape, columns))]
            for i, t in enumerate(map(escape, rows))
        ],
        "hoverongaps": True,
        "hovertemplate": f"{axes[0]} <b>%{{customdata[2]}}</b><br>{axes[1]} <b>%{{customdata[3]}}</b><br>"
        "%{customdata[4]}<extra></extra>",
    }


def _names_axis(names: list[str], title: str) -> dict[str, Any]:
    return {
        "title": title,
        "tickvals": list(range(len(names))),
        "ticktext": [escape(name) for name in names],
        "showgrid": False,
        "zeroline": False,
    }


def _between_groups(
    rows: list[str], columns: list[str], group_of: Mapping[str, str], theme: Theme
) -> list[dict[str, Any]]:
    """Return lines between cells of different groups, as Plotly's shapes."""
    style = {"type": "line", "line": {"color": theme.muted, "width": 1}}
    bottom, right = len(rows) - 0.5, len(columns) - 0.5
    down = [j - 0.5 for j in range(1, len(columns)) if group_of.get(columns[j]) != group_of.get(columns[j - 1])]
    across = [i - 0.5 for i in range(1, len(rows)) if group_of.get(rows[i]) != group_of.get(rows[i - 1])]
    return [
        *(style | {"x0": x, "x1": x, "y0": -0.5, "y1": bottom} for x in down),
        *(style | {"x0": -0.5, "x1": right, "y0": y, "y1": y} for y in across),
    ]


def _cell(value: float) -> str:
    return "" if not np.isfinite(value) or round(value) == 0 else minus(f"{value:.0f}")


def _amount(value: float, unit: str, difference: bool) -> str:
    if not np.isfinite(value):
        return "no samples"
    if not unit:  # counts
        return minus(f"{value:+.0f}") + " samples" if difference else f"{value:.0f} samples"
    return minus(f"{value:+.1f}") + " points" if difference and unit == "%" else f"{value:.1f} {unit}"
