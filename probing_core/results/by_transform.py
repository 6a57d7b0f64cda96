"""Recall and detection thresholds for all transformations and models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from probing_core.errors import UnknownName
from probing_core.results.ranking import encoders_of
from probing_core.results.run_tables import RunTables
from probing_core.results.summaries import recalls
from probing_core.run import layout
from probing_core.transforms.transformation import Transform


def recall_by_model(run: RunTables) -> pd.DataFrame:
    """Return the recall of each transformation in the fine task, by model.

    Returns:
        Table with the columns ``transform``, ``model``, ``value``, ``low`` and ``high``.
    """
    return _columns(recalls(run.scores, "transform"), "transform")


def recall_by_group(run: RunTables) -> pd.DataFrame:
    """Return the recall of each group in the fine task (mean over its transformations), by model.

    Returns:
        Table with the columns ``group``, ``model``, ``value``, ``low`` and ``high``.
    """
    return _columns(recalls(run.scores, "group"), "group")


def _columns(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    return rows if rows.empty else rows[[column, "model", "value", "low", "high"]].reset_index(drop=True)


def thresholds_by_model(run: RunTables) -> pd.DataFrame:
    """Return the detection thresholds of all models, in absolute and relative units.

    Returns:
        Table with the columns ``transform``, ``model``, ``value``, ``low`` and ``high`` (in the unit of the
        transformation), ``censored`` (``above`` if the transformation is not detected at any strength, ``below`` if it
        is detected at all strengths) and ``relative`` (see `relative_strength`). ``relative`` is 1 if the
        transformation is not detected, and NaN if the transformation is not registered.
    """
    rows = run.table(layout.table_path("thresholds"))
    if rows.empty:
        return rows
    relative = [_relative(name, value) for name, value in zip(rows["transform"], rows["threshold"], strict=True)]
    rows = rows.rename(columns={"threshold": "value"}).assign(relative=relative)
    rows.loc[rows["censored"] == "above", "relative"] = 1.0
    return rows[["transform", "model", "value", "low", "high", "censored", "relative"]]


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


def matrix(
    rows: pd.DataFrame, column: str, names: Sequence[str], models: Sequence[str], index: str = "transform"
) -> pd.DataFrame:
    """Pivot ``column`` into a table with ``names`` (values of ``index``) as rows and ``models`` as columns."""
    table = rows.pivot(index=index, columns="model", values=column)
    return table.reindex(index=list(names), columns=list(models))
