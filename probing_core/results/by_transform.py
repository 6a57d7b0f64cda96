"""Recall and detection thresholds for all transformations and models."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import pandas as pd

from probing_core.errors import UnknownName
from probing_core.measures.statistics import SIGNIFICANCE
from probing_core.results.ranking import encoders_of
from probing_core.results.run_tables import RunTables
from probing_core.results.summaries import recalls
from probing_core.run import layout
from probing_core.transforms.transformation import Transform


def recall_by_model(run: RunTables) -> pd.DataFrame:
    """Return the recall of each transformation in the fine task, by model.

    Returns:
        Table with the columns ``transform``, ``model``, ``value``, ``low``, ``high`` and ``bases`` (number of
        photographs).
    """
    return _columns(recalls(run.scores, "transform"), "transform")


def recall_by_group(run: RunTables) -> pd.DataFrame:
    """Return the recall of each group in the fine task (mean over its transformations), by model.

    Returns:
        Table with the columns ``group``, ``model``, ``value``, ``low``, ``high`` and ``bases``.
    """
    return _columns(recalls(run.scores, "group"), "group")


def _columns(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    return rows if rows.empty else rows[[column, "model", "value", "low", "high", "bases"]].reset_index(drop=True)


def thresholds_by_model(run: RunTables) -> pd.DataFrame:
    """Return the detection thresholds of all models, in absolute and relative units.

    Returns:
        Table with the columns ``transform``, ``model``, ``value``, ``low`` and ``high`` (in the unit of the
        transformation), ``bases`` (number of photographs), ``censored`` (``above`` if the transformation is not
        detected at any strength, ``below`` if it is detected at all strengths) and ``relative`` (see
        `relative_strength`). ``relative`` is 1 if the transformation is not detected, and NaN if the transformation is
        not registered.
    """
    rows = run.table(layout.table_path("thresholds"))
    if rows.empty:
        return rows
    relative = [_relative(name, value) for name, value in zip(rows["transform"], rows["threshold"], strict=True)]
    rows = rows.rename(columns={"threshold": "value"}).assign(relative=relative)
    rows.loc[rows["censored"] == "above", "relative"] = 1.0
    return rows[["transform", "model", "value", "low", "high", "bases", "censored", "relative"]]


def _relative(name: str, strength: float) -> float:
    from probing_core.transforms import resolve

    try:
        return relative_strength(resolve(name), strength)
    except UnknownName:
        return np.nan


def relative_strength(transform: Transform, strength: float) -> float:
    """Map a strength to a scale from 0 (neutral strength) to 1 (strongest value in training).

    If there is no neutral strength, 0 is the weakest value in training. Results are clipped to the range from 0 to 1.
    """
    zero = transform.weakest if transform.neutral is None else transform.neutral
    return float(np.clip((strength - zero) / (transform.strongest - zero), 0, 1))


def hardest_first(run: RunTables, rows: pd.DataFrame, column: str, descending: bool) -> list[str]:
    """Sort groups by mean difficulty, and the transformations in each group by difficulty, hardest first.

    Args:
        run: run that contains the groups of the transformations.
        rows: table with the columns ``transform``, ``model`` and ``column``.
        column: column whose median over encoders determines the difficulty.
        descending: whether larger values mean higher difficulty.
    """
    medians = encoders_of(rows).groupby("transform")[column].median()
    medians = -medians if descending else medians
    facts = run.transforms.set_index("transform")["group"].reindex(medians.index)
    by_group = medians.groupby(facts).mean()
    table = pd.DataFrame({"group": facts, "value": medians, "of_group": facts.map(by_group)})
    return list(table.sort_values(["of_group", "group", "value"], kind="stable").index)


def level_of_thresholds(rows: pd.DataFrame, comparisons: int = 0) -> pd.Series:
    """Return whether each threshold is the lowest of its transformation, or not significantly above the lowest.

    Transformations that a model detects at all strengths have the lowest threshold. Undetected ones are never marked.

    Args:
        rows: rows of `thresholds_by_model`.
        comparisons: see `level_with_best`.
    """
    falling = rows["transform"].map({name: _is_falling(name) for name in rows["transform"].unique()})
    ends = ("value", "low", "high")
    signed = rows.assign(**{name: rows[name].where(~falling, -rows[name]) for name in ends})
    level = level_with_best(signed, "transform", smallest=True, comparisons=comparisons)
    return level & (rows["censored"] != "above")


def _is_falling(name: str) -> bool:
    from probing_core.transforms import resolve

    try:
        return resolve(name).falling
    except UnknownName:  # the plug-in that defines it is not loaded
        return False


def lower_threshold(rows: pd.DataFrame) -> pd.Series:
    """Return the model with the significantly lower threshold for each transformation, or an empty string.

    Args:
        rows: rows of `thresholds_by_model` for two models.
    """
    transforms = rows["transform"].unique()
    level = rows.assign(level=level_of_thresholds(rows, len(transforms)))
    counts = level.groupby("transform")["level"].sum()
    winner = level[level["level"]].drop_duplicates("transform").set_index("transform")["model"]
    return winner.where(counts == 1, "").reindex(transforms).fillna("")


def level_with_best(
    rows: pd.DataFrame, index: str, value: str = "value", smallest: bool = False, comparisons: int = 0
) -> pd.Series:
    """Return whether each model is the best in its row, or not significantly different from the best.

    The interval of the difference from the best model is computed from the intervals of both models (Newcombe 1998,
    method 10; Zou & Donner 2008), at a level of 5% for all comparisons (Bonferroni). The method treats models
    as independent, so it is conservative for models that were tested on the same photographs. Models without an
    interval are only compared by their values.

    Args:
        rows: table with the columns ``index``, ``value``, ``low`` and ``high``.
        index: column that identifies the row.
        value: column with the values.
        smallest: whether the smallest value is the best.
        comparisons: number of comparisons, by default those in a row.
    """
    sign, quantile = -1 if smallest else 1, NormalDist().inv_cdf
    middle = sign * rows[value].to_numpy(float)
    ends = np.sort(sign * rows[["low", "high"]].to_numpy(float), axis=1)
    low, high = (np.where(np.isfinite(end), end, middle) for end in ends.T)
    level = pd.Series(False, rows.index)
    for row in rows.groupby(index, sort=False).indices.values():
        places = np.asarray(row)
        if not np.isfinite(middle[places]).any():
            continue
        best = places[np.nanargmax(middle[places])]
        tests = comparisons or max(1, len(places) - 1)
        widening = quantile(1 - SIGNIFICANCE / (2 * tests)) / quantile(1 - SIGNIFICANCE / 2)
        half = widening * np.hypot(middle[best] - low[best], high[places] - middle[places])
        level.iloc[places] = middle[best] - middle[places] <= half
    return level


def matrix(
    rows: pd.DataFrame, column: str, names: Sequence[str], models: Sequence[str], index: str = "transform"
) -> pd.DataFrame:
    """Pivot ``column`` into a table with ``names`` (values of ``index``) as rows and ``models`` as columns."""
    table = rows.pivot(index=index, columns="model", values=column)
    return table.reindex(index=list(names), columns=list(models))
