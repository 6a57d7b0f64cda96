"""Nearest neighbors of an embedding, and its position on a map."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from probing_core.compute.lazy_rows import LazyRows
from probing_core.measures import neighbors as search


def nearest(
    embeddings: np.ndarray | LazyRows, query: np.ndarray, k: int, mean: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Find the rows of ``embeddings`` (N, D) most similar to ``query`` (D,): indices (k,) and similarities (k,).

    By the cosine after the mean embedding is subtracted, as on the maps. Of lazy rows, memory holds one block.

    Args:
        mean: (D,) from `mean_of`, where it is known.
    """
    if mean is None:
        mean = mean_of(embeddings)
    (wanted,) = search.unit(query[None] - mean, mean.dtype)
    cosines = np.concatenate([search.unit(block - mean, mean.dtype) @ wanted for block in _blocks(embeddings)])
    best = np.argsort(-cosines, kind="stable")[:k]
    return best, cosines[best]


def mean_of(embeddings: np.ndarray | LazyRows) -> np.ndarray:
    """Return the mean embedding (D,), of the type of ``embeddings``; memory holds one block of lazy rows."""
    total = sum(block.sum(axis=0, dtype=np.float64) for block in _blocks(embeddings))
    dtype = embeddings.dtype if isinstance(embeddings, np.ndarray) else np.float32
    return np.asarray(total / len(embeddings), dtype)


def _blocks(embeddings: np.ndarray | LazyRows) -> Iterable[np.ndarray]:
    return [embeddings] if isinstance(embeddings, np.ndarray) else embeddings.blocks()


def place(points: pd.DataFrame, samples: np.ndarray, similarities: np.ndarray) -> tuple[float, float] | None:
    """Return the place of an image on a map: the mean of its neighbors' points, weighted by nearness.

    Args:
        points: ``sample``, ``x``, ``y`` of the map.
        samples, similarities: from `nearest`.

    Returns:
        (x, y), or None if none of the neighbors is on the map (large maps are thinned).
    """
    rows = points.set_index("sample").reindex(samples)[["x", "y"]].to_numpy(float)
    there = ~np.isnan(rows[:, 0])
    if not there.any():
        return None
    x, y = search.between(rows[there], similarities[there])
    return float(x), float(y)
