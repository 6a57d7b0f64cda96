"""Nearest neighbors of an image's embedding, and the position of the image on a map."""

from __future__ import annotations

import numpy as np
import pandas as pd

from probing_core.compute.lazy_rows import LazyRows
from probing_core.measures import neighbors as search


def nearest(embeddings: LazyRows, query: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the rows of ``embeddings`` (N, D) most similar to ``query`` (D,): indices (k,) and similarities (k,).

    The similarity is the cosine after subtraction of the mean embedding, as on the maps. Only one block of rows is in
    memory at a time.
    """
    total = sum(block.sum(axis=0, dtype=np.float64) for block in embeddings.blocks())
    mean = np.asarray(total / len(embeddings), np.float32)
    (direction,) = search.unit(query[None] - mean, np.float32)
    cosines = np.concatenate([search.unit(block - mean, np.float32) @ direction for block in embeddings.blocks()])
    best = np.argsort(-cosines, kind="stable")[:k]
    return best, cosines[best]


def place(points: pd.DataFrame, samples: np.ndarray, similarities: np.ndarray) -> tuple[float, float] | None:
    """Return the position of an image on a map: the mean of the positions of its neighbors, weighted by similarity.

    Args:
        points: ``sample``, ``x``, ``y`` of the map.
        samples, similarities: from `nearest`.

    Returns:
        (x, y), or None if none of the neighbors is on the map (large maps are thinned).
    """
    rows = points.set_index("sample").reindex(samples)[["x", "y"]].to_numpy(float)
    placed = ~np.isnan(rows[:, 0])
    if not placed.any():
        return None
    x, y = search.between(rows[placed], similarities[placed])
    return float(x), float(y)
