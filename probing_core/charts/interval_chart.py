"""Chart with a mark and its confidence interval in each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from probing_core.charts.figure import MARGIN, Figure, base_figure, bold, escape, interval_marks, row_axis, row_band
from probing_core.charts.theme import Theme

INTERVAL_ROW_PX = 24
"""Height of a row in pixels."""


def interval_chart(
    rows: pd.DataFrame,
    theme: Theme,
    xaxis: dict[str, Any],
    selected: str = "",
    row_px: int = INTERVAL_ROW_PX,
    traces: Sequence[dict[str, Any]] = (),
    shapes: Sequence[dict[str, Any]] = (),
    annotations: Sequence[dict[str, Any]] = (),
) -> Figure:
    """Draw a mark with its 95% confidence interval in each row, with the first row on top.

    Args:
        rows: table with the columns ``name``, ``title``, ``text`` (written after the title), ``value``, ``low`` and
            ``high`` (in the unit of the axis), ``color``, ``symbol`` and ``hover``. Rows without a value have no mark.
            Click events contain ``hover`` and ``name`` as ``customdata``.
        xaxis: settings of the horizontal axis.
        selected: ``name`` of the row to highlight.
        row_px: height of a row in pixels.
        traces: additional traces, which are drawn over the marks. The y coordinate of the last row is 0.
        shapes, annotations: additional Plotly shapes and annotations.
    """
    rows = rows.iloc[::-1].reset_index(drop=True)
    drawn = rows[rows["value"].notna()]
    marker = {"size": 10, "color": list(drawn["color"]), "symbol": list(drawn["symbol"])}
    marks = interval_marks(drawn["value"], drawn["low"], drawn["high"], theme.muted) | {
        "y": drawn.index.to_numpy(),
        "marker": marker,
        "customdata": [list(map(escape, pair)) for pair in drawn[["hover", "name"]].to_numpy()],
        "hovertemplate": "%{customdata[0]}<extra></extra>",
    }
    labels = [
        f"{bold(escape(row['title']), row['name'] == selected)}  <b>{escape(row['text'])}</b>"
        for row in rows.to_dict("records")
    ]
    highlight = [row_band(row, theme) for row in rows.index[rows["name"] == selected]]
    return base_figure(
        theme,
        110 + row_px * len(rows),
        [marks, *traces],
        xaxis,
        row_axis(labels) | {"tickfont": {"size": min(12, row_px - 6), "color": theme.text}},
        showlegend=False,
        shapes=[*shapes, *highlight],
        annotations=list(annotations),
        margin=MARGIN | {"t": 44},
    )
