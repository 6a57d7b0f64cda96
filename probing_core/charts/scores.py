"""Charts of scores with their intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from probing_core.charts.labels import place_labels
from probing_core.charts.theme import BASELINE, Theme, base_figure, error_bar, escape, legend_below


def leaderboard_chart(board: pd.DataFrame, theme: Theme, measure: str = "balanced accuracy (%)") -> go.Figure:
    """A dot and its 95 % interval for each model, best on top, and what guessing gives.

    Args:
        board: ``model``, ``value``, ``low``, ``high``, ``chance``, ``apart``, ``note`` from
            `probing_core.results.leaderboard`.
    """
    figure = base_figure(theme, 90 + 38 * len(board), showlegend=False)
    rows = board.iloc[::-1]
    baseline = rows["model"].str.startswith(BASELINE)
    # The same model of several runs has a row in each.
    names = rows["model"] + " · " + rows["run"] if rows["model"].duplicated().any() else rows["model"]
    color = np.where(baseline, theme.muted, theme.accent)
    hollow = np.where(rows["apart"] | (rows["value"] == board["value"].max()), "", "-open")
    figure.add_trace(
        go.Scatter(
            x=rows["value"] * 100,
            y=names.map(escape),
            mode="markers",
            marker={
                "size": 12,
                "color": color,
                "symbol": [("square" if b else "circle") + h for b, h in zip(baseline, hollow, strict=True)],
                "line": {"width": 2, "color": color},
            },
            error_x=error_bar(rows, theme.text),
            customdata=[[_interval(r), _standing(r), escape(r.note)] for r in rows.itertuples()],
            hovertemplate="%{y}<br><b>%{x:.1f} %</b> %{customdata[0]}<br>%{customdata[1]}<br>%{customdata[2]}"
            "<extra></extra>",
        )
    )
    chance = float(board["chance"].median()) * 100
    figure.add_vline(x=chance, line={"dash": "dot", "color": theme.warning, "width": 2})
    figure.add_annotation(
        x=chance, y=1, yref="paper", yanchor="bottom", text=f"chance {chance:.1f} %", showarrow=False,
        font={"color": theme.warning},
    )  # fmt: skip
    figure.update_xaxes(title_text=measure, range=[0, 100])
    return figure


def profile_chart(scores: pd.DataFrame, theme: Theme) -> go.Figure:
    """Models by groups: a heatmap of recall with its number in each cell.

    Args:
        scores: ``model``, ``group``, ``value``, ``low``, ``high``; models and groups in the order to show.
    """
    table = scores.pivot(index="model", columns="group", values="value")
    table = table.reindex(index=scores["model"].unique()[::-1], columns=scores["group"].unique())
    bounds = scores.set_index(["model", "group"])
    hover = [[_interval(bounds.loc[(m, g)]) for g in table.columns] for m in table.index]
    figure = base_figure(theme, 110 + 34 * len(table))
    figure.add_trace(
        go.Heatmap(
            z=table.to_numpy() * 100,
            x=list(table.columns),
            y=[escape(m) for m in table.index],
            zmin=0,
            zmax=100,
            colorscale=theme.sequential,
            customdata=hover,
            texttemplate="%{z:.0f}",
            xgap=2,
            ygap=2,
            hovertemplate="%{y}<br>%{x}: <b>%{z:.1f} %</b> %{customdata}<extra></extra>",
            colorbar={"title": {"text": "%"}, "thickness": 10, "outlinewidth": 0},
        )
    )
    figure.update_xaxes(side="top", tickangle=-30, showgrid=False)
    figure.update_yaxes(showgrid=False)
    return figure


def substance_chart(points: pd.DataFrame, theme: Theme) -> go.Figure:
    """What a model knows of content against what it knows of the transformation, with both intervals.

    Args:
        points: ``model``, ``content``, ``content_low``, ``content_high``, ``style``, ``style_low``, ``style_high``.
    """
    figure = base_figure(theme, 430 + 8 * len(points), showlegend=True, legend=legend_below())
    looks = theme.model_looks(points["model"])
    places = place_labels(points["content"], points["style"], list(points["model"]))
    for point, (label, position) in zip(points.to_dict("records"), places, strict=True):
        color, symbol, _ = looks[point["model"]]
        figure.add_trace(
            go.Scatter(
                x=[point["content"] * 100],
                y=[point["style"] * 100],
                name=escape(point["model"]),
                mode="markers+text",
                text=[escape(label)],
                textposition=position,
                textfont={"size": 11, "color": theme.text},
                marker={"size": 13, "color": color, "symbol": symbol, "line": {"width": 2, "color": color}},
                error_x=_bar(point, "content", color),
                error_y=_bar(point, "style", color),
                hovertemplate="content %{x:.1f} %<br>transformation %{y:.1f} %",
            )
        )
    figure.update_xaxes(title_text="substance: content, balanced accuracy (%)")
    figure.update_yaxes(title_text="style: transformation, balanced accuracy (%)")
    return figure


def _bar(point: dict, what: str, color: str) -> dict:
    return {
        "type": "data",
        "symmetric": False,
        "array": [(point[f"{what}_high"] - point[what]) * 100],
        "arrayminus": [(point[what] - point[f"{what}_low"]) * 100],
        "color": color,
        "thickness": 1.5,
    }


def _interval(row) -> str:
    if not np.isfinite(row.low):
        return "(no interval: too few photographs)"
    return f"(95 % interval {row.low * 100:.1f} to {row.high * 100:.1f})"


def _standing(row) -> str:
    if not np.isfinite(row.p):
        return ""
    return "told apart from the best" if row.apart else "cannot be told apart from the best"
