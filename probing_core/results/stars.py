"""The stars of transformations of all models of a run, as `star_chart` draws them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.star import MEAN, compressed, turned
from probing_core.measures.notation import decimal, in_percent
from probing_core.results.run import Run
from probing_core.runs import layout
from probing_core.runs.recipe import load_transforms
from probing_core.transforms.base import Transform

NO_SAMPLE = -1
"""Sample of a point that no picture shows."""


def stars(run: Run) -> pd.DataFrame:
    """Return the stars of all models that have one, turned onto that of the first; empty where none has.

    The columns are those of `star_table` with ``x`` and ``y`` at the square root of their distance from the middle,
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
