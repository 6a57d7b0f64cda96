"""Erasing a property from embeddings: afterwards no linear probe finds it, and everything else moves least.

LEACE (Belrose et al. 2023, arXiv 2306.03819): x -> x - W+ P W (x - mean), with W the whitening of X and P the
projection onto the whitened cross-covariance of X and the classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Eraser:
    """x -> x - (x - mean) @ out.

    Attributes:
        mean: (D,).
        left, right: (D, r); what is removed is ``((x - mean) @ left) @ right.T``, r at most K - 1.
    """

    mean: np.ndarray
    left: np.ndarray
    right: np.ndarray

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Return the embeddings (N, D) without the property, in the dtype of ``X``."""
        removed = ((np.asarray(X, np.float64) - self.mean) @ self.left) @ self.right.T
        return (np.asarray(X, np.float64) - removed).astype(X.dtype)


def fit_eraser(X: np.ndarray, y: np.ndarray) -> Eraser:
    """Fit the eraser of the classes ``y`` (N,) from embeddings ``X`` (N, D)."""
    X = np.asarray(X, np.float64)
    mean = X.mean(0)
    centered = X - mean
    classes, row = np.unique(y, return_inverse=True)
    one_hot = np.eye(len(classes))[row]
    cross = centered.T @ (one_hot - one_hot.mean(0)) / len(X)
    values, vectors = np.linalg.eigh(centered.T @ centered / len(X))
    there = values > values.max() * 1e-10
    vectors, roots = vectors[:, there], np.sqrt(values[there])
    # In the coordinates of the eigenvectors, whitened.
    u, s, _ = np.linalg.svd((vectors / roots).T @ cross, full_matrices=False)
    u = u[:, s > s.max() * 1e-8]
    return Eraser(mean, (vectors / roots) @ u, (vectors * roots) @ u)
