"""What lies near an embedding, and where it would lie on a map."""

from __future__ import annotations

import numpy as np
import pandas as pd

from probing_core.measures import nearest as search


def nearest(embeddings: np.ndarray, query: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows of ``embeddings`` (N, D) most similar to ``query`` (D,): indices (k,) and similarities (k,).

    Cosine after the mean embedding is taken off both, as on the maps.
    """
    mean, dtype = embeddings.mean(axis=0), embeddings.dtype
    known, moved = search.unit(embeddings - mean, dtype), search.unit(query[None] - mean, dtype)
    indices, cosines = search.nearest(known, moved, k)
    return indices[0], cosines[0]


def place(points: pd.DataFrame, samples: np.ndarray, similarities: np.ndarray) -> tuple[float, float] | None:
    """Where a picture belongs on a map: the mean of its neighbors' points, the nearer the heavier.

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
