"""A score as sums over clusters: what a bootstrap over base photographs needs, and no more.

A score is a function of totals. `ClusterSums` holds, for each cluster (base photograph), the sums that make the
totals, so that any set of clusters, drawn with or without replacement, gives its score by one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

ScoreOfTotals = Callable[[np.ndarray], np.ndarray]
"""Totals (..., P) -> score (...)."""


@dataclass(frozen=True, eq=False)
class ClusterSums:
    """A score and the sums it is made of.

    Attributes:
        sums: (C, P) ``float64``, one row a cluster.
        score: totals (..., P) -> (...).
    """

    sums: np.ndarray
    score: ScoreOfTotals

    @property
    def value(self) -> float:
        """The score of all clusters together."""
        return float(self.score(self.sums.sum(axis=0)))


def numbered(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct ``values`` in order, and the position of each of ``values`` (N,) among them.

    As `numpy.unique` gives it, which sorts them all; this sorts the distinct ones.
    """
    row, distinct = pd.factorize(np.asarray(values), sort=True)
    return distinct, row


def mean(values: np.ndarray, clusters: np.ndarray) -> ClusterSums:
    """Return the plain mean of ``values`` (N,): a rate for booleans, the NLL for -log p(truth)."""
    ids, row = numbered(clusters)
    weights = (np.asarray(values, np.float64), np.ones(len(values)))
    sums = np.stack([np.bincount(row, weights=each, minlength=len(ids)) for each in weights], axis=1)
    return ClusterSums(sums, lambda totals: mean_ratio(totals[..., :1], totals[..., 1:]))


def difference(first: ClusterSums, second: ClusterSums) -> ClusterSums:
    """Return the score of the first less that of the second, over the same clusters: draws stay paired."""
    at = first.sums.shape[1]
    return ClusterSums(
        np.hstack([first.sums, second.sums]),
        lambda totals: first.score(totals[..., :at]) - second.score(totals[..., at:]),
    )


def average(parts: Sequence[ClusterSums]) -> ClusterSums:
    """Return the mean of several scores over the same clusters: draws stay paired."""
    ends = np.cumsum([part.sums.shape[1] for part in parts])[:-1]

    def score(totals: np.ndarray) -> np.ndarray:
        split = np.split(totals, ends, axis=-1)
        return np.mean([part.score(own) for part, own in zip(parts, split, strict=True)], axis=0)

    return ClusterSums(np.hstack([part.sums for part in parts]), score)


def sums_by(clusters: np.ndarray, column: np.ndarray, columns: int, values: np.ndarray) -> np.ndarray:
    """Sum values by cluster and column: (C, columns)."""
    ids, row = numbered(clusters)
    flat = np.bincount(row * columns + column, weights=np.asarray(values, np.float64), minlength=len(ids) * columns)
    return flat.reshape(len(ids), columns)


def mean_ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis of part / whole, leaving out where ``whole`` is 0."""
    there = whole > 0
    ratio = np.where(there, part / np.where(there, whole, 1), 0)
    return ratio.sum(-1) / np.maximum(there.sum(-1), 1)
