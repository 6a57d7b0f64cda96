"""Scores as sums over base photographs, confidence intervals, and tests between models and between training seeds.

A score is a function of totals. `ClusterSums` contains the summands of each cluster (base photograph), so the totals of
all bootstrap samples are computed by one matrix product. All versions of a photograph are resampled together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from probing_core.errors import BadArray

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


def difference(first: ClusterSums, second: ClusterSums) -> ClusterSums:
    """Subtract ``second`` from ``first``. Both must have the same clusters, so that bootstrap draws are paired."""
    at = first.sums.shape[1]
    return ClusterSums(
        np.hstack([first.sums, second.sums]),
        lambda totals: first.score(totals[..., :at]) - second.score(totals[..., at:]),
    )


def average(parts: Sequence[ClusterSums]) -> ClusterSums:
    """Average several scores. All must have the same clusters, so that bootstrap draws are paired."""
    ends = np.cumsum([part.sums.shape[1] for part in parts])[:-1]

    def score(totals: np.ndarray) -> np.ndarray:
        split = np.split(totals, ends, axis=-1)
        return np.mean([part.score(part_totals) for part, part_totals in zip(parts, split, strict=True)], axis=0)

    return ClusterSums(np.hstack([part.sums for part in parts]), score)


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

RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95% confidence interval.

    Attributes:
        low, high: interval bounds; NaN if there is no interval.
        method: ``bootstrap``, ``t``, ``wilson``, ``jackknife`` or ``none``.
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


def interval(sums: ClusterSums, *, low: float | None = None, high: float | None = None) -> Interval:
    """Compute the 95% confidence interval of a score.

    With 20 or more clusters, a percentile bootstrap over clusters is used (Efron & Tibshirani 1993, B = 2000). With 6
    to 19 clusters, a t interval is computed from the scores of single clusters and centered at the overall score. With
    fewer clusters, there is no interval. Near a bound of the measure, these intervals would be too narrow, so the
    Wilson interval is used.

    Args:
        low, high: bounds of the measure, to which the interval is clipped.
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
    """Compute the number of independent observations for which a fraction ``share`` has the standard error ``spread``.

    If all photographs agree, the standard error is 0, and each photograph counts as one observation.
    """
    return share * (1 - share) / spread**2 if spread > 0 and 0 < share < 1 else clusters


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


FLIPS = 100_000
MAX_EXACT_CLUSTERS = 16
"""Maximum number of clusters for an exact permutation test."""

SIGN_ROWS = 1024


def sign_flips(first: ClusterSums, second: ClusterSums, seed: int = 0, flips: int = FLIPS) -> float:
    """Compute the two-sided p-value of the difference between two scores by a paired sign-flip test.

    Both scores must have the same clusters in the same order. Under the null hypothesis, the predictions of two models
    are exchangeable within each photograph. Each flip exchanges the predictions in random clusters, each with
    probability 0.5, and recomputes the difference. For a mean over clusters, this flips the signs of the differences
    (Fisher 1935; Nichols & Holmes 2002). With up to 16 clusters, all flips are enumerated.

    Raises:
        BadArray: the sums have different shapes.
    """
    if first.sums.shape != second.sums.shape:
        raise BadArray(
            f"A paired test requires the same photographs and classes for both models, but the sums have shapes "
            f"{first.sums.shape} and {second.sums.shape}. Score both models on the same samples."
        )
    clusters = len(first.sums)
    total, second_total = first.sums.sum(0), second.sums.sum(0)
    observed = abs(first.value - second.value)
    gap = second.sums - first.sums
    differs = gap.any(0)  # columns that do not differ, such as the counts of a class, remain unchanged
    gap = _narrow(gap[:, differs])
    reached, tried = 0, 0
    exact = clusters <= MAX_EXACT_CLUSTERS
    for swaps in _assignments(clusters) if exact else _random_assignments(clusters, seed, flips):
        tried += len(swaps)
        moved = np.zeros((len(swaps), len(total)))
        moved[:, differs] = swaps.astype(gap.dtype) @ gap
        differences = np.abs(first.score(total + moved) - second.score(second_total - moved))
        reached += int((differences >= observed - 1e-12).sum())
    return reached / tried if exact else (reached + 1) / (tried + 1)


@dataclass(frozen=True, eq=False)
class PairedScores:
    """Scores of several models on the same clusters, and the pairs of models to compare.

    Attributes:
        clusters: (C,) cluster numbers. Equal numbers denote the same cluster, also across several `PairedScores`.
        scores: (C, M) summands of each model's score.
        pairs: (P, 2) column indices into ``scores``.
    """

    clusters: np.ndarray
    scores: np.ndarray
    pairs: np.ndarray


FLIPPED_AT_ONCE = 2**17
"""Number of flipped differences per block. A block fits into the CPU cache."""


def step_down_p(parts: Sequence[PairedScores], seed: int = 0, flips: int = FLIPS) -> np.ndarray:
    """Compute two-sided p-values of all pairs, adjusted for multiple testing.

    Each flip exchanges the scores of the two models of a pair in random clusters. The same flips are used for all
    pairs, which preserves their correlations. The statistic of a pair is its squared difference divided by the sum of
    squared differences of the clusters, a monotone function of the squared t statistic. The p-values are adjusted by
    the step-down maxT procedure (Westfall & Young 1993, algorithm 4.1), which controls the family-wise error rate. The
    smallest possible p-value is 1 / (flips + 1), regardless of the number of pairs. With up to 16 clusters, all flips
    are enumerated.

    Args:
        parts: pairs of models scored on the same clusters, one part per set of clusters.
        seed: random seed of the flips.
        flips: number of flips.

    Returns:
        (P,) p-values in the order of the pairs of all ``parts``.
    """
    if not sum(len(part.pairs) for part in parts):
        return np.empty(0)
    ids = np.unique(np.concatenate([part.clusters for part in parts]))
    rows = [np.searchsorted(ids, part.clusters) for part in parts]
    squares = [_pair_squares(part) for part in parts]

    def statistics(signs: np.ndarray) -> np.ndarray:
        """Compute the statistics (P, n) of all pairs for ``signs`` (C, n)."""
        values = []
        for part, indices, square in zip(parts, rows, squares, strict=True):
            sums = part.scores.T @ signs[indices]
            values.append((sums[part.pairs[:, 0]] - sums[part.pairs[:, 1]]) ** 2 / square[:, None])
        return np.concatenate(values)

    observed = statistics(np.ones((len(ids), 1)))[:, 0]
    order = np.argsort(observed, kind="stable")  # the weakest first
    bar = observed[order, None] * (1 - 1e-9)  # flips that differ only in rounding are ties
    reached, tried = np.zeros(len(observed)), 0
    exact = len(ids) <= MAX_EXACT_CLUSTERS
    step = max(1, FLIPPED_AT_ONCE // len(observed))
    for swaps in _assignments(len(ids)) if exact else _random_assignments(len(ids), seed, flips):
        tried += len(swaps)
        for start in range(0, len(swaps), step):
            signs = 1.0 - 2.0 * np.ascontiguousarray(swaps[start : start + step].T)
            flipped = statistics(signs)[order]
            # A pair competes with all pairs that are not stronger.
            reached[order] += (np.maximum.accumulate(flipped, axis=0) >= bar).sum(1)
    p = reached / tried if exact else (reached + 1) / (tried + 1)
    p[order] = np.maximum.accumulate(p[order][::-1])[::-1]
    return p


def _pair_squares(part: PairedScores) -> np.ndarray:
    """Compute the sum of squared differences (P,) of each pair. It is infinite for pairs without differences."""
    first, second = part.pairs.T
    squares = np.zeros(len(part.pairs))
    for scores in part.scores:  # one cluster at a time, since (C, P) may be large
        squares += (scores[first] - scores[second]) ** 2
    return np.where(squares > 0, squares, np.inf)


def holm(p_values: Sequence[float] | np.ndarray, among: int | None = None) -> np.ndarray:
    """Adjust p-values (M,) by the Holm method, which controls the family-wise error rate (Holm 1979).

    NaN (a missing comparison) remains NaN and does not count as a comparison.

    Args:
        among: total number of comparisons, if ``p_values`` contains only comparisons that were selected based on data.
    """
    p = np.asarray(p_values, np.float64)
    adjusted = np.full(len(p), np.nan)
    order = np.argsort(p, kind="stable")[: np.count_nonzero(~np.isnan(p))]  # NaN sorts last
    rank = np.arange(len(order))  # the lowest possible rank among all comparisons
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * (max(among or 0, len(order)) - rank)))
    return adjusted


def _narrow(gap: np.ndarray) -> np.ndarray:
    """Convert ``gap`` to ``float32`` for speed if it contains only counts whose sums are exact in ``float32``."""
    holds_counts = (gap == np.rint(gap)).all() and (np.abs(gap).sum(0) < 2**24).all()
    return gap.astype(np.float32) if holds_counts else gap


def _assignments(clusters: int) -> Iterator[np.ndarray]:
    """Yield blocks of all 2^C subsets of the clusters, as rows of 0 and 1."""
    for start in range(0, 2**clusters, SIGN_ROWS):
        numbers = np.arange(start, min(start + SIGN_ROWS, 2**clusters))
        yield (numbers[:, None] >> np.arange(clusters) & 1).astype(np.uint8)


def _random_assignments(clusters: int, seed: int, flips: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    for start in range(0, flips, SIGN_ROWS):
        bits = rng.integers(0, 256, (min(SIGN_ROWS, flips - start), -(-clusters // 8)), np.uint8)
        yield np.unpackbits(bits, axis=1, count=clusters)


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

    The values are NaN if there are fewer than `MIN_FREEDOM` degrees of freedom, or if ``first`` or ``second`` is empty.

    Args:
        first, second: scores of two kinds of models, one per seed.
        deviation, freedom: result of `pooled_deviation`.
    """
    if freedom < MIN_FREEDOM or not (len(first) and len(second)):
        return float("nan"), float("nan"), float("nan")
    effect = float(np.mean(first) - np.mean(second))
    error = deviation * np.sqrt(1 / len(first) + 1 / len(second))
    if error == 0:  # all seeds have equal scores
        return effect, effect, float(effect == 0)
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
