"""Scores as sums over base photographs, confidence intervals over photographs, and tests between training seeds.

A score is a function of totals. `ClusterSums` contains the summands of each cluster (base photograph), so the totals of
all bootstrap samples are computed by one matrix product. All versions of a photograph are resampled together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, overload

import numpy as np
import pandas as pd

from probing_core.measures.rare_differences import RareDifferences

ScoreOfTotals = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class ClusterSums:
    """A score and its summands.

    Attributes:
        sums: (C, P) ``float64`` summands, one row per cluster.
        score: function that maps totals (..., P) to scores (...).
    """

    sums: np.ndarray
    score: ScoreOfTotals

    @property
    def value(self) -> float:
        return float(self.score(self.sums.sum(axis=0)))


def numbered(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sorted distinct ``values``, and the index (N,) of each value among them.

    This is equivalent to `numpy.unique` with ``return_inverse``, but sorts only distinct values.
    """
    row, distinct = pd.factorize(np.asarray(values), sort=True)
    return distinct, row


def mean(values: np.ndarray, clusters: np.ndarray) -> ClusterSums:
    """Compute the mean of ``values`` (N,), such as a rate (for booleans) or the NLL (for -log p(truth))."""
    ids, row = numbered(clusters)
    weights = (np.asarray(values, np.float64), np.ones(len(values)))
    sums = np.stack([np.bincount(row, weights=weight, minlength=len(ids)) for weight in weights], axis=1)
    return ClusterSums(sums, mean_of_ratios)


@dataclass(frozen=True, eq=False)
class Difference(ClusterSums):
    """Difference between two scores, ``first`` minus ``second``."""

    first: ClusterSums
    second: ClusterSums


@dataclass(frozen=True, eq=False)
class Average(ClusterSums):
    """Mean of the scores ``parts``."""

    parts: tuple[ClusterSums, ...]


def difference(first: ClusterSums, second: ClusterSums) -> Difference:
    """Subtract ``second`` from ``first``. Both must have the same clusters, so that bootstrap draws are paired."""
    at = first.sums.shape[1]
    return Difference(
        np.hstack([first.sums, second.sums]),
        lambda totals: first.score(totals[..., :at]) - second.score(totals[..., at:]),
        first,
        second,
    )


def average(parts: Sequence[ClusterSums]) -> Average:
    """Average several scores. All must have the same clusters, so that bootstrap draws are paired."""
    ends = np.cumsum([part.sums.shape[1] for part in parts])[:-1]

    def score(totals: np.ndarray) -> np.ndarray:
        split = np.split(totals, ends, axis=-1)
        return np.mean([part.score(part_totals) for part, part_totals in zip(parts, split, strict=True)], axis=0)

    return Average(np.hstack([part.sums for part in parts]), score, tuple(parts))


def sums_by(clusters: np.ndarray, column: np.ndarray, columns: int, values: np.ndarray) -> np.ndarray:
    """Sum ``values`` (N,) by cluster and column: (C, columns)."""
    ids, row = numbered(clusters)
    flat = np.bincount(row * columns + column, weights=np.asarray(values, np.float64), minlength=len(ids) * columns)
    return flat.reshape(len(ids), columns)


def mean_ratio(part: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Compute the mean of ``part / total`` over the last axis, ignoring entries whose ``total`` is 0."""
    defined = total > 0
    ratio = np.where(defined, part / np.where(defined, total, 1), 0)
    return ratio.sum(-1) / np.maximum(defined.sum(-1), 1)


def mean_of_ratios(totals: np.ndarray) -> np.ndarray:
    """Compute the `mean_ratio` of the first half of the last axis to the second half."""
    part, total = np.split(totals, 2, axis=-1)
    return mean_ratio(part, total)


MIN_CLUSTERS_FOR_BOOTSTRAP = 20
"""Minimum number of clusters for a percentile bootstrap. With fewer clusters, its coverage is too low, and a t interval
is used."""

MIN_CLUSTERS_FOR_T = 6
"""Minimum number of clusters for a confidence interval."""

MIN_CONTRADICTING_CLUSTERS = 5.0
"""Minimum number of photographs that contradict a rate of 0 or 1. With fewer, bootstrap samples vary too little, and a
Wilson interval is used."""

SIGNIFICANCE = 0.05
"""Significance level of every test."""

SIGNIFICANT = f"p \N{LESS-THAN OR EQUAL TO} {SIGNIFICANCE:g}"
"""Criterion of `is_significant` as text."""

NO_SPREAD = 1e-9
"""Standard error, relative to the range of the measure, below which it is a rounding error: all photographs have the
same score."""


@overload
def is_significant(p: float) -> bool: ...
@overload
def is_significant(p: np.ndarray) -> np.ndarray: ...
@overload
def is_significant(p: pd.Series) -> pd.Series: ...
def is_significant(p: Any) -> Any:
    """Return whether p-values, adjusted for multiple testing, are at most `SIGNIFICANCE`. NaN is not significant.

    This is the only criterion for a significant difference. Intervals are not adjusted for multiple testing.
    """
    return p <= SIGNIFICANCE


RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95% confidence interval.

    Attributes:
        low, high: interval bounds; NaN if there is no interval.
        method: ``bootstrap``, ``t``, ``wilson``, ``tango``, ``flips``, ``jackknife`` or ``none``.
        clusters: number of base photographs.
    """

    value: float
    low: float
    high: float
    method: str
    clusters: int

    @property
    def columns(self) -> dict[str, Any]:
        about = {"value": self.value, "low": self.low, "high": self.high}
        return about | {"interval": self.method, "bases": self.clusters}


def interval(
    sums: ClusterSums, *, low: float | None = None, high: float | None = None, drawn: np.ndarray | None = None
) -> Interval:
    """Compute the 95% confidence interval of a score.

    With 20 or more clusters, a percentile bootstrap over clusters is used (Efron & Tibshirani 1993, B = 2000). With 6
    to 19 clusters, a t interval is computed from the scores of single clusters and centered at the overall score. With
    fewer clusters, there is no interval. In two cases, these intervals would be too narrow:

    - Near a bound of the measure, or if all photographs have the same score, the Wilson interval is used. Measures
      without bounds then have no interval.
    - For a difference between two fractions (bounds -1 and 1), if fewer than half of the photographs differ, the Tango
      interval is used (`RareDifferences`).

    Args:
        low, high: bounds of the measure, to which the interval is clipped.
        drawn: result of `bootstrap`, if it is already known.
    """
    clusters = len(sums.sums)
    if clusters < MIN_CLUSTERS_FOR_T or not np.isfinite(sums.value):
        return without_interval(sums)
    z = t_quantile(clusters - 1)
    rare = rare_differences(sums) if (low, high) == (-1, 1) else None
    if rare is not None:
        bottom, top = rare.interval(z)
        return Interval(sums.value, max(-1.0, bottom), min(1.0, top), "tango", clusters)
    if clusters < MIN_CLUSTERS_FOR_BOOTSTRAP:
        spread = float(np.std(sums.score(sums.sums), ddof=1)) / np.sqrt(clusters)
        bottom, top, method = sums.value - z * spread, sums.value + z * spread, "t"
    else:
        drawn = bootstrap(sums) if drawn is None else drawn
        spread = float(drawn.std())
        bottom, top = np.quantile(drawn, [0.025, 0.975])
        method = "bootstrap"
    if low is not None and high is not None:
        share, spread = (sums.value - low) / (high - low), spread / (high - low)
        size = _effective_size(share, spread, clusters)
        if spread <= NO_SPREAD or size * min(share, 1 - share) < MIN_CONTRADICTING_CLUSTERS:
            bottom, top = (low + (high - low) * end for end in _wilson(share, size, z))
            method = "wilson"
    elif spread <= NO_SPREAD * max(1, abs(sums.value)):
        return without_interval(sums)
    return Interval(
        sums.value,
        float(bottom if low is None else max(low, bottom)),
        float(top if high is None else min(high, top)),
        method,
        clusters,
    )


def rare_differences(sums: ClusterSums) -> RareDifferences | None:
    """Return the differences between two scores by photograph if fewer than half of the photographs differ.

    Otherwise, or if ``sums`` is not a difference between means of ratios, the result is None.
    """
    if not isinstance(sums, Difference):
        return None
    first, second = contributions(sums.first), contributions(sums.second)
    if first is None or second is None:
        return None
    differences, deviations, _ = first - second
    return RareDifferences.of(differences, deviations, (first[2] + second[2]) / 2)


def contributions(sums: ClusterSums) -> np.ndarray | None:
    """Compute the contribution of each photograph to a mean of ratios, such as a balanced accuracy.

    Returns:
        Three rows (3, C): the contribution of each photograph (the sum is the score), its deviation from the mean
        contribution (the sum of squares is the variance of the score), and its weight (its largest possible
        contribution). None for other scores.
    """
    if isinstance(sums, Average):
        parts = [rows for part in sums.parts if (rows := contributions(part)) is not None]
        return np.mean(parts, axis=0) if len(parts) == len(sums.parts) else None
    if sums.score is not mean_of_ratios:
        return None
    part, total = np.split(sums.sums, 2, axis=1)
    counted = total.sum(0) > 0
    if not counted.any():
        return None
    part, total = (values[:, counted] / total.sum(0)[counted] / counted.sum() for values in (part, total))
    clusters = (total > 0).sum(0)
    centered = part - part.sum(0) * total / total.sum(0)
    # The factor makes the variance unbiased. The variance of a class with a single photograph is unknown.
    unbiased = np.where(clusters > 1, centered * np.sqrt(clusters / np.maximum(clusters - 1, 1)), part)
    return np.stack([part.sum(1), unbiased.sum(1), total.sum(1)])


def _effective_size(share: float, spread: float, clusters: int) -> float:
    """Compute the number of independent observations for which a fraction ``share`` has the standard error ``spread``.

    If all photographs agree, the standard error is 0, and each photograph counts as one observation.
    """
    return share * (1 - share) / spread**2 if spread > NO_SPREAD and 0 < share < 1 else clusters


def _wilson(share: float, size: float, z: float) -> tuple[float, float]:
    """Compute the Wilson (1927) interval of a fraction ``share`` of ``size`` observations.

    For clustered data, ``size`` is the effective sample size (Kish 1965).
    """
    center = (share + z**2 / (2 * size)) / (1 + z**2 / size)
    half = z / (1 + z**2 / size) * np.sqrt(share * (1 - share) / size + z**2 / (4 * size**2))
    return center - half, center + half


@lru_cache(maxsize=64)
def t_quantile(freedom: float) -> float:
    """Return the 97.5% quantile of Student's t with ``freedom`` degrees of freedom."""
    # scipy.stats is slow to import, and its import fails while another thread imports PyTorch.
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.975))


def without_interval(sums: ClusterSums) -> Interval:
    return Interval(sums.value, float("nan"), float("nan"), "none", len(sums.sums))


def bootstrap(sums: ClusterSums) -> np.ndarray:
    """Compute the scores (B,) of bootstrap samples of clusters. The samples are the same for every model."""
    return sums.score(_draws(len(sums.sums)) @ sums.sums)


@lru_cache(maxsize=2)
def _draws(clusters: int) -> np.ndarray:
    """Draw bootstrap counts (B, C). They are cached, because all scores of a run use the same bootstrap samples."""
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=RESAMPLES).astype(np.float64)
    drawn.flags.writeable = False
    return drawn


MIN_SEEDS = 3
"""Minimum number of training seeds for a confidence interval over seeds."""

MIN_FREEDOM = 4
"""Minimum degrees of freedom for a test based on the variation between training seeds."""

_SEED = re.compile(r"@seed=(\d+)(?=@|$)")
_LAYER = re.compile(r"@layer=\d+(?=@|$)")


def seeds_interval(scores: Sequence[float]) -> tuple[float, float]:
    """Compute the 95% t interval (low, high) of the mean of ``scores``, one score per seed.

    The bounds are NaN for fewer than three seeds.
    """
    if len(scores) < MIN_SEEDS:
        return float("nan"), float("nan")
    half = t_quantile(len(scores) - 1) * float(np.std(scores, ddof=1)) / np.sqrt(len(scores))
    mean = float(np.mean(scores))
    return mean - half, mean + half


def pooled_deviation(kinds: Sequence[Sequence[float]]) -> tuple[float, int]:
    """Compute the standard deviation between seeds, pooled over several kinds of models.

    All kinds are assumed to have the same variance, so the result is the root of the error mean square in a one-way
    analysis of variance.

    Args:
        kinds: scores of each kind, one per seed.

    Returns:
        The standard deviation and its degrees of freedom, or NaN and 0 if every kind has fewer than two seeds.
    """
    freedom = sum(len(scores) - 1 for scores in kinds if len(scores))
    if freedom == 0:
        return float("nan"), 0
    squares = sum(float(((np.asarray(scores) - np.mean(scores)) ** 2).sum()) for scores in kinds if len(scores))
    return float(np.sqrt(squares / freedom)), freedom


def seeds_difference(
    first: Sequence[float], second: Sequence[float], deviation: float, freedom: int
) -> tuple[float, float, float]:
    """Compute the 95% t interval of mean(``first``) - mean(``second``) and the two-sided p-value: (low, high, p).

    The values are NaN if there are fewer than `MIN_FREEDOM` degrees of freedom, if ``first`` or ``second`` is empty, or
    if the seeds of every kind have the same score, so that the variance between seeds is unknown.

    Args:
        first, second: scores of two kinds of models, one per seed.
        deviation, freedom: result of `pooled_deviation`.
    """
    if freedom < MIN_FREEDOM or not (len(first) and len(second)):
        return float("nan"), float("nan"), float("nan")
    effect = float(np.mean(first) - np.mean(second))
    error = deviation * np.sqrt(1 / len(first) + 1 / len(second))
    if error <= NO_SPREAD:
        return float("nan"), float("nan"), float("nan")
    half = t_quantile(freedom) * error
    from scipy.special import stdtr  # as in `t_quantile`

    return effect - half, effect + half, float(2 * stdtr(freedom, -abs(effect) / error))


def seed_of(models: Sequence[str], excluded: Collection[str] = ()) -> list[str]:
    """Return, for each of ``models``, the name of the same model with the lowest seed.

    The name is empty for models that have the lowest seed or are in ``excluded``.
    """
    first: dict[str, str] = {}
    for model in sorted(models, key=_seed):
        first.setdefault(_SEED.sub("", model), model)
    leaders = [first[_SEED.sub("", model)] for model in models]
    return ["" if model in (leader, *excluded) else leader for model, leader in zip(models, leaders, strict=True)]


def with_place(models: Iterable[str]) -> list[str]:
    """Return ``models`` without additional training seeds of the same model."""
    names = list(dict.fromkeys(models))
    return [name for name, of in zip(names, seed_of(names), strict=True) if not of]


def networks(models: Iterable[str]) -> list[str]:
    """Return ``models`` without additional training seeds and without layers of models that are also listed."""
    names = with_place(models)
    return [name for name in names if (network := _LAYER.sub("", name)) == name or network not in names]


def _seed(model: str) -> int:
    match = _SEED.search(model)
    return int(match[1]) if match else 0
