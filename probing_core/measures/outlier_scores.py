"""Distances of embeddings from known ones, and how well these distances separate outliers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from probing_core.errors import BadArray
from probing_core.measures.embedding_space import principal_axes

AXES = 128


@dataclass(frozen=True, eq=False)
class Mahalanobis:
    """Squared distance from the nearest of some means, in a shared covariance (Lee et al. 2018).

    Attributes:
        center: (D,).
        whitening: (D, r); ``(x - center) @ whitening`` has covariance 1 within classes.
        means: (C, r) of the classes, whitened.
    """

    center: np.ndarray
    whitening: np.ndarray
    means: np.ndarray

    def score(self, X: np.ndarray) -> np.ndarray:
        """Return the squared distances (N,) over r, so that about 1 is usual; larger is farther from the known
        samples."""
        z = (np.asarray(X, np.float64) - self.center) @ self.whitening
        squares = (z**2).sum(1)[:, None] - 2 * z @ self.means.T + (self.means**2).sum(1)
        return np.maximum(squares.min(1), 0) / self.whitening.shape[1]


def fit_mahalanobis(X: np.ndarray, labels: np.ndarray | None = None, axes: int = AXES) -> Mahalanobis:
    """Fit the means and a Ledoit-Wolf covariance (2004) of ``X`` (N, D) on its first principal axes.

    Args:
        labels: (N,) classes that have a mean of their own; one mean if not given.
        axes: how many principal axes at most.

    Raises:
        BadArray: fewer than three rows.
    """
    from sklearn.covariance import ledoit_wolf

    if len(X) < 3:
        raise BadArray(f"A covariance needs three embeddings at least, but there are {len(X)}; give more.")
    center, directions = principal_axes(X, min(axes, X.shape[1], len(X) - 1))
    z = (np.asarray(X, np.float64) - center) @ directions
    _, row = np.unique(np.zeros(len(X)) if labels is None else labels, return_inverse=True)
    means = np.stack([z[row == c].mean(0) for c in range(row.max() + 1)])
    covariance, _ = ledoit_wolf(z - means[row], assume_centered=True)
    values, vectors = np.linalg.eigh(covariance)
    # Where each class has a single row, nothing varies: distances are then huge and finite.
    whitening = vectors / np.sqrt(np.maximum(values, 1e-12 * (values.max() or 1.0)))
    return Mahalanobis(center, directions @ whitening, means @ whitening)


def quantile(scores: np.ndarray, clusters: np.ndarray, share: float) -> float:
    """Return the smallest of ``scores`` (N,) that at least a ``share`` does not exceed, each of ``clusters`` weighing
    1."""
    _, row, count = np.unique(clusters, return_inverse=True, return_counts=True)
    order = np.argsort(scores)
    weight = np.cumsum((1 / count[row])[order]) / len(count)
    return float(scores[order][min(int(np.searchsorted(weight, share)), len(scores) - 1)])


def auroc(known: np.ndarray, outliers: np.ndarray) -> float:
    """Return the probability that an outlier scores above a known sample, ties counting half (Mann & Whitney 1947)."""
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([known, outliers]))
    n, m = len(known), len(outliers)
    return float((ranks[n:].sum() - m * (m + 1) / 2) / (n * m))
