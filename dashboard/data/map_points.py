"""The points of the maps as tables: positions, colors, and how many samples a figure can hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dashboard.data import cache
from probing_core.charts import Theme
from probing_core.charts.maps import category_styles
from probing_core.compute.series import positions_of
from probing_core.results import Run
from probing_core.run.recipe import load_transforms

COLORINGS = ("group", "transform", "label", "correct", "strength")
COLORING_NAMES = {"transform": "transformation", "label": "content", "correct": "right or wrong"}
"""Names on the page of those colorings whose names in the address are too short."""

MAX_COLORED_LABELS, OTHERS = 7, "all others"
"""Number of labels of the content with a color each, and the name of all others."""

MAX_POINTS_ON_ONE_MAP = 12_000
"""Points that Plotly draws on a single map; with more, a lasso is slow."""

MAX_POINTS_ON_SEVERAL_MAPS = 6_000
"""Points that Plotly draws on several maps together: each panel is smaller, and several cost more to draw."""

STRONGEST = 254
"""Code of the strongest strength of a transformation; the weakest has 0."""


def points_by_group(run: Run, models: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return for each of ``models``, which must have a map, up to `most_samples` of its points.

    The columns are those of `cache.placed_samples`, and ``category``, the group.
    """
    most = most_samples(len(models))
    rows = {model: cache.placed_samples(run, model, most) for model in models}
    return {model: table.assign(category=table["group"]) for model, table in rows.items()}


def _positions(run: Run, rows: pd.DataFrame) -> np.ndarray:
    """Return the position of each sample in the range of its transformation, (n,): 0 weakest, 1 strongest.

    The strongest strength of some transformations is the smallest number.
    """
    by_name = {t.name: t for t in load_transforms(run.recipe)}
    found = np.zeros(len(rows))
    for name, at in rows.groupby("transform").indices.items():
        strengths = rows["strength"].to_numpy(np.float64)[at]
        found[at] = np.nan_to_num(positions_of(by_name[str(name)], strengths))
    return found


def most_samples(maps: int) -> int:
    """Return how many samples Plotly draws on each map of a figure with ``maps`` maps."""
    return MAX_POINTS_ON_ONE_MAP if maps == 1 else MAX_POINTS_ON_SEVERAL_MAPS // maps


def codes_of(run: Run, model: str, coloring: str) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the categories of ``coloring``, and their codes (N,) ``uint8`` for all samples on the map of ``model``.

    A strength has no categories: its codes run from 0 to `STRONGEST`.
    """
    if coloring == "strength":
        rows = run.sample_columns("transform", "strength")
        return (), np.rint(STRONGEST * _positions(run, rows)).astype(np.uint8)
    if coloring == "correct":
        codes = np.full(run.sample_count, 2, np.uint8)
        tested = cache.predictions(run, model, "fine")
        if len(tested):
            codes[tested["sample"]] = np.where(tested["correct"], 0, 1)
        return ("right", "wrong", "not tested"), codes
    column = run.sample_columns(coloring)[coloring]
    if coloring == "label":
        column = most_frequent(column.astype("str"))
        names = sorted(set(column), key=lambda name: (name == OTHERS, name))
    else:
        names = list(dict.fromkeys(run.transforms[coloring]))
    return tuple(names), pd.Categorical(column, names).codes.astype(np.uint8)


@dataclass(frozen=True)
class Palette:
    """Colors of the points of a large map.

    Attributes:
        coloring: one of `COLORINGS`.
        names: names of the codes; empty where the codes are amounts.
        colors: colors of the codes, as #rrggbb.
        unit: unit of the amounts.
    """

    coloring: str
    names: tuple[str, ...]
    colors: list[str]
    unit: str = ""


def palette_of(run: Run, coloring: str, model: str, theme: Theme | None = None) -> Palette:
    """Return the colors of the codes of `codes_of`, which are the same for all models, in ``theme`` or the page's."""
    theme = theme or cache.theme()
    if coloring == "strength":
        return Palette(coloring, (), _scale(theme.dark), "strength within its<br>transformation (%)")
    names, _ = cache.computed(run, codes_of, model, coloring)
    colors = _colors_of(run, coloring, names, theme)
    return Palette(coloring, names, [colors[name] for name in names])


def _scale(dark: bool) -> list[str]:
    """Return the color of each strength from 0 to `STRONGEST`."""
    from plotly.colors import get_colorscale

    stops = get_colorscale("Viridis" if dark else "Cividis")
    places = np.linspace(0, 1, STRONGEST + 1)
    known = np.array([[int(color[i : i + 2], 16) for i in (1, 3, 5)] for _, color in stops])
    channels = [np.interp(places, [place for place, _ in stops], channel) for channel in known.T]
    return ["#" + "".join(f"{round(value):02x}" for value in color) for color in zip(*channels, strict=True)]


def _colors_of(run: Run, coloring: str, names: Sequence[str], theme: Theme) -> dict[str, str]:
    """Return the color of each of the ``names`` of a coloring by categories."""
    if coloring == "group":
        return {group: theme.group(group) for group in names}
    if coloring == "correct":
        return {"right": theme.accent, "wrong": theme.warning, "not tested": theme.muted}
    if coloring == "transform":
        styles = theme.members(list(run.transforms["transform"]), list(run.transforms["group"]))
    else:
        styles = category_styles([name for name in names if name != OTHERS], theme)
    return {name: color for name, (color, _) in styles.items()} | {OTHERS: theme.muted}


def most_frequent(labels: pd.Series) -> pd.Series:
    """Return ``labels`` with all but the `MAX_COLORED_LABELS` most frequent replaced by `OTHERS`.

    A reader cannot distinguish more colors.
    """
    frequent = labels.value_counts().index[:MAX_COLORED_LABELS]
    return labels.where(labels.isin(frequent), OTHERS) if labels.nunique() > MAX_COLORED_LABELS + 1 else labels
