"""Scores of a classifier as sums over clusters: what a bootstrap over base photographs needs, and no more.

A score is a function of totals. `ClusterSums` holds, for each cluster (base photograph), the sums that make the
totals, so that any set of clusters, drawn with or without replacement, gives its score by one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Score = Callable[[np.ndarray], np.ndarray]
"""Totals (..., P) -> score (...)."""

ECE_BINS = 15


@dataclass(frozen=True, eq=False)
class ClusterSums:
    """A score and the sums it is made of.

    Attributes:
        sums: (C, P) ``float64``, one row a cluster.
        score: totals (..., P) -> (...).
    """

    sums: np.ndarray
    score: Score

    @property
    def value(self) -> float:
        """The score of all clusters together."""
        return float(self.score(self.sums.sum(axis=0)))


def balanced_accuracy(truth: np.ndarray, predicted: np.ndarray, clusters: np.ndarray) -> ClusterSums:
    """Mean over classes of the share of a class's samples that are told right (Brodersen et al. 2010).

    With one class it is that class's recall. Classes that a draw of clusters lacks are left out of its mean.

    Args:
        truth, predicted: (N,) class indices; only classes of ``truth`` count.
        clusters: (N,) cluster ids.
    """
    classes, row = np.unique(truth, return_inverse=True)
    k = len(classes)
    sums = np.hstack(_hits_and_counts(truth, predicted, clusters, row, k))
    return ClusterSums(sums, lambda totals: _mean_ratio(totals[..., :k], totals[..., k:]))


def macro_f1(truth: np.ndarray, predicted: np.ndarray, clusters: np.ndarray) -> ClusterSums:
    """Mean over the classes of ``truth`` of 2 TP / (2 TP + FP + FN)."""
    return _from_counts(truth, predicted, clusters, lambda hits, actual, said: _mean_ratio(2 * hits, actual + said))


def informedness(truth: np.ndarray, predicted: np.ndarray, clusters: np.ndarray) -> ClusterSums:
    """Mean over the classes of ``truth`` of true-positive rate less false-positive rate (Powers 2011).

    0 for guessing, whatever the guess; 1 for a perfect classifier.
    """

    def score(hits: np.ndarray, actual: np.ndarray, said: np.ndarray) -> np.ndarray:
        others = actual.sum(-1, keepdims=True) - actual
        return _mean_ratio(hits, actual) - _mean_ratio(said - hits, others)

    return _from_counts(truth, predicted, clusters, score)


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(K, K) counts: row the right class, column the predicted one."""
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def mean(values: np.ndarray, clusters: np.ndarray) -> ClusterSums:
    """Plain mean of ``values`` (N,): a rate for booleans, the NLL for -log p(truth)."""
    zero = np.zeros(len(values), np.int64)
    sums = np.hstack([_sums(clusters, zero, 1, values), _sums(clusters, zero, 1, np.ones(len(values)))])
    return ClusterSums(sums, lambda totals: _mean_ratio(totals[..., :1], totals[..., 1:]))


def calibration_error(confidence: np.ndarray, correct: np.ndarray, clusters: np.ndarray) -> ClusterSums:
    """Expected calibration error over `ECE_BINS` bins of equal mass (Nixon et al. 2019).

    Args:
        confidence: (N,) probability of the predicted class.
        correct: (N,) whether it was right.
    """
    edges = np.quantile(confidence, np.linspace(0, 1, ECE_BINS + 1)[1:-1])
    row = np.searchsorted(edges, confidence, side="right")
    gap = _sums(clusters, row, ECE_BINS, confidence - correct.astype(np.float64))
    count = _sums(clusters, row, ECE_BINS, np.ones(len(row)))

    def score(totals: np.ndarray) -> np.ndarray:
        return np.abs(totals[..., :ECE_BINS]).sum(-1) / np.maximum(totals[..., ECE_BINS:].sum(-1), 1e-12)

    return ClusterSums(np.hstack([gap, count]), score)


def difference(first: ClusterSums, second: ClusterSums) -> ClusterSums:
    """Score of the first less that of the second, over the same clusters: draws stay paired."""
    at = first.sums.shape[1]
    return ClusterSums(
        np.hstack([first.sums, second.sums]),
        lambda totals: first.score(totals[..., :at]) - second.score(totals[..., at:]),
    )


def average(parts: Sequence[ClusterSums]) -> ClusterSums:
    """Mean of several scores over the same clusters: draws stay paired."""
    ends = np.cumsum([part.sums.shape[1] for part in parts])[:-1]

    def score(totals: np.ndarray) -> np.ndarray:
        split = np.split(totals, ends, axis=-1)
        return np.mean([part.score(own) for part, own in zip(parts, split, strict=True)], axis=0)

    return ClusterSums(np.hstack([part.sums for part in parts]), score)


def _from_counts(
    truth: np.ndarray,
    predicted: np.ndarray,
    clusters: np.ndarray,
    score: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
) -> ClusterSums:
    """A score of, for each class of ``truth``, how often it was told right, was there, and was told."""
    classes, row = np.unique(truth, return_inverse=True)
    k = len(classes)
    position = np.searchsorted(classes, np.clip(predicted, classes[0], classes[-1]))
    known = classes[position] == predicted
    parts = (*_hits_and_counts(truth, predicted, clusters, row, k), _sums(clusters, position, k, known))
    return ClusterSums(
        np.hstack(parts), lambda totals: score(totals[..., :k], totals[..., k : 2 * k], totals[..., 2 * k :])
    )


def _hits_and_counts(
    truth: np.ndarray, predicted: np.ndarray, clusters: np.ndarray, row: np.ndarray, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """(C, K) each: how often a class, at ``row`` (N,) of K, was told right, and how often it was there."""
    return _sums(clusters, row, classes, truth == predicted), _sums(clusters, row, classes, np.ones(len(truth)))


def _sums(clusters: np.ndarray, column: np.ndarray, columns: int, values: np.ndarray) -> np.ndarray:
    """(C, columns): values summed by cluster and column."""
    ids, row = np.unique(clusters, return_inverse=True)
    flat = np.bincount(row * columns + column, weights=np.asarray(values, np.float64), minlength=len(ids) * columns)
    return flat.reshape(len(ids), columns)


def _mean_ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Mean over the last axis of part / whole, leaving out where ``whole`` is 0."""
    there = whole > 0
    ratio = np.where(there, part / np.where(there, whole, 1), 0)
    return ratio.sum(-1) / np.maximum(there.sum(-1), 1)
