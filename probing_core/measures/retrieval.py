"""Retrieval of an original by an altered copy: how many other pictures are at least as near as the original."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from probing_core.errors import BadArray
from probing_core.measures.base import fraction
from probing_core.measures.nearest import BLOCK_NUMBERS, unit

SAME_COSINE = 2e-6
"""Cosines that differ by no more are equal: rounding in ``float32`` separates no pictures."""


def directions(X: np.ndarray) -> np.ndarray:
    """Return embeddings (N, D) at length 1, as ``float32``, whose products are their cosines.

    Those of hashes are compared by the Hamming distance h: as -1 and 1 (`signed`) their cosine is 1 - 2 h / D.
    """
    X = np.asarray(X, np.float32)
    return unit(signed(X) if is_hash(X) else X, np.float32)


def is_hash(X: np.ndarray) -> bool:
    """Return whether embeddings are bits: zeros and ones alone."""
    return bool(((X == 0) | (X == 1)).all())


def signed(X: np.ndarray) -> np.ndarray:
    """Return bits as -1 and 1."""
    return 2 * X - 1


@dataclass(frozen=True, eq=False)
class Ranks:
    """How near the originals of Q altered pictures are.

    Attributes:
        ahead: (Q,) other pictures of the gallery that are as near as the original, or nearer.
    """

    ahead: np.ndarray

    def found(self, k: int) -> np.ndarray:
        """Return (Q,) whether the original is among the ``k`` nearest, as 0 or 1."""
        return (self.ahead < k).astype(float)


def ranks(
    queries: np.ndarray,
    originals: np.ndarray,
    gallery: Iterable[np.ndarray],
    query_photographs: np.ndarray,
    gallery_photographs: np.ndarray,
) -> Ranks:
    """Count the pictures of a gallery that are as near to each query as its original, or nearer.

    Other pictures of a query's own photograph are left out: to find them is no error. A block of the gallery is in
    memory at once, and `BLOCK_NUMBERS` cosines.

    Args:
        queries: (Q, D) embeddings at length 1 (`directions`).
        originals: (Q, D) of their originals, at length 1.
        gallery: blocks (n, D) of N embeddings, at length 1.
        query_photographs, gallery_photographs: (Q,) and (N,) numbers of photographs.
    """
    if queries.shape != originals.shape:
        raise BadArray(
            f"Every query needs its original, but queries are {queries.shape} and originals {originals.shape}; "
            "give one row of each."
        )
    own = np.einsum("ij,ij->i", queries, originals) - SAME_COSINE
    ahead = np.zeros(len(queries), np.int64)
    start = 0
    for block in gallery:
        photographs = gallery_photographs[start : start + len(block)]
        start += len(block)
        step = max(1, BLOCK_NUMBERS // max(1, len(block)))
        for first in range(0, len(queries), step):
            part = slice(first, first + step)
            nearer = queries[part] @ block.T >= own[part, None]
            nearer &= query_photographs[part, None] != photographs
            ahead[part] += nearer.sum(1)
    return Ranks(ahead)


MEASURES = (
    fraction(
        name="original-found",
        title="original found",
        higher_is_better=True,
        definition="Share of altered pictures whose original is among the k nearest of the untouched pictures.",
        formula="share of queries for which fewer than k others have cos(query, other) ≥ cos(query, original)",
        source="recall at k",
    ),
)
