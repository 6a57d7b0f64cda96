"""What every model says of one picture, and how that moves with a strength."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
import plotly.graph_objects as go

from probing_core.charts.panels import axes_of, paneled_figure
from probing_core.charts.theme import Theme, base_figure, escape, legend_below

PANELS = 3
"""Models side by side, unless a caller has less room; of more models than that a table is easier to read."""

MOST_CLASSES = 12
"""Columns of the table."""

TITLE = 44
"""Pixels between two rows of panels, for the models' names."""


def predictions_chart(rows: pd.DataFrame, theme: Theme, top: int = 5, columns: int = PANELS) -> go.Figure:
    """The most probable classes of each model side by side.

    Args:
        rows: ``model``, ``class``, ``group``, ``probability``, most probable first within a model.
        top: how many classes.
        columns: how many models side by side.
    """
    models = list(dict.fromkeys(rows["model"]))
    columns = min(columns, len(models))
    lines = -(-len(models) // columns)
    height = (28 * top + TITLE) * lines
    figure = paneled_figure(
        theme,
        models,
        columns,
        height + 40,
        (0.14, TITLE / height),
        {"range": [0, 115], "showticklabels": False, "showgrid": False, "zeroline": False},
        {"showgrid": False},
        showlegend=False,
    )
    bars = []
    for i, model in enumerate(models):
        best = rows[rows["model"] == model].head(top).iloc[::-1]
        bars.append(
            {
                "type": "bar",
                "x": best["probability"].to_numpy() * 100,
                "y": [escape(c) for c in best["class"]],
                "orientation": "h",
                "marker": {"color": [theme.group(g) for g in best["group"]]},
                "text": [f"{p:.0%}" for p in best["probability"]],
                "textposition": "outside",
                "cliponaxis": False,
                "hovertemplate": "%{y}: %{x:.1f} %<extra></extra>",
            }
            | axes_of(i)
        )
    return figure.add_traces(bars)


def answers_chart(rows: pd.DataFrame, theme: Theme, order: Sequence[str] = ()) -> go.Figure:
    """A table of many models: in rows the models, in columns what any of them holds for likely.

    Args:
        rows: as for `predictions_chart`.
        order: of the classes; of those of the rows if not given.
    """
    table = rows.pivot(index="model", columns="class", values="probability").reindex(index=rows["model"].unique())
    likely = table.max().sort_values(ascending=False, kind="stable").index[:MOST_CLASSES]
    table = table[[c for c in order or table.columns if c in likely]].iloc[::-1] * 100
    best = table.eq(table.max(axis=1), axis=0)
    texts = [
        [("" if p < 0.5 else f"<b>{p:.0f}</b>" if b else f"{p:.0f}") for p, b in zip(*row, strict=True)]
        for row in zip(table.to_numpy(), best.to_numpy(), strict=True)
    ]
    figure = base_figure(theme, 110 + 30 * len(table))
    figure.add_trace(
        go.Heatmap(
            z=table.to_numpy(),
            x=[escape(c) for c in table.columns],
            y=[escape(m) for m in table.index],
            zmin=0,
            zmax=100,
            colorscale=theme.sequential,
            text=texts,
            texttemplate="%{text}",
            textfont={"size": 11},  # said, since Plotly would shrink the numbers to fit with room to spare
            xgap=2,
            ygap=2,
            showscale=False,
            hovertemplate="%{y}<br>%{x}: <b>%{z:.1f} %</b><extra></extra>",
        )
    )
    figure.update_xaxes(side="top", tickangle=-40, showgrid=False)
    figure.update_yaxes(showgrid=False)
    return figure


@dataclass(frozen=True)
class StrengthAxis:
    """The horizontal axis of a chart over strength, from weak to strong.

    Attributes:
        title: the parameter and its unit.
        mark: the strength that is chosen.
        falling: whether smaller numbers are stronger (qualities, levels, contrasts).
        learned: the range of strengths that probes learned from, to be shaded.
        thresholds: model -> the strength from which on it sees the transformation, a tick on the axis.
    """

    title: str
    mark: float
    falling: bool = False
    learned: tuple[float, float] | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)


def strength_chart(
    curve: pd.DataFrame,
    value: str,
    theme: Theme,
    title: str,
    axis: StrengthAxis,
    bounds: tuple[str, str] | None = None,
) -> go.Figure:
    """One line a model over the strength.

    Args:
        curve: ``model``, ``strength`` and the column ``value``.
        title: of the vertical axis.
        bounds: columns of the 95 % interval's ends, where there is one.
    """
    figure = base_figure(theme, 360 + 10 * curve["model"].nunique(), legend=legend_below())
    looks = theme.model_looks(curve["model"])
    for model, rows in curve.groupby("model", sort=False):
        color, symbol, dash = looks[str(model)]
        figure.add_trace(
            go.Scatter(
                x=rows["strength"],
                y=rows[value],
                name=escape(model),
                legendgroup=escape(model),
                mode="lines+markers",
                line={"color": color, "width": 2, "dash": dash},
                marker={"symbol": symbol, "size": 8},
                error_y=_interval(rows, value, bounds, color) if bounds else None,
                hovertemplate="%{y:.3g} at %{x:.3g}",
            )
        )
        if str(model) in axis.thresholds:
            figure.add_trace(
                go.Scatter(
                    x=[axis.thresholds[str(model)]],
                    y=[0],
                    name=escape(model),
                    legendgroup=escape(model),
                    showlegend=False,
                    mode="markers",
                    marker={"symbol": "line-ns", "size": 26, "line": {"color": color, "width": 4}},
                    hovertemplate="seen from %{x:.3g} on",
                    cliponaxis=False,
                )
            )
    if axis.learned is not None:
        low, high = axis.learned
        figure.add_vrect(x0=low, x1=high, fillcolor=theme.muted, opacity=0.12, line_width=0, layer="below")
    figure.add_vline(x=axis.mark, line={"dash": "dot", "color": theme.muted})
    direction = "reversed" if axis.falling else True
    figure.update_xaxes(title_text=f"{axis.title}, stronger to the right", autorange=direction)
    figure.update_yaxes(title_text=title, rangemode="tozero")
    return figure


def _interval(rows: pd.DataFrame, value: str, bounds: tuple[str, str], color: str) -> dict:
    low, high = bounds
    return {
        "type": "data",
        "symmetric": False,
        "array": rows[high] - rows[value],
        "arrayminus": rows[value] - rows[low],
        "thickness": 1.5,
        "width": 3,
        "color": color,
    }
