"""Effects of a transformation on the space of embeddings."""

from __future__ import annotations

import numpy as np

from probing_core.errors import BadArray
from probing_core.measures.base import Measure
from probing_core.measures.nearest import unit


def shift(clean: np.ndarray, transformed: np.ndarray) -> np.ndarray:
    """Return how far each embedding moves (N,): 1 - cos(z, z'), over the mean of 1 - cos between different images.

    1 means: as far as another picture. Always normalized, since spaces differ in how much their cosines vary.

    Args:
        clean, transformed: (N, D) embeddings of the same images.

    Raises:
        BadArray: shapes differ, or fewer than two images.
    """
    _check_pairs(clean, transformed)
    z, moved = unit(clean), unit(transformed)
    n = len(z)
    between = 1 - ((z.sum(0) ** 2).sum() - n) / (n * (n - 1))
    return (1 - (z * moved).sum(1)) / between


def _check_pairs(clean: np.ndarray, transformed: np.ndarray) -> None:
    if clean.shape != transformed.shape or clean.ndim != 2 or len(clean) < 2:
        raise BadArray(
            f"Untouched and transformed embeddings must pair up, (N, D) each with N of at least 2, but they are "
            f"{clean.shape} and {transformed.shape}."
        )


MEASURES = (
    Measure(
        name="shift",
        title="shift",
        unit="of the distance between images",
        low=0.0,
        high=None,
        higher_is_better=None,
        definition="Cosine distance from untouched to transformed embedding, over the mean distance between images.",
        formula="(1 − cos(zᵢ, zᵢ′)) / mean over i ≠ j of (1 − cos(zᵢ, zⱼ)), averaged over images",
        source="protocol",
    ),
)
