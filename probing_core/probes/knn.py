"""k-nearest-neighbors classification by cosine similarity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from probing_core.measures.neighbors import nearest, unit
from probing_core.probes import rows as reading
from probing_core.probes.rows import Sliceable

NEIGHBOR_COUNTS = (5, 20, 50)


def votes(
    X: Sliceable, y: np.ndarray, queries: np.ndarray, sizes: Sequence[int], classes: int
) -> dict[int, np.ndarray]:
    """Compute class probabilities (Q, K) ``float32`` of ``queries`` (Q, D) for each k, with a single neighbor search.

    Args:
        X, y: training embeddings (N, D), of any norm, and their class indices (N,).
        sizes: values of k, at most N.
        classes: number of classes K.
    """
    neighbors, _ = nearest(_unit(X, len(y)), _unit(queries, len(queries)), max(sizes))
    rows = np.arange(len(queries))[:, None]
    probabilities = {}
    for k in sizes:
        counts = np.full((len(queries), classes), 1 / classes)
        np.add.at(counts, (np.broadcast_to(rows, (len(rows), k)), y[neighbors[:, :k]]), 1)
        probabilities[k] = (counts / (k + 1)).astype(np.float32)
    return probabilities


def _unit(X: Sliceable, rows: int) -> np.ndarray:
    return unit(reading.read(X, slice(0, rows)), np.float32)
