"""Seen against unseen."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from probing_core.charts.theme import SYMBOLS, Theme, base_figure, error_bar, escape, legend_below

OFFSETS = (-0.22, 0.0, 0.22)
"""Vertical places of the three rotations in a model's row."""


def seen_unseen_chart(rows: pd.DataFrame, theme: Theme) -> go.Figure:
    """A row for each model, in it the rotations, seen filled and the others hollow.

    Args:
        rows: ``model``, ``rotation``, ``subset``, ``value``, ``low``, ``high``, ``chance``.
    """
    models = list(dict.fromkeys(rows["model"]))[::-1]
    figure = base_figure(theme, 150 + 58 * len(models), legend=legend_below())
    for _, part in rows.groupby(["rotation", "subset"]):
        rotation, subset = int(part["rotation"].iloc[0]), str(part["subset"].iloc[0])
        seen = subset == "seen"
        color = theme.accent if seen else theme.warning
        figure.add_trace(
            go.Scatter(
                x=part["value"] * 100,
                y=[models.index(m) + OFFSETS[rotation % 3] for m in part["model"]],
                name=f"{subset}, rotation {rotation}",
                mode="markers",
                marker={
                    "size": 11,
                    "color": color,
                    "symbol": SYMBOLS[rotation % 3] + ("" if seen else "-open"),
                    "line": {"width": 2, "color": color},
                },
                error_x=error_bar(part, color),
                customdata=[[escape(m)] for m in part["model"]],
                hovertemplate="%{customdata[0]}: %{x:.1f} %",
            )
        )
    figure.add_vline(x=float(rows["chance"].median()) * 100, line={"dash": "dot", "color": theme.muted})
    figure.update_yaxes(
        tickvals=list(range(len(models))),
        ticktext=[escape(m) for m in models],
        zeroline=False,
        range=[-0.6, len(models) - 0.4],
    )
    figure.update_xaxes(title_text="group told right (%); dotted: chance", range=[0, 102])
    return figure


def members_chart(points: pd.DataFrame, order: list[str], theme: Theme) -> go.Figure:
    """Each transform where it was seen and where it was not, joined by a line.

    Args:
        points: ``transform``, ``group``, ``unseen`` (bool), ``value``, ``low``, ``high``; the rotations in rows.
        order: transforms from left to right.
    """
    figure = base_figure(theme, 420, legend=legend_below())
    seen = points[~points["unseen"]].groupby("transform")["value"].mean().reindex(order)
    unseen = points[points["unseen"]].drop_duplicates("transform").set_index("transform").reindex(order)
    names = [escape(t) for t in order]
    gaps = [v for pair in zip(seen * 100, unseen["value"] * 100, strict=True) for v in (*pair, None)]
    at = [n for name in names for n in (name, name, name)]
    figure.add_trace(
        go.Scatter(
            x=at,
            y=gaps,
            mode="lines",
            line={"color": theme.muted, "width": 4},
            opacity=0.5,
            hoverinfo="skip",
            showlegend=False,
        )
    )
    colors = [theme.group(str(g)) for g in unseen["group"]]
    figure.add_trace(
        go.Scatter(
            x=names, y=seen * 100, name="seen", mode="markers", marker={"color": colors, "size": 10},
            hovertemplate="%{x}, seen: %{y:.0f} %<extra></extra>",
        )
    )  # fmt: skip
    figure.add_trace(
        go.Scatter(
            x=names, y=unseen["value"] * 100, name="unseen", mode="markers",
            marker={"color": colors, "size": 10, "symbol": "diamond-open", "line": {"width": 2}},
            error_y=error_bar(unseen, theme.muted) | {"thickness": 1},
            hovertemplate="%{x}, unseen: %{y:.0f} %<extra></extra>",
        )
    )  # fmt: skip
    figure.update_yaxes(title_text="group told right (%)", range=[0, 104])
    figure.update_xaxes(tickangle=-60)
    return figure
