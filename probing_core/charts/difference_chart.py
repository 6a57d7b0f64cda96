"""Chart of differences between two models, in percentage points."""

from __future__ import annotations

import numpy as np
import pandas as pd

from probing_core.charts.figure import (
    ROW_PX,
    Figure,
    base_figure,
    escape,
    interval_marks,
    legend_below,
    upright_line,
)
from probing_core.charts.theme import Theme
from probing_core.measures.notation import p_value, points_interval
from probing_core.measures.statistics import is_significant


def difference_chart(
    rows: pd.DataFrame, theme: Theme, title: str, names: tuple[str, str], colors: tuple[str, str]
) -> Figure:
    """Draw the difference between two models in each row with its 95% CI, with the first row on top.

    The marks of significant differences are filled.

    Args:
        rows: table with the columns ``name``, ``difference``, ``low`` and ``high`` (fractions), and ``p`` (p-value).
        title: title of the axis.
        names: display names of the two models.
        colors: colors of the two models. Each row has the color of the better model.
    """
    rows = rows.iloc[::-1]
    first = rows["difference"] >= 0
    significant = is_significant(rows["p"])
    traces = []
    for better, color, is_better in zip(names, colors, (first, ~first), strict=True):
        for symbol, label, part in (
            ("circle", "better", is_better & significant),
            ("circle-open", "better, not significant", is_better & ~significant),
        ):
            if not part.any():
                continue
            some = rows[part]
            traces.append(
                interval_marks(100 * some["difference"], 100 * some["low"], 100 * some["high"], theme.muted)
                | {
                    "name": f"{escape(better)} {label}",
                    "y": [escape(name) for name in some["name"]],
                    "marker": {"symbol": symbol, "size": 10, "color": color, "line": {"width": 2, "color": color}},
                    "customdata": [
                        [points_interval(low, high), p_value(p)]
                        for low, high, p in zip(some["low"], some["high"], some["p"], strict=True)
                    ],
                    "hovertemplate": "%{y}: %{x:+.1f} percentage points<br>unadjusted 95% CI %{customdata[0]}, "
                    "adjusted %{customdata[1]}<extra></extra>",
                }
            )
    reach = 110 * float(np.nanmax(np.abs(rows[["difference", "low", "high"]].to_numpy(float))))
    return base_figure(
        theme,
        150 + ROW_PX * len(rows),
        traces,
        {"title": title, "range": [-reach, reach], "zeroline": False},
        {"categoryorder": "array", "categoryarray": [escape(name) for name in rows["name"]]},
        legend=legend_below(),
        shapes=[upright_line(0.0, theme.text)],
        showlegend=True,
    )
