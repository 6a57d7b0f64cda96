"""Maps of one to four models in one figure, so that one selection and one graphics context serve all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from probing_core.charts.theme import SYMBOLS, Theme, base_figure, escape

Looks = dict[str, tuple[str, str]]
"""Category -> (color, symbol)."""


def map_chart(
    maps: dict[str, pd.DataFrame],
    theme: Theme,
    looks: Looks | None = None,
    unit: str = "",
    selected: Sequence[int] = (),
    arrows: pd.DataFrame | None = None,
    height: int = 560,
) -> go.Figure:
    """Points of each model in a panel of its own.

    Args:
        maps: model -> ``sample``, ``x``, ``y``, ``category`` (or a number ``amount``) and ``hover`` text.
        looks: the categories in the order of the legend; None colors by ``amount``.
        unit: what ``amount`` is, for the color bar.
        selected: samples to emphasize; all others fade.
        arrows: ``model``, ``x``, ``y``, ``to_x``, ``to_y``: from clean to transformed.
    """
    columns = 1 if len(maps) == 1 else 2
    rows = -(-len(maps) // columns)
    figure = make_subplots(
        rows, columns, subplot_titles=[escape(m) for m in maps], horizontal_spacing=0.03, vertical_spacing=0.06
    )
    figure.update_layout(base_figure(theme, height if rows == 1 else 2 * height - 160).layout)
    for i, (model, points) in enumerate(maps.items()):
        place = {"row": i // columns + 1, "col": i % columns + 1}
        parts = _by_category(points, looks, first=i == 0) if looks else [_by_amount(points, theme, unit, first=i == 0)]
        for part, rows_of_part in parts:
            if len(selected):
                chosen = np.flatnonzero(rows_of_part["sample"].isin(selected))
                part.selectedpoints = chosen
                part.selected = {"marker": {"size": 11, "opacity": 1}}
                part.unselected = {"marker": {"opacity": 0.08}}
            figure.add_trace(part, **place)
        if arrows is not None:
            _draw_arrows(figure, arrows[arrows["model"] == model], theme, place)
    figure.update_xaxes(showticklabels=False, showgrid=False, zeroline=False, showline=False)
    figure.update_yaxes(showticklabels=False, showgrid=False, zeroline=False, showline=False)
    figure.update_layout(
        showlegend=looks is not None,
        legend={"itemsizing": "constant", "font": {"size": 12}, "tracegroupgap": 2},
        hovermode="closest",
        clickmode="event",
        uirevision="map",
    )
    return figure


def _by_category(points: pd.DataFrame, looks: Looks, first: bool) -> list[tuple[go.Scattergl, pd.DataFrame]]:
    parts = []
    for category, (color, symbol) in looks.items():
        rows = points[points["category"] == category]
        if rows.empty:
            continue
        marker = {"color": color, "symbol": symbol, "size": _size(len(points)), "opacity": 0.85}
        trace = _trace(rows, marker)
        trace.update(name=escape(category), legendgroup=escape(category), showlegend=first)
        parts.append((trace, rows))
    return parts


def _by_amount(points: pd.DataFrame, theme: Theme, unit: str, first: bool) -> tuple[go.Scattergl, pd.DataFrame]:
    bar = {"title": {"text": unit}, "thickness": 10, "outlinewidth": 0}
    marker = {
        "color": points["amount"].to_numpy(),
        "colorscale": "Viridis" if theme.dark else "Cividis",
        "showscale": first,
        "colorbar": bar,
        "size": _size(len(points)),
        "opacity": 0.85,
    }
    return _trace(points, marker), points


def _size(points: int) -> int:
    """Pixels of a marker: smaller where many would cover each other."""
    return 6 if points <= 2000 else 4


def _trace(rows: pd.DataFrame, marker: dict) -> go.Scattergl:
    return go.Scattergl(
        x=rows["x"].to_numpy(np.float32),
        y=rows["y"].to_numpy(np.float32),
        mode="markers",
        marker=marker,
        # Lists of lists: Streamlit mangles two-dimensional NumPy customdata.
        customdata=[[int(s), escape(h)] for s, h in zip(rows["sample"], rows["hover"], strict=True)],
        hovertemplate="%{customdata[1]}<extra></extra>",
    )


def _draw_arrows(figure: go.Figure, arrows: pd.DataFrame, theme: Theme, place: dict) -> None:
    axis = figure.get_subplot(place["row"], place["col"])
    names = {"xref": axis.xaxis.plotly_name.replace("axis", ""), "yref": axis.yaxis.plotly_name.replace("axis", "")}
    for a in arrows.itertuples():
        figure.add_annotation(
            x=a.to_x, y=a.to_y, ax=a.x, ay=a.y, axref=names["xref"], ayref=names["yref"], **names,
            showarrow=True, arrowhead=2, arrowsize=1, arrowwidth=1.2, arrowcolor=theme.text, opacity=0.7, text="",
        )  # fmt: skip


def category_looks(categories: Sequence[str], theme: Theme) -> Looks:
    """Looks of labels that have no group: colors repeat after eight, symbols after ten."""
    return {c: (theme.series(i), SYMBOLS[(i // 8 + i) % len(SYMBOLS)]) for i, c in enumerate(categories)}
