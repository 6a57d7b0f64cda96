"""Two models of a run compared on the same photographs: overall, by transformation, and between seeds."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from probing_core.measures.statistics import (
    ClusterSums,
    Interval,
    PairedScores,
    difference,
    interval,
    mean_ratio,
    seed_of,
    step_down_p,
    with_place,
)
from probing_core.results.ranking import RANKING_FACTS, accuracy, of_subset, paired_p, scores_of
from probing_core.results.run_tables import RunTables

TASK = "fine"
SUBSET = "seen"

CLASS_FLIPS = 2_000
"""Number of sign flips of the tests by transformation: fewer than for the ranking, since a visitor waits."""


@dataclass(frozen=True)
class SeedSpread:
    """Accuracy of the seeds of one network, as fractions."""

    count: int
    lowest: float
    highest: float

    @property
    def width(self) -> float:
        return self.highest - self.lowest


def accuracy_difference(run: RunTables, first: str, second: str) -> Interval:
    """Return the accuracy of ``first`` minus that of ``second`` with its 95% interval, paired by photograph."""
    return accuracy(run, first, TASK, SUBSET).minus(accuracy(run, second, TASK, SUBSET))


def pairwise_p(run: RunTables) -> pd.DataFrame:
    """Return ``first``, ``second`` and the two-sided ``p`` of the difference in accuracy for all pairs of models.

    The p-values are adjusted for testing all pairs (see `probing_core.results.ranking.paired_p`). Additional seeds are
    left out.
    """
    models = with_place(scores_of(run, TASK, SUBSET).get("model", []))
    pairs = list(combinations(range(len(models)), 2))
    p = paired_p([accuracy(run, model, TASK, SUBSET) for model in models], pairs)
    return pd.DataFrame(
        {"first": [models[i] for i, _ in pairs], "second": [models[j] for _, j in pairs], "p": np.asarray(p, float)}
    )


def p_of_pair(pairs: pd.DataFrame, first: str, second: str) -> float:
    """Return the p-value of two models in either order from `pairwise_p`; NaN for a pair that was not tested."""
    wanted = {first, second}
    found = pairs.loc[pairs["first"].isin(wanted) & pairs["second"].isin(wanted), "p"]
    return float(found.iloc[0]) if len(found) and len(wanted) == 2 else np.nan


def seed_spread(run: RunTables, model: str) -> SeedSpread:
    """Return the range of accuracy over all seeds of ``model`` in the run."""
    scores = scores_of(run, TASK, SUBSET).set_index("model")["value"]
    family = {name: first or name for name, first in zip(scores.index, seed_of(list(scores.index)), strict=True)}
    values = [value for name, value in scores.items() if family[name] == family[model]]
    return SeedSpread(len(values), float(min(values)), float(max(values)))


def recall_differences(run: RunTables, first: str, second: str, flips: int = CLASS_FLIPS) -> pd.DataFrame:
    """Return the recall of each transformation by two models, paired by photograph, the largest difference first.

    Columns: ``transform``, ``group``, ``first`` and ``second`` (recall of each model), ``difference`` with its 95%
    interval ``low`` to ``high``, and ``p``, two-sided and adjusted for testing all transformations (`step_down_p`).
    """
    sides = [_hits(run, model) for model in (first, second)]
    if any(side.empty for side in sides):
        return pd.DataFrame(columns=["transform", "group", "first", "second", "difference", "low", "high", "p"])
    named = [side.add_suffix(f"_{name}") for side, name in zip(sides, ("first", "second"), strict=True)]
    both = named[0].join(named[1], how="inner")
    bases = both.index.get_level_values("base_id").unique().sort_values()
    group = run.transforms.set_index("transform")["group"]
    rows, scores = [], []
    for transform, own in both.droplevel("truth").groupby(both.index.get_level_values("truth"), sort=False):
        one, two = (_recall(own[[f"hits_{side}", f"samples_{side}"]]) for side in ("first", "second"))
        found = interval(difference(one, two), low=-1, high=1)
        rows.append(
            {
                "transform": transform,
                "group": group.get(transform, ""),
                "first": one.value,
                "second": two.value,
                "difference": found.value,
                "low": found.low,
                "high": found.high,
            }
        )
        for sums in (one, two):
            share = pd.Series(sums.sums[:, 0] / sums.sums[:, 1].sum(), index=own.index)
            scores.append(share.reindex(bases, fill_value=0.0).to_numpy())
    pairs = np.arange(len(scores)).reshape(-1, 2)
    p = step_down_p([PairedScores(np.arange(len(bases)), np.stack(scores, axis=1), pairs)], flips=flips)
    table = pd.DataFrame(rows).assign(p=p)
    return table.sort_values("difference", key=lambda d: -d.abs(), kind="stable", ignore_index=True)


def _hits(run: RunTables, model: str) -> pd.DataFrame:
    """Return ``hits`` and ``samples`` by ``truth`` and ``base_id``."""
    predictions = run.predictions(model, TASK, RANKING_FACTS)
    if predictions.empty:
        return predictions
    rows = of_subset(predictions, SUBSET, run.far)
    keys = [rows["truth"].astype(str), rows["base_id"].astype(str)]
    return pd.DataFrame(rows["correct"].groupby(keys, sort=True).agg(hits="sum", samples="size").astype(float))


def _recall(side: pd.DataFrame) -> ClusterSums:
    return ClusterSums(side.to_numpy(), lambda totals: mean_ratio(totals[..., :1], totals[..., 1:]))
