"""The stars of transformations of all models of a run, as `star_chart` draws them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.star import MEAN, compressed, offsets_of_one, turn_onto, turned
from probing_core.measures.notation import decimal, in_percent
from probing_core.results.run import Run
from probing_core.run import layout
from probing_core.run.recipe import load_transforms
from probing_core.transforms.base import Transform

NO_SAMPLE = -1
"""Sample of a point that no picture shows."""

ABOUT = (
    "The middle is the untouched picture. Each line leads from weak to strong, the dot is the mean. How far a point "
    "lies from the middle is how far the transformation moves embeddings on average, in percent of the distance "
    "between two photographs (rings, spaced by square roots). The axes are the first two principal components of the "
    "mean offsets; the title says which share of their spread they show. Panels are turned onto the first model's."
)

YOURS, AVERAGE = "your picture", "photographs on average"
"""Panels of `own_star`."""


def stars(run: Run) -> pd.DataFrame:
    """Return the stars of all models that have one, turned onto that of the first; empty where none has.

    The columns are those of `Star.table` with ``x`` and ``y`` at the square root of their distance from the middle,
    and ``model``, ``group``, ``hover`` (the text beside the pointer) and ``sample`` (a tested picture of about this
    strength).
    """
    tables = {model: run.table(layout.star_path(model)) for model in run.models["name"]}
    tables = {model: table for model, table in tables.items() if len(table)}
    if not tables:
        return pd.DataFrame()
    table = turned(pd.concat([star.assign(model=model) for model, star in tables.items()], ignore_index=True))
    x, y = compressed(table[["x", "y"]].to_numpy()).T
    groups = dict(zip(run.transforms["transform"], run.transforms["group"], strict=True))
    table = table.assign(x=x, y=y, group=table["transform"].map(groups), hover=_hovers(run, table))
    steps = table.drop_duplicates(["transform", "step"])[["transform", "step", "strength"]]
    found = steps.assign(sample=_examples(run, steps))[["transform", "step", "sample"]]
    order = {name: place for place, name in enumerate(run.transforms["transform"])}
    table = table.merge(found, on=["transform", "step"], how="left")
    return table.sort_values(["model", "transform"], key=lambda c: c.map(order | _places(table)), kind="stable")


def middle_strengths(run: Run, model: str) -> dict[str, float]:
    """Return the median strength of each transformation that the star of ``model`` has, in the order of the bank;
    NaN of one without strengths. Empty where the run has no star of it."""
    table = run.table(layout.star_path(model))
    if table.empty or not run.store.has(layout.star_axes_path(model)):
        return {}
    means = table[table["step"] == MEAN].set_index("transform")["strength"]
    return {name: float(means[name]) for name in run.transforms["transform"] if name in means.index}


def own_star(run: Run, every: pd.DataFrame, model: str, before: np.ndarray, after: np.ndarray) -> pd.DataFrame:
    """Return the star of one picture beside that of the run's photographs, as `star_chart` draws them.

    Args:
        every: of `stars`.
        model: one that has a star.
        before, after: (K, D) its embeddings of the views without and with each transformation of `middle_strengths`.

    Returns:
        The columns of `stars`, in which ``model`` is `YOURS` or `AVERAGE`, turned as that of the run; and ``value``,
        ``ratio`` (of a length of the picture's to the mean length of single photographs'; NaN of the average).
    """
    average = every[every["model"] == model].drop_duplicates(["transform", "step"])
    raw = run.table(layout.star_path(model)).merge(
        average[["transform", "step", "x", "y"]], on=["transform", "step"], suffixes=("_raw", "")
    )
    turn = turn_onto(compressed(raw[["x_raw", "y_raw"]].to_numpy()), raw[["x", "y"]].to_numpy())
    arrays = run.store.read_arrays(layout.star_axes_path(model))
    names = list(middle_strengths(run, model))
    average_of = average[average["step"] == MEAN].set_index("transform").loc[names]
    mine = offsets_of_one(before, after, arrays["axes"], float(arrays["unit"][0]))
    shown = float((mine[["x", "y"]].to_numpy() ** 2).sum() / max(float((mine["value"] ** 2).sum()), 1e-12))
    x, y = compressed(mine[["x", "y"]].to_numpy() @ turn).T
    mine = mine.assign(x=x, y=y, transform=names, step=MEAN, model=YOURS, sample=NO_SAMPLE, share=shown)
    mine = mine.assign(
        group=average_of["group"].to_numpy(), ratio=mine["value"].to_numpy() / average_of["single"].to_numpy()
    )
    mine["hover"] = [
        f"{name}: moves your picture by {in_percent(value)} of the distance between two photographs, "
        f"{decimal(ratio, 2)} times as far as a photograph on average"
        for name, value, ratio in zip(names, mine["value"], mine["ratio"], strict=True)
    ]
    return pd.concat([mine, average.assign(model=AVERAGE)], ignore_index=True)


def _places(table: pd.DataFrame) -> dict[str, int]:
    return {model: place for place, model in enumerate(table["model"].unique())}


def _hovers(run: Run, table: pd.DataFrame) -> list[str]:
    by_name = {t.name: t for t in load_transforms(run.recipe)}
    return [_hover(row, by_name[row["transform"]]) for row in table.to_dict("records")]


def _hover(row: dict[Any, Any], transform: Transform) -> str:
    at = f"{transform.parameter} {decimal(row['strength'])} {transform.unit}".strip()
    which = "mean over its strengths" if row["step"] == MEAN else at
    between = f" ({in_percent(row['low'])} to {in_percent(row['high'])})" if np.isfinite(row["low"]) else ""
    moved = f"moved by {in_percent(row['value'])}{between} of the distance between two photographs"
    return f"{transform.name}, {which}: {moved}"


def _examples(run: Run, steps: pd.DataFrame) -> np.ndarray:
    """Return for each of ``steps`` (``transform``, ``strength``) the tested sample of the nearest strength."""
    samples = run.sample_columns("transform", "split", "strength")
    strengths, tested = samples["strength"].to_numpy(np.float64), (samples["split"] == "test").to_numpy()
    tested = tested if tested.any() else np.ones(len(samples), bool)
    there: dict[Any, Any] = samples.groupby("transform", observed=True).indices
    found = []
    for name, strength in zip(steps["transform"], steps["strength"], strict=True):
        rows = np.asarray(there.get(name, ()), np.int64)
        rows = rows[tested[rows]]
        apart = np.nan_to_num(np.abs(strengths[rows] - strength))
        found.append(int(rows[apart.argmin()]) if len(rows) else NO_SAMPLE)
    return np.array(found, np.int64)
