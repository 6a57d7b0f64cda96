"""Exact nearest neighbors by the cosine.

scikit-learn's brute search takes longer, and promises no order of equal neighbors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

BLOCK_NUMBERS = 2**23
"""Similarities that are in memory at once, whatever the number of rows: 32 MB of ``float32``."""


def unit(X: np.ndarray, dtype: DTypeLike = np.float64) -> np.ndarray:
    """Scale the rows of ``X`` (..., D) to length 1; rows of zeros stay zero."""
    X = np.asarray(X, dtype)
    return X / np.maximum(np.linalg.norm(X, axis=-1, keepdims=True), 1e-12)


def nearest(
    known: np.ndarray,
    queries: np.ndarray,
    k: int,
    own: bool = False,
    apart: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ``k`` rows of ``known`` that are most similar to each query, most similar first; equal ones by their
    index.

    Args:
        known, queries: (N, D) and (Q, D), rows of length 1 (`unit`).
        k: all N, where there are fewer.
        own: whether the queries are the known rows themselves; then each is the first of its own neighbors, before
            any duplicate.
        apart: (N,) and (Q,) numbers of what rows belong to; a query has no neighbor with its own number.

    Returns:
        Indices (Q, k) and cosines (Q, k), -inf where there are fewer than ``k`` neighbors.
    """
    k = min(k, len(known))
    indices, cosines = np.empty((len(queries), k), np.int64), np.empty((len(queries), k), queries.dtype)
    block = max(1, BLOCK_NUMBERS // len(known))
    for start in range(0, len(queries), block):
        part = slice(start, start + block)
        similarity = queries[part] @ known.T
        if own:
            rows = np.arange(len(similarity))
            similarity[rows, start + rows] = 2
        if apart is not None:
            similarity[apart[1][part][:, None] == apart[0]] = -np.inf
        near = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
        cosine = np.take_along_axis(similarity, near, axis=1)
        order = np.lexsort((near, -cosine), axis=1)
        indices[part] = np.take_along_axis(near, order, axis=1)
        cosines[part] = np.take_along_axis(cosine, order, axis=1)
    return indices, np.minimum(cosines, 1)


def between(points: np.ndarray, cosines: np.ndarray) -> np.ndarray:
    """Return the place of a row on a map: the mean of its neighbors' points, the nearer the heavier.

    Args:
        points: (..., k, 2) of the neighbors.
        cosines: (..., k) of the row and each neighbor.

    Returns:
        (..., 2).
    """
    weights = np.exp(10 * (cosines - cosines.max(axis=-1, keepdims=True)))
    return (weights[..., None] * points).sum(axis=-2) / weights.sum(axis=-1, keepdims=True)
