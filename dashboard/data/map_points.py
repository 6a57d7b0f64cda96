"""The points of the maps as tables: where each sample lies, what colors it, and how many a figure can hold."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import numpy as np
import pandas as pd

from dashboard.data import cache
from probing_core.charts.maps import Styles, category_styles
from probing_core.charts.theme import SYMBOLS
from probing_core.results import Run
from probing_core.runs.samples import load_transforms
from probing_core.runs.series import positions_of

COLORINGS = ("group", "transform", "label", "correct", "strength")
COLORING_NAMES = {"transform": "transformation", "label": "content", "correct": "right or wrong"}
"""What the page calls those whose name in the address is too short."""

MOST_LABELS, OTHERS = 7, "all others"
"""Labels of the content that have a color each, and what the rest are called."""

MOST_POINTS = 12_000
"""On a single map: more make a lasso slow."""

MOST_ON_SEVERAL = 6_000
"""Over all maps of a figure with several: a panel for each has less room, and costs more to draw."""


def points_of(run: Run, models: Sequence[str], coloring: str) -> pd.DataFrame:
    """Every point of the maps of ``models``, which must have one: the columns of `data.placed_samples`, and a
    ``category`` or an ``amount`` by ``coloring``."""
    tables = []
    for model in models:
        rows = cache.placed_samples(run, model)
        assert rows is not None
        if coloring == "correct":
            tested = cache.predictions(run, model, "fine")
            right = rows["sample"].map(tested.set_index("sample")["correct"]) if not tested.empty else None
            category = "not tested" if right is None else right.map({True: "right", False: "wrong"})
            rows = rows.assign(category=category).fillna({"category": "not tested"})
        elif coloring == "strength":
            rows = rows.assign(amount=100 * _positions(run, rows))
        else:
            rows = rows.assign(category=most_frequent(rows[coloring]) if coloring == "label" else rows[coloring])
        tables.append(rows)
    return pd.concat(tables, ignore_index=True)


def _positions(run: Run, rows: pd.DataFrame) -> np.ndarray:
    """(n,) how strong each sample is: 0 the weakest strength of its transformation, 1 the strongest, which for some is
    the smallest number."""
    by_name = {t.name: t for t in load_transforms(run.recipe)}
    found = np.zeros(len(rows))
    for name, at in rows.groupby("transform").indices.items():
        strengths = rows["strength"].to_numpy(np.float64)[at]
        found[at] = np.nan_to_num(positions_of(by_name[str(name)], strengths))
    return found


def most_samples(maps: int) -> int:
    """How many samples a figure with so many maps shows in each."""
    return MOST_POINTS if maps == 1 else MOST_ON_SEVERAL // maps


def thin(points: pd.DataFrame, selected: Sequence[int], maps: int) -> pd.DataFrame:
    """At most `most_samples` in each map, evenly, the same in all; selected ones always stay."""
    samples = np.unique(points["sample"])
    limit = most_samples(maps)
    if len(samples) <= limit:
        return points
    # Drawn at random, but always alike: no sample that comes every n-th (a transform) is lost as a whole.
    drawn = np.random.default_rng(0).choice(samples, limit, replace=False)
    return points[np.isin(points["sample"], [*drawn, *selected])].reset_index(drop=True)


def panels(points: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Model -> its points."""
    return {str(model): rows for model, rows in points.groupby("model", sort=False)}


def styles_of(run: Run, coloring: str, points: pd.DataFrame) -> tuple[Styles | None, str]:
    """Styles of the categories, and the unit of the color bar, for `map_chart`."""
    theme = cache.theme()
    if coloring == "strength":
        return None, "strength within its<br>transformation (%)"
    if coloring == "transform":
        return theme.members(list(run.transforms["transform"]), list(run.transforms["group"])), ""
    if coloring == "group":
        groups = dict.fromkeys(run.transforms["group"])
        # Some colors are the same to many people, so groups have symbols, too; stars are pictures from outside.
        symbols = cycle(symbol for symbol in SYMBOLS if symbol != "star")
        return {group: (theme.group(group), symbol) for group, symbol in zip(groups, symbols, strict=False)}, ""
    if coloring == "correct":
        known = {"right": (theme.accent, "circle"), "wrong": (theme.warning, "x"), "not tested": (theme.muted, "cross")}
        return known, ""
    there = points["category"]
    styles = category_styles(sorted(set(there) - {OTHERS}), theme)
    return styles | ({OTHERS: (theme.muted, "circle")} if (there == OTHERS).any() else {}), ""


def most_frequent(labels: pd.Series) -> pd.Series:
    """``labels``, all but the `MOST_LABELS` most frequent as one: nobody can follow more colors."""
    frequent = labels.value_counts().index[:MOST_LABELS]
    return labels.where(labels.isin(frequent), OTHERS) if labels.nunique() > MOST_LABELS + 1 else labels
