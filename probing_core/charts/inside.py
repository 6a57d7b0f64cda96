"""Charts of shift, layers, transformations that probes did not learn, and parts of the variance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from probing_core.charts.dots import ROW
from probing_core.charts.figure import (
    PERCENT,
    Figure,
    axis_style,
    base_figure,
    chance_line,
    error_bar,
    escape,
    legend_below,
    model_label,
    percent,
    percent_bar,
    upright_line,
)
from probing_core.charts.labels import AROUND, place_labels
from probing_core.charts.panels import axes_of, paneled_figure
from probing_core.charts.theme import Theme
from probing_core.measures.notation import in_percent

MAX_BARS = 6
"""Largest number of lines whose intervals can be distinguished; with more, intervals are in the hover text only."""


MOST_TICKS = 12
"""Most blocks of which each has its number at the axis."""

SHIFT_PLOT = (240, 340)
"""Pixels of what the axes of `shift_chart` show on a phone, across and up."""

LAYER_TASKS = {"fine": "what was done", "content": "what is shown"}
"""Tasks that are shown by layer, and the titles of their panels."""


def shift_chart(points: pd.DataFrame, theme: Theme) -> Figure:
    """Draw how far each transform moves the embedding, against how well the probe recognizes it.

    Points have their names next to them where there is room. A few others have theirs in the legend.

    Args:
        points: ``transform``, ``group``, ``value`` (normalized shift), ``value_recall`` (fraction).
    """
    names = list(points["transform"])
    styles = theme.members(names, list(points["group"]))
    labels = place_labels(
        points["value"],
        points["value_recall"],
        names,
        x_range=(0.0, points["value"].max()),
        y_range=(0.0, 1.0),
        size=SHIFT_PLOT,
        positions=AROUND,
    )
    in_legend = 0 < sum(not text for text, _ in labels) <= MAX_IN_LEGEND
    traces = []
    for point, (text, position) in zip(points.to_dict("records"), labels, strict=True):
        color, symbol = styles[point["transform"]]
        traces.append(
            {
                "type": "scatter",
                "x": [point["value"]],
                "y": [100 * point["value_recall"]],
                "name": escape(point["transform"]),
                "mode": "markers+text",
                "text": [escape(text)],
                "textposition": position,
                "textfont": {"size": 11, "color": theme.text},
                "showlegend": not text,
                "marker": {"color": color, "symbol": symbol, "size": 11},
                "cliponaxis": False,  # a mark at 0 is drawn whole
                "hovertemplate": "%{fullData.name}: shift %{x:.2f}, recognized %{y:.0f} %<extra></extra>",
            }
        )
    return base_figure(
        theme,
        560,
        traces,
        {"title": "shift (1: as far as another picture)", "rangemode": "tozero"},
        {"title": "recognized (%)", "range": [-5, 106]},  # names below 0 have room
        showlegend=in_legend,
        legend=legend_below(),
    )


def layers_chart(rows: pd.DataFrame, theme: Theme) -> Figure:
    """Draw a panel for each task, with a line for each model over its layers, with intervals.

    Args:
        rows: ``task``, ``base`` (model without layer), ``layer``, ``value``, ``low``, ``high``, ``chance`` (fractions).
    """
    tasks = [task for task in LAYER_TASKS if (rows["task"] == task).any()]
    levels, traces = [], []
    for panel, task in enumerate(tasks):
        of_task, axes = rows[rows["task"] == task], axes_of(panel)
        for trace in _accuracy_traces(of_task, "base", "layer", theme):
            traces.append(trace | axes | {"legendgroup": trace["name"], "showlegend": panel == 0})
        levels.append(_level(float(of_task["chance"].iloc[0]), theme, axes))
    figure = paneled_figure(
        theme,
        [LAYER_TASKS[task] for task in tasks],
        len(tasks),
        400 + 10 * rows["base"].nunique(),
        (0.08, 0.0),
        {"title": "block"} | ({"dtick": 1} if rows["layer"].max() <= MOST_TICKS else {}),
        {"range": PERCENT},
        legend=legend_below(),
        shapes=[line for line, _ in levels],
    )
    figure["layout"]["annotations"] += [words for _, words in levels]
    figure["data"] = traces
    words = axis_style(theme, "balanced accuracy (%)")["title"]
    figure["layout"]["yaxis"]["title"] = words  # for all panels; shown at the first
    return _single_out(figure, theme)


def _accuracy_traces(rows: pd.DataFrame, series: str, along: str, theme: Theme) -> list[dict[str, Any]]:
    codes, names = pd.factorize(rows[series])
    styles = theme.model_styles(names)
    # Arrays: pandas takes half a millisecond for each column of each model.
    along_x, share = rows[along].to_numpy(), rows[["value", "low", "high"]].to_numpy(float) * 100
    traces = []
    for code, name in enumerate(names):
        at = codes == code
        value, low, high = share[at].T
        color, symbol, dash = styles[str(name)]
        trace = {
            "type": "scatter",
            "x": along_x[at],
            "y": value,
            "name": model_label(str(name)),
            "mode": "lines+markers",
            "line": {"color": color, "dash": dash},
            "marker": {"symbol": symbol, "size": 9},
            "customdata": [f"{a:.1f} to {b:.1f}" for a, b in zip(low, high, strict=True)],
            "hovertemplate": "%{y:.1f} % (95 % interval %{customdata})",
        }
        bars = {"error_y": error_bar(value, low, high, color)} if len(names) <= MAX_BARS else {}
        traces.append(trace | bars)
    return traces


MAX_IN_LEGEND = 8
"""Largest number of lines that a legend alone distinguishes; with more, a few are named at the line."""

STEEP = 1.5
"""Rise or fall (in percent) of a line's last segment from which its name would cover it on one side."""

FADED = 0.4


def _single_out(figure: Figure, theme: Theme) -> Figure:
    """Name the highest and the lowest line of each panel (on average) at their right ends, and fade all others.

    A figure of up to `MAX_IN_LEGEND` lines is returned unchanged.
    """
    panels: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for trace in figure["data"]:
        lines = panels.setdefault(trace.get("xaxis", "x"), {})
        lines.setdefault(trace.get("legendgroup", trace["name"]), []).append(trace)
    if max(map(len, panels.values()), default=0) <= MAX_IN_LEGEND:
        return figure
    for lines in panels.values():
        means = {name: float(np.nanmean(np.concatenate([one["y"] for one in parts]))) for name, parts in lines.items()}
        sides = {max(means, key=means.__getitem__): "top left", min(means, key=means.__getitem__): "bottom left"}
        for name, parts in lines.items():
            if name in sides:
                parts[-1].update(_named(parts[-1], name, sides[name], theme))
            for part in parts:
                part.update({"line": part["line"] | {"width": 3}} if name in sides else {"opacity": FADED})
    return figure


def _named(trace: dict[str, Any], name: str, side: str, theme: Theme) -> dict[str, Any]:
    """Return a trace that writes ``name`` at the right end of a line: on ``side``, or where the line does not cover
    it."""
    order = np.argsort(trace["x"])
    end = int(order[-1])
    rise = float(trace["y"][end] - trace["y"][order[-2]]) if len(order) > 1 else 0.0
    if abs(rise) > STEEP:
        side = "top left" if rise > 0 else "bottom left"
    texts = [name if i == end else "" for i in range(len(trace["x"]))]
    font = {"size": 12, "color": theme.text, "weight": 600}
    return {"mode": "lines+markers+text", "text": texts, "textposition": side, "textfont": font, "cliponaxis": False}


def members_chart(points: pd.DataFrame, order: list[str], theme: Theme, chance: float | None = None) -> Figure:
    """Draw each transform where it was seen and where it was not, joined by a line, in the color of its group.

    Args:
        points: ``transform``, ``group``, ``unseen`` (bool), ``value``, ``low``, ``high``; one row for each rotation.
        order: transforms from the top.
        chance: level of guessing, as a fraction; None draws none.
    """
    order = order[::-1]
    seen = percent(points[~points["unseen"]].groupby("transform")["value"].mean().reindex(order))
    unseen = points[points["unseen"]].drop_duplicates("transform").set_index("transform").reindex(order)
    names = [escape(t) for t in order]
    colors = [theme.group(str(g)) for g in unseen["group"]]
    gaps = {
        "type": "scatter",
        "y": [n for name in names for n in (name, name, name)],
        "x": [v for pair in zip(seen, percent(unseen["value"]), strict=True) for v in (*pair, None)],
        "mode": "lines",
        "line": {"color": theme.muted, "width": 4},
        "opacity": 0.5,
        "hoverinfo": "skip",
        "showlegend": False,
    }
    dots = {
        "type": "scatter",
        "x": seen,
        "y": names,
        "name": "seen",
        "mode": "markers",
        "marker": {"color": colors, "size": 10},
        "showlegend": False,
        "hovertemplate": "%{y}, seen: %{x:.0f} %<extra></extra>",
    }
    diamonds = {
        "type": "scatter",
        "x": percent(unseen["value"]),
        "y": names,
        "name": "unseen",
        "mode": "markers",
        "marker": {"color": colors, "size": 10, "symbol": "diamond-open", "line": {"width": 2}},
        "error_x": percent_bar(unseen, theme.muted, thickness=1),
        "hovertemplate": "%{y}, unseen: %{x:.0f} %<extra></extra>",
        "showlegend": False,
    }
    unseen_sign = {"color": theme.text, "symbol": "diamond-open", "line": {"width": 2}}
    legend = [_key("seen", {"color": theme.text}), _key("unseen", unseen_sign)]
    level = [] if chance is None else [100 * chance]
    return base_figure(
        theme,
        150 + ROW * len(order),
        [gaps, dots, diamonds, *legend],
        {"title": "group recognized (%)" + ("; dotted: chance" if level else ""), "range": PERCENT},
        {"dtick": 1, "range": [-0.6, len(order) - 0.4]},
        legend=legend_below() | {"itemclick": False, "itemdoubleclick": False},
        shapes=[upright_line(at, theme.text) for at in level],
    )


def _key(name: str, marker: dict[str, Any]) -> dict[str, Any]:
    entry = {"type": "scatter", "mode": "markers", "x": [None], "y": [None], "name": escape(name)}
    return entry | {"marker": {"size": 10} | marker}


def _level(chance: float, theme: Theme, axes: Mapping[str, str] | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the line of guessing across a panel, and its words."""
    height, line = 100 * chance, chance_line(100 * chance, theme, axes)
    words = {"x": 1, "xref": line["xref"], "xanchor": "right", "y": height, "yref": line["yref"], "yanchor": "bottom"}
    words |= {"text": f"chance {in_percent(chance)}", "showarrow": False, "font": {"size": 11, "color": theme.text}}
    return line, words


PARTS = {"content": "content", "look": "look", "both": "both together", "rest": "rest"}
UNSEPARATED = "both together and rest"
"""The rest of what was measured in one repetition, which does not tell the two apart."""


def variance_chart(rows: pd.DataFrame, theme: Theme, along: str) -> Figure:
    """Draw the parts of the variance of each model or layer as one bar.

    Args:
        rows: the column ``along``, whose values name the bars from the top, ``part``, ``value``, ``low``, ``high``
            (fractions).
    """
    bars = list(dict.fromkeys(rows[along]))[::-1]
    apart = bool((rows["part"] == "both").any())
    titles = PARTS if apart else PARTS | {"rest": UNSEPARATED}
    # Another gray where it is more than the rest. Its opacity is in the color, which the legend shows, too.
    gray = f"{theme.muted}73" if apart else theme.muted
    colors = {"content": theme.accent, "look": theme.warning, "both": theme.text, "rest": gray}
    traces = []
    for part, title in titles.items():
        some = rows[rows["part"] == part].set_index(along).reindex(bars)
        if some["value"].isna().all():
            continue
        value = percent(some["value"])
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": title,
                "x": value,
                "y": [model_label(b) for b in bars] if along == "model" else [escape(b) for b in bars],
                "text": [f"{v:.0f}" if v >= 5 else "" for v in value],
                "textposition": "inside",
                "insidetextanchor": "middle",
                "textangle": 0,
                "textfont": {"color": theme.text if part == "rest" and apart else theme.background},
                "marker": {"color": colors[part]},
                "customdata": [
                    f"95 % interval {100 * low:.1f} to {100 * high:.1f}" if np.isfinite(low) else "no interval"
                    for low, high in zip(some["low"], some["high"], strict=True)
                ],
                "hovertemplate": f"%{{y}}: {title} %{{x:.1f}} % (%{{customdata}})<extra></extra>",
            }
        )
    return base_figure(
        theme,
        140 + 32 * len(bars),
        traces,
        {"title": "share of the variance (%)", "range": [0, 100]},
        {"showgrid": False},
        barmode="stack",
        bargap=0.25,
        legend=legend_below() | {"traceorder": "normal"},
    )
