"""Each transformation, where probes learned it and where they did not."""

from __future__ import annotations

from typing import Any

import pandas as pd

from probing_core.charts.figure import (
    PERCENT,
    Figure,
    base_figure,
    chance_line,
    escape,
    legend_below,
    percent,
    percent_bar,
)
from probing_core.charts.theme import Theme
from probing_core.measures.notation import in_percent


def members_chart(points: pd.DataFrame, order: list[str], theme: Theme, chance: float | None = None) -> Figure:
    """Draw each transform where it was seen and where it was not, joined by a line, in the color of its group.

    Args:
        points: ``transform``, ``group``, ``unseen`` (bool), ``value``, ``low``, ``high``; the rotations in rows.
        order: transforms from left to right.
        chance: level of guessing, as a fraction; None draws none.
    """
    seen = percent(points[~points["unseen"]].groupby("transform")["value"].mean().reindex(order))
    unseen = points[points["unseen"]].drop_duplicates("transform").set_index("transform").reindex(order)
    names = [escape(t) for t in order]
    colors = [theme.group(str(g)) for g in unseen["group"]]
    gaps = {
        "type": "scatter",
        "x": [n for name in names for n in (name, name, name)],
        "y": [v for pair in zip(seen, percent(unseen["value"]), strict=True) for v in (*pair, None)],
        "mode": "lines",
        "line": {"color": theme.muted, "width": 4},
        "opacity": 0.5,
        "hoverinfo": "skip",
        "showlegend": False,
    }
    dots = {
        "type": "scatter",
        "x": names,
        "y": seen,
        "name": "seen",
        "mode": "markers",
        "marker": {"color": colors, "size": 10},
        "showlegend": False,
        "hovertemplate": "%{x}, seen: %{y:.0f} %<extra></extra>",
    }
    diamonds = {
        "type": "scatter",
        "x": names,
        "y": percent(unseen["value"]),
        "name": "unseen",
        "mode": "markers",
        "marker": {"color": colors, "size": 10, "symbol": "diamond-open", "line": {"width": 2}},
        "error_y": percent_bar(unseen, theme.muted, thickness=1),
        "hovertemplate": "%{x}, unseen: %{y:.0f} %<extra></extra>",
        "showlegend": False,
    }
    unseen_sign = {"color": theme.text, "symbol": "diamond-open", "line": {"width": 2}}
    legend = [_key("seen", {"color": theme.text}), _key("unseen", unseen_sign)]
    level = [] if chance is None else [_level(chance, theme)]
    return base_figure(
        theme,
        450,
        [gaps, dots, diamonds, *legend],
        {"tickangle": -60},
        {"title": "group recognized (%)", "range": PERCENT},
        legend=legend_below() | {"itemclick": False, "itemdoubleclick": False},
        shapes=[line for line, _ in level],
        annotations=[words for _, words in level],
    )


def _key(name: str, marker: dict[str, Any]) -> dict[str, Any]:
    """Return an entry of the legend, a trace of nothing."""
    entry = {"type": "scatter", "mode": "markers", "x": [None], "y": [None], "name": escape(name)}
    return entry | {"marker": {"size": 10} | marker}


def _level(chance: float, theme: Theme) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a dotted line across a chart at the level of guessing, and its words at the right end."""
    height = 100 * chance
    words = {"x": 1, "xref": "x domain", "xanchor": "right", "y": height, "yref": "y", "yanchor": "bottom"}
    words |= {"text": f"chance {in_percent(chance)}", "showarrow": False, "font": {"size": 11, "color": theme.warning}}
    return chance_line(height, theme), words
