"""Models compared on the same photographs: paired sign-flip tests, and Holm's correction over a named list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from probing_core.errors import BadArray
from probing_core.measures.cluster_sums import ClusterSums

FLIPS = 100_000
EXACT = 16
"""Up to this many clusters every assignment is tried."""

CHUNK = 1024


def sign_flip(first: ClusterSums, second: ClusterSums, seed: int = 0, flips: int = FLIPS) -> float:
    """Return the two-sided p-value of the difference between two models' scores.

    If the models were equal, their answers could be exchanged in every photograph. Each flip exchanges them in a
    random half of the clusters and takes the difference again; for a mean over clusters that flips the signs of
    their differences (Fisher 1935; Nichols & Holmes 2002). Up to 16 clusters all flips are tried.

    Args:
        first, second: sums of one score over the same clusters, in the same order.

    Raises:
        BadArray: the clusters differ in number.
    """
    return float(sign_flips(first, [second], seed, flips)[0])


def sign_flips(first: ClusterSums, others: Sequence[ClusterSums], seed: int = 0, flips: int = FLIPS) -> np.ndarray:
    """Return the p-values, as `sign_flip`, of one model against each of ``others`` (M,), by the same flips, which take
    longest to draw.

    Raises:
        BadArray: the clusters differ in number.
    """
    for other in others:
        if first.sums.shape != other.sums.shape:
            raise BadArray(
                f"A paired test needs the same photographs and classes for both models, but the sums are "
                f"{first.sums.shape} and {other.sums.shape}; score both on the same samples."
            )
    clusters = len(first.sums)
    total = first.sums.sum(0)
    value, pairs = first.value, []
    for other in others:
        gap = other.sums - first.sums
        differs = gap.any(0)  # how often a class was there does not
        pairs.append((other.score, other.sums.sum(0), differs, _narrow(gap[:, differs]), abs(value - other.value)))
    exact = clusters <= EXACT
    reached, tried = np.zeros(len(pairs)), 0
    for swaps in _assignments(clusters) if exact else _draws(clusters, seed, flips):
        tried += len(swaps)
        swapped = {kind: swaps.astype(kind) for kind in {gap.dtype for _, _, _, gap, _ in pairs}}
        for i, (score, other_total, differs, gap, observed) in enumerate(pairs):
            moved = np.zeros((len(swaps), len(total)))
            moved[:, differs] = swapped[gap.dtype] @ gap
            differences = np.abs(first.score(total + moved) - score(other_total - moved))
            reached[i] += (differences >= observed - 1e-12).sum()
    return reached / tried if exact else (reached + 1) / (tried + 1)


def holm(p_values: Sequence[float] | np.ndarray, among: int | None = None) -> np.ndarray:
    """Return adjusted p-values (M,) that bound the probability of any false claim on the list (Holm 1979).

    NaN, a comparison that could not be made, stays NaN and does not count.

    Args:
        among: how many comparisons might have been made, where these M were picked after looking; M if not given.
    """
    p = np.asarray(p_values, np.float64)
    adjusted = np.full(len(p), np.nan)
    order = np.argsort(p, kind="stable")[: np.count_nonzero(~np.isnan(p))]  # NaN is last
    rank = np.arange(len(order))  # among all it is this at least
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * (max(among or 0, len(order)) - rank)))
    return adjusted


def _narrow(gap: np.ndarray) -> np.ndarray:
    """Convert ``gap`` to ``float32``, whose products take less time, where it holds counts: their sums are exact."""
    whole = (gap == np.rint(gap)).all() and (np.abs(gap).sum(0) < 2**24).all()
    return gap.astype(np.float32) if whole else gap


def _assignments(clusters: int) -> Iterator[np.ndarray]:
    """Yield all 2^C subsets, as rows of 0 and 1."""
    for start in range(0, 2**clusters, CHUNK):
        numbers = np.arange(start, min(start + CHUNK, 2**clusters))
        yield (numbers[:, None] >> np.arange(clusters) & 1).astype(np.uint8)


def _draws(clusters: int, seed: int, flips: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    for start in range(0, flips, CHUNK):
        bits = rng.integers(0, 256, (min(CHUNK, flips - start), -(-clusters // 8)), np.uint8)
        yield np.unpackbits(bits, axis=1, count=clusters)
