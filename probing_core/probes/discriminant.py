"""Linear discriminant analysis: a linear probe in closed form, in a tenth of a second and without a choice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from probing_core.errors import BadArray
from probing_core.probes.base import FitFacts, LinearProbe

MIN_SCALE = 1e-6
"""Deviation of a dimension, as a share of the largest, below which it counts as constant."""


def fit_discriminant(X: np.ndarray, y: np.ndarray, *, classes: Sequence[str]) -> LinearProbe:
    """Fit linear discriminant analysis (Fisher 1936) on standardized embeddings, the covariance within classes shrunk
    towards a multiple of the identity by the formula of Ledoit & Wolf (2004): there is no penalty to choose.

    Classes are expected equally often, whatever their numbers of rows.

    Args:
        X: (N, D) embeddings.
        y: (N,) whole numbers, positions in ``classes``; each of them occurs.
        classes: K names.

    Raises:
        BadArray: shapes that do not fit, a class without a row, or embeddings that are not finite.
    """
    from sklearn.covariance import ledoit_wolf

    X, y, k = np.asarray(X, np.float64), np.asarray(y), len(classes)
    if X.ndim != 2 or y.shape != (len(X),) or not np.array_equal(np.unique(y), np.arange(k)):
        raise BadArray(
            f"Discriminant analysis needs embeddings (N, D) and N classes from 0 to {k - 1}, each of them there; got "
            f"{X.shape} and {y.shape} with {len(np.unique(y))} different ones."
        )
    if not np.isfinite(X).all():
        raise BadArray("The embeddings hold values that are not finite numbers; embed these pictures again.")
    mean, scale = X.mean(0), X.std(0)
    scale[scale <= MIN_SCALE * scale.max()] = np.inf  # a constant dimension tells nothing
    if np.isinf(scale).all():
        raise BadArray("All embeddings are the same, so that no class can be told from another; was the model loaded?")
    Z = (X - mean) / scale
    means = np.stack([Z[y == c].mean(0) for c in range(k)])
    covariance, shrinkage = ledoit_wolf(Z - means[y], assume_centered=True)
    covariance[np.diag_indices_from(covariance)] += np.finfo(float).eps * np.trace(covariance)
    weight = np.linalg.solve(covariance, means.T).T
    facts = FitFacts(float(shrinkage), at_edge=False, converged=True, iterations=0, validation_loss=float("nan"))
    return LinearProbe(
        classes=tuple(classes),
        weight=weight.astype(np.float32),
        bias=(-0.5 * (weight * means).sum(1)).astype(np.float32),
        mean=mean.astype(np.float32),
        scale=scale.astype(np.float32),
        facts=facts,
    )
