"""Paired tests of differences between models, with correction for multiple testing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from probing_core.errors import BadArray
from probing_core.measures.statistics import (
    SIGNIFICANCE,
    ClusterSums,
    Interval,
    contributions,
    difference,
    interval,
    is_significant,
)

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


def paired_interval(
    first: ClusterSums, second: ClusterSums, *, drawn: np.ndarray | None = None, flips: int = FLIPS
) -> Interval:
    """Compute the 95% confidence interval of the difference between two fractions, scored on the same clusters.

    This is `probing_core.measures.statistics.interval`, except that it excludes 0 if sign flips reject equality (p at
    most 0.05). The other intervals may include 0 in this case if there are few clusters or a few large differences. The
    bound next to 0 is then the weaker of two bounds that always agree with the test: the inverted sign-flip test, from
    the means of random subsets of clusters (Hartigan 1969), and the test-based bound (Miettinen 1976), which does not
    depend on the variance between clusters.

    Args:
        drawn: bootstrap draws of the difference, if they are already known.
        flips: number of sign flips of the test (see `step_down_p`).
    """
    gap = difference(first, second)
    estimate = interval(gap, low=-1, high=1, drawn=drawn)
    parts = contributions(first), contributions(second)
    if parts[0] is None or parts[1] is None or not estimate.low <= 0 <= estimate.high:
        return estimate
    sign = 1.0 if estimate.value > 0 else -1.0
    gaps, weights = sign * (parts[0][0] - parts[1][0]), (parts[0][2] + parts[1][2]) / 2
    p = _flips_p(gaps, flips)
    if not is_significant(p):
        return estimate
    quantile = NormalDist().inv_cdf
    test_based = sign * estimate.value * (1 - quantile(1 - SIGNIFICANCE / 2) / quantile(1 - p / 2))
    bound = min(_inverted_flips(gaps, weights, flips), test_based)
    if sign > 0:
        return replace(estimate, low=bound, method="flips")
    return replace(estimate, high=-bound, method="flips")


ROUNDING = 1e-12
"""Largest rounding error of a difference between two fractions."""


def _flips_p(gaps: np.ndarray, flips: int) -> float:
    """Return the p-value of `step_down_p` for a single pair. It is 1 if it cannot be significant.

    Args:
        gaps: (C,) contributions of the clusters to the difference.
    """
    differs = np.abs(gaps) > ROUNDING
    gap, differing = gaps.sum(), gaps[differs]
    smallest = 2.0 ** (1 - len(differing))
    if not is_significant(smallest) or gap**2 <= (gaps**2).sum():  # then p >= 3/32 (Oleszkiewicz 1996)
        return 1.0
    reached, tried = 0, 0
    exact = len(gaps) <= MAX_EXACT_CLUSTERS
    for swaps in _assignments(len(gaps)) if exact else _random_assignments(len(gaps), 0, flips):
        swapped = swaps[:, differs] @ differing
        tried += len(swaps)
        reached += int(((swapped <= ROUNDING) | (swapped >= gap - ROUNDING)).sum())
    return reached / tried if exact else (reached + 1) / (tried + 1)


def _inverted_flips(gaps: np.ndarray, weights: np.ndarray, flips: int) -> float:
    """Return the smallest hypothetical difference that sign flips do not reject.

    Flipping the signs of a subset of clusters reaches the observed difference if the mean over the subset is at most 0,
    and the opposite difference if the mean over the other clusters is at most 0. If a hypothetical difference is
    subtracted, it reaches them if one of the two means is at most the hypothetical difference.
    """
    clusters = len(gaps)
    exact = clusters <= MAX_EXACT_CLUSTERS
    columns = np.stack([gaps, weights], axis=1)
    means = []
    for swaps in _assignments(clusters) if exact else _random_assignments(clusters, 0, flips):
        subset = swaps @ columns
        for sums in (subset, columns.sum(0) - subset):
            inside = sums[:, 1] > ROUNDING
            means.append(np.where(inside, sums[:, 0] / np.where(inside, sums[:, 1], 1), -np.inf))
    if exact:
        return float(np.sort(np.concatenate(means))[int(SIGNIFICANCE * 2**clusters)])
    return float(np.sort(np.concatenate(means))[int(SIGNIFICANCE * (flips + 1)) - 1])


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
