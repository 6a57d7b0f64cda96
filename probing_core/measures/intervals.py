"""Intervals clustered by base photograph: all versions of a photograph are drawn, or left out, together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from probing_core.measures.statistics import ClusterSums

FEWEST_FOR_BOOTSTRAP = 20
"""Percentile bootstrap intervals cover too little with few clusters; below, a t interval over photographs."""

FEWEST_FOR_T = 6
"""With fewer photographs than this no interval is given."""

RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % interval.

    Attributes:
        value: the estimate.
        low, high: the interval; NaN where none can be given.
        method: ``bootstrap``, ``t`` or ``none``.
        clusters: how many base photographs it rests on.
    """

    value: float
    low: float
    high: float
    method: str
    clusters: int


def interval(sums: ClusterSums, *, low: float | None = None, high: float | None = None, seed: int = 0) -> Interval:
    """The interval that the number of clusters allows.

    From 20 clusters up the percentile bootstrap over clusters (Efron & Tibshirani 1993, B = 2000); from 6 a t
    interval over the clusters' own scores, around the score of all; below none.

    Args:
        low, high: bounds of the measure; an interval does not leave them.
    """
    clusters = len(sums.sums)
    if clusters < FEWEST_FOR_T:
        return without_interval(sums)
    if clusters < FEWEST_FOR_BOOTSTRAP:
        from scipy.stats import t

        spread = float(np.std(sums.score(sums.sums), ddof=1)) / np.sqrt(clusters)
        half = float(t.ppf(0.975, clusters - 1)) * spread
        bottom, top, method = sums.value - half, sums.value + half, "t"
    else:
        bottom, top = np.quantile(bootstrap(sums, seed), [0.025, 0.975])
        method = "bootstrap"
    return Interval(
        sums.value,
        float(bottom if low is None else max(low, bottom)),
        float(top if high is None else min(high, top)),
        method,
        clusters,
    )


def without_interval(sums: ClusterSums) -> Interval:
    """The estimate alone."""
    return Interval(sums.value, float("nan"), float("nan"), "none", len(sums.sums))


def bootstrap(sums: ClusterSums, seed: int = 0, resamples: int = RESAMPLES) -> np.ndarray:
    """Scores (B,) of clusters drawn with replacement; the same draws for every model of one seed."""
    return sums.score(_draws(len(sums.sums), seed, resamples) @ sums.sums)


@lru_cache(maxsize=2)
def _draws(clusters: int, seed: int, resamples: int) -> np.ndarray:
    """How often each cluster is drawn (B, C); kept, since every score of a run asks for the same."""
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples).astype(np.float64)
    drawn.flags.writeable = False
    return drawn
