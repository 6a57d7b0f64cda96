"""Intervals clustered by base photograph: all versions of a photograph are drawn, or left out, together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from probing_core.measures.cluster_sums import ClusterSums

MIN_CLUSTERS_FOR_BOOTSTRAP = 20
"""Percentile bootstrap intervals cover too little with few clusters; below, a t interval over photographs."""

MIN_CLUSTERS_FOR_T = 6
"""With fewer photographs than this no interval is given."""

MIN_CONTRADICTING_CLUSTERS = 5.0
"""Where fewer photographs than this contradict a rate of 0 or 1, their resamples vary too little for a bootstrap."""

RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % interval.

    Attributes:
        value: the estimate.
        low, high: the interval; NaN where none can be given.
        method: ``bootstrap``, ``t``, ``wilson`` or ``none``.
        clusters: how many base photographs it rests on.
    """

    value: float
    low: float
    high: float
    method: str
    clusters: int

    @property
    def columns(self) -> dict[str, Any]:
        """``value``, ``low``, ``high``, ``interval``, ``bases``: the columns of a table of scores."""
        about = {"value": self.value, "low": self.low, "high": self.high}
        return about | {"interval": self.method, "bases": self.clusters}


def interval(sums: ClusterSums, *, low: float | None = None, high: float | None = None) -> Interval:
    """Return the interval that the number of clusters allows.

    From 20 clusters up the percentile bootstrap over clusters (Efron & Tibshirani 1993, B = 2000); from 6 a t
    interval over the clusters' own scores, around the score of all; below none. Both claim too much certainty next to
    a bound of the measure, and all of it at the bound: there it is Wilson's interval.

    Args:
        low: lower bound of the measure, which the interval does not leave.
        high: upper bound, likewise.
    """
    clusters = len(sums.sums)
    if clusters < MIN_CLUSTERS_FOR_T:
        return without_interval(sums)
    if clusters < MIN_CLUSTERS_FOR_BOOTSTRAP:
        spread = float(np.std(sums.score(sums.sums), ddof=1)) / np.sqrt(clusters)
        half = t_quantile(clusters - 1) * spread
        bottom, top, method = sums.value - half, sums.value + half, "t"
    else:
        drawn = bootstrap(sums)
        spread = float(drawn.std())
        bottom, top = np.quantile(drawn, [0.025, 0.975])
        method = "bootstrap"
    if low is not None and high is not None:
        share = (sums.value - low) / (high - low)
        size = _effective_size(share, spread / (high - low), clusters)
        if size * min(share, 1 - share) < MIN_CONTRADICTING_CLUSTERS:
            bottom, top = (low + (high - low) * end for end in _wilson(share, size, t_quantile(clusters - 1)))
            method = "wilson"
    return Interval(
        sums.value,
        float(bottom if low is None else max(low, bottom)),
        float(top if high is None else min(high, top)),
        method,
        clusters,
    )


def _effective_size(share: float, spread: float, clusters: int) -> float:
    """Return how many independent observations would leave a ``share`` as uncertain as its standard error ``spread``.

    Photographs that all agree show no spread; then each counts as one.
    """
    return share * (1 - share) / spread**2 if spread > 0 and 0 < share < 1 else clusters


def _wilson(share: float, size: float, z: float) -> tuple[float, float]:
    """Return the score interval of a share of ``size`` observations (Wilson 1927; clustered: Kish 1965's effective
    size)."""
    center = (share + z**2 / (2 * size)) / (1 + z**2 / size)
    half = z / (1 + z**2 / size) * np.sqrt(share * (1 - share) / size + z**2 / (4 * size**2))
    return center - half, center + half


@lru_cache(maxsize=64)
def t_quantile(freedom: float) -> float:
    """Return the 97.5 % quantile of Student's t with so many degrees of freedom."""
    # Not scipy.stats: it is slow to import, and fails while another thread imports PyTorch.
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.975))


def without_interval(sums: ClusterSums) -> Interval:
    """Return the estimate alone, without an interval."""
    return Interval(sums.value, float("nan"), float("nan"), "none", len(sums.sums))


def bootstrap(sums: ClusterSums) -> np.ndarray:
    """Return the scores (B,) of clusters drawn with replacement; the draws are the same for every model."""
    return sums.score(_draws(len(sums.sums)) @ sums.sums)


@lru_cache(maxsize=2)
def _draws(clusters: int) -> np.ndarray:
    """Return how often each cluster is drawn (B, C); cached, since every score of a run needs the same."""
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=RESAMPLES).astype(np.float64)
    drawn.flags.writeable = False
    return drawn
