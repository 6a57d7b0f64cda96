"""Seen against unseen."""

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
    model_label,
    percent,
    percent_bar,
    upright_line,
)
from probing_core.charts.theme import SYMBOLS, Theme
from probing_core.measures.notation import in_percent

OFFSETS = (-0.22, 0.0, 0.22)
"""Vertical places of the three rotations in a model's row."""


def seen_unseen_chart(rows: pd.DataFrame, theme: Theme) -> Figure:
    """Draw a row for each model, in it the rotations, seen filled and the others hollow.

    Args:
        rows: ``model``, ``rotation``, ``subset``, ``value``, ``low``, ``high``, ``chance``.
    """
    models = list(dict.fromkeys(rows["model"]))[::-1]
    traces = []
    for _, points in rows.groupby(["rotation", "subset"]):
        rotation, subset = int(points["rotation"].iloc[0]), str(points["subset"].iloc[0])
        seen = subset == "seen"
        color = theme.accent if seen else theme.warning
        traces.append(
            {
                "type": "scatter",
                "x": percent(points["value"]),
                "y": [models.index(m) + OFFSETS[rotation % 3] for m in points["model"]],
                "name": f"{subset}, rotation {rotation}",
                "mode": "markers",
                "marker": {
                    "size": 11,
                    "color": color,
                    "symbol": SYMBOLS[rotation % 3] + ("" if seen else "-open"),
                    "line": {"width": 2, "color": color},
                },
                "error_x": percent_bar(points, color),
                "customdata": [[model_label(m)] for m in points["model"]],
                "hovertemplate": "%{customdata[0]}: %{x:.1f} %",
            }
        )
    return base_figure(
        theme,
        150 + 58 * len(models),
        traces,
        {"title": "group recognized (%); dotted: chance", "range": PERCENT},
        {
            "tickvals": list(range(len(models))),
            "ticktext": [model_label(m) for m in models],
            "zeroline": False,
            "range": [-0.6, len(models) - 0.4],
        },
        legend=legend_below(),
        shapes=[upright_line(float(rows["chance"].median()) * 100, theme.muted)],
    )


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
