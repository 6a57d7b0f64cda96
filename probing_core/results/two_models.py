"""Compare two models of a run on the same photographs, overall and by transformation."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from probing_core.compute.task_names import FINE
from probing_core.measures.statistics import (
    Interval,
    mean,
    pooled_deviation,
    seed_of,
    seeds_difference,
    with_place,
)
from probing_core.results.ranking import (
    RANKING_FACTS,
    AccuracySums,
    accuracy,
    accuracy_of,
    of_subset,
    paired_p,
    scores_of,
)
from probing_core.results.run_tables import RunTables
from probing_core.run import layout

SUBSET = "seen"

CLASS_FLIPS = 2_000
"""Number of sign flips for tests by transformation. It is smaller than for the ranking, to save time."""


@dataclass(frozen=True)
class SeedDifference:
    """Difference in accuracy between two models over their seeds.

    Attributes:
        value: mean difference over seeds.
        low, high: 95% CI over training runs.
        p: two-sided p-value over training runs.
        runs: number of training runs of the model that was trained less often.
    """

    value: float
    low: float
    high: float
    p: float
    runs: int


def accuracy_difference(run: RunTables, first: str, second: str) -> Interval:
    """Return the accuracy of ``first`` minus the accuracy of ``second`` with its 95% CI, paired by photograph."""
    return accuracy(run, first, FINE, SUBSET).minus(accuracy(run, second, FINE, SUBSET))


def pairwise_p(run: RunTables) -> pd.DataFrame:
    """Test the difference in accuracy for all pairs of models. Additional seeds are excluded.

    Returns:
        Table with the columns ``first``, ``second`` and ``p`` (two-sided, adjusted for testing all pairs, see
        `probing_core.results.ranking.paired_p`).
    """
    if pairwise_p not in run.memo:
        models = with_place(scores_of(run, FINE, SUBSET).get("model", []))
        pairs = list(combinations(range(len(models)), 2))
        p = paired_p([accuracy(run, model, FINE, SUBSET) for model in models], pairs)
        run.memo[pairwise_p] = pd.DataFrame(
            {"first": [models[i] for i, _ in pairs], "second": [models[j] for _, j in pairs], "p": np.asarray(p, float)}
        )
    return run.memo[pairwise_p].copy()


def p_of_pair(pairs: pd.DataFrame, first: str, second: str) -> float:
    """Return the p-value for two models in either order, or NaN if the pair was not tested.

    Args:
        pairs: result of `pairwise_p`.
    """
    pair = {first, second}
    p_values = pairs.loc[pairs["first"].isin(pair) & pairs["second"].isin(pair), "p"]
    return float(p_values.iloc[0]) if len(p_values) and len(pair) == 2 else np.nan


def _by_family(run: RunTables) -> dict[str, list[float]]:
    scores = scores_of(run, FINE, SUBSET).set_index("model")["value"]
    families: dict[str, list[float]] = {}
    for name, first in zip(scores.index, seed_of(list(scores.index)), strict=True):
        families.setdefault(first or name, []).append(float(scores[name]))
    return families


def _family_of(run: RunTables, model: str) -> str:
    names = list(scores_of(run, FINE, SUBSET)["model"])
    return dict(zip(names, seed_of(names), strict=True))[model] or model


def difference_over_seeds(run: RunTables, first: str, second: str) -> SeedDifference:
    """Return the mean difference in accuracy over seeds, with the 95% CI and p-value over training runs.

    The variance between seeds is pooled over all networks of the run. The interval and p are NaN if one of the two
    models has a single seed.
    """
    families = _by_family(run)
    pair = [families[_family_of(run, model)] for model in (first, second)]
    value = float(np.mean(pair[0]) - np.mean(pair[1]))
    runs = min(map(len, pair))
    if runs < 2:
        return SeedDifference(value, np.nan, np.nan, np.nan, runs)
    deviation, freedom = pooled_deviation(list(families.values()))
    return SeedDifference(value, *seeds_difference(pair[0], pair[1], deviation, freedom), runs)


def task_differences(run: RunTables, first: str, second: str) -> pd.DataFrame:
    """Compare two models on each task in ``tables/uses.parquet``, paired by photograph.

    Returns:
        Table with the columns ``use``, ``first`` and ``second`` (scores), ``difference``, ``low`` and ``high`` (95% CI)
        and ``p`` (two-sided, adjusted for testing all tasks).
    """
    rows = run.table(layout.table_path("uses"))
    sums: list[AccuracySums] = []
    table = []
    for use, of_use in rows.groupby("use", sort=False) if len(rows) else ():
        sides = [of_use[of_use["model"] == model] for model in (first, second)]
        if not all(map(len, sides)):
            continue
        pair = [
            AccuracySums(np.asarray(bases, str), (mean(side["value"].to_numpy(float), base),))
            for side in sides
            for base, bases in [pd.factorize(side["base_id"], sort=True)]
        ]
        pair = list(pair[0].shared_with(pair[1]))
        gap = pair[0].minus(pair[1], CLASS_FLIPS)
        table.append((use, pair[0].sums.value, pair[1].sums.value, gap.value, gap.low, gap.high))
        sums += pair
    columns = ["use", "first", "second", "difference", "low", "high"]
    p = paired_p(sums, [(i, i + 1) for i in range(0, len(sums), 2)], CLASS_FLIPS) if sums else np.empty(0)
    return pd.DataFrame(table, columns=columns).assign(p=p)


def recall_differences(run: RunTables, first: str, second: str, flips: int = CLASS_FLIPS) -> pd.DataFrame:
    """Compare the recall of each transformation between two models, paired by photograph.

    Returns:
        Table with the columns ``transform``, ``group``, ``first`` and ``second`` (recall of each model),
        ``difference``, ``low`` and ``high`` (95% CI) and ``p`` (two-sided, adjusted for testing all transformations,
        see `paired_p`), sorted by absolute difference in descending order.
    """
    columns = ["transform", "group", "first", "second", "difference", "low", "high"]
    sides = [_sums_by_transform(run, model) for model in (first, second)]
    shared = {name: first_sums.shared_with(sides[1][name]) for name, first_sums in sides[0].items() if name in sides[1]}
    shared = {name: pair for name, pair in shared.items() if len(pair[0].bases)}
    group = run.transforms.set_index("transform")["group"]
    rows = []
    for transform, (first_sums, second_sums) in shared.items():
        gap = first_sums.minus(second_sums, flips)
        rows.append(
            (
                transform,
                group.get(transform, ""),
                first_sums.sums.value,
                second_sums.sums.value,
                gap.value,
                gap.low,
                gap.high,
            )
        )
    sums = [side for pair in shared.values() for side in pair]
    p = paired_p(sums, [(i, i + 1) for i in range(0, len(sums), 2)], flips)
    table = pd.DataFrame(rows, columns=columns).assign(p=p)
    return table.sort_values("difference", key=lambda d: -d.abs(), kind="stable", ignore_index=True)


def _sums_by_transform(run: RunTables, model: str) -> dict[str, AccuracySums]:
    """Return the sums by photograph for the recall of each transformation."""
    predictions = run.predictions(model, FINE, RANKING_FACTS)
    if predictions.empty:
        return {}
    rows = of_subset(predictions, SUBSET, run.far)
    return {str(name): accuracy_of(transform_rows) for name, transform_rows in rows.groupby("truth", observed=True)}
