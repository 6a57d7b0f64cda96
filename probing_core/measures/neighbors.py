"""Nearest neighbors by cosine similarity: exact search, retrieval of originals, duplicates, content and appearance.

The brute-force search in scikit-learn is not used, because it is slower and does not order ties deterministically.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from probing_core.errors import BadArray
from probing_core.measures.measure import Measure, fraction
from probing_core.measures.statistics import (
    MIN_CLUSTERS_FOR_BOOTSTRAP,
    ClusterSums,
    Interval,
    interval,
    numbered,
    without_interval,
)

BLOCK_NUMBERS = 2**23
"""Maximum number of similarities per block, which need 32 MiB in ``float32``."""


def unit(X: np.ndarray, dtype: DTypeLike = np.float64) -> np.ndarray:
    """Scale the rows of ``X`` (..., D) to unit norm. Zero rows remain zero."""
    X = np.asarray(X, dtype)
    return X / np.maximum(np.linalg.norm(X, axis=-1, keepdims=True), 1e-12)


def nearest(
    gallery: np.ndarray,
    queries: np.ndarray,
    k: int,
    self_first: bool = False,
    groups: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the ``k`` rows of ``gallery`` most similar to each query, most similar first. Ties are ordered by index.

    Args:
        gallery, queries: (N, D) and (Q, D), rows with unit norm (`unit`).
        k: number of neighbors; at most N are returned.
        self_first: whether the queries are the rows of ``gallery``. Each row is then its own first neighbor, before
            any duplicate.
        groups: (N,) and (Q,) group numbers. Rows in the same group as a query are excluded from its neighbors.

    Returns:
        Indices (Q, k) and cosines (Q, k). If there are fewer than ``k`` neighbors, the remaining cosines are -inf.
    """
    k = min(k, len(gallery))
    indices, cosines = np.empty((len(queries), k), np.int64), np.empty((len(queries), k), queries.dtype)
    block = max(1, BLOCK_NUMBERS // len(gallery))
    for start in range(0, len(queries), block):
        part = slice(start, start + block)
        similarity = queries[part] @ gallery.T
        if self_first:
            rows = np.arange(len(similarity))
            similarity[rows, start + rows] = 2
        if groups is not None:
            similarity[groups[1][part][:, None] == groups[0]] = -np.inf
        indices[part] = largest(similarity, k)
        cosines[part] = np.take_along_axis(similarity, indices[part], axis=1)
    return indices, np.minimum(cosines, 1)


def largest(values: np.ndarray, k: int) -> np.ndarray:
    """Return the indices (Q, k) of the ``k`` largest values in each row of ``values`` (Q, N), largest first.

    Ties are ordered by index, including ties at position ``k``. `numpy.argpartition` selects arbitrary ties, which
    differ between processors.
    """
    indices = np.argpartition(-values, k - 1, axis=1)[:, :k]
    top = np.take_along_axis(values, indices, axis=1)
    indices = np.take_along_axis(indices, np.lexsort((indices, -top), axis=1), axis=1)
    smallest = top.min(axis=1)
    for row in np.flatnonzero((values >= smallest[:, None]).sum(axis=1) > k):
        tied = np.flatnonzero(values[row] >= smallest[row])
        indices[row] = tied[np.argsort(-values[row, tied], kind="stable")[:k]]
    return indices


def between(points: np.ndarray, cosines: np.ndarray) -> np.ndarray:
    """Compute map positions (..., 2) as means of ``points`` (..., k, 2), with weights that increase with ``cosines``.

    ``cosines`` (..., k) are the similarities of the neighbors at ``points``.
    """
    weights = np.exp(10 * (cosines - cosines.max(axis=-1, keepdims=True)))
    return (weights[..., None] * points).sum(axis=-2) / weights.sum(axis=-1, keepdims=True)


SAME_COSINE = 2e-6
"""Maximum difference between cosines that are treated as equal, which allows for ``float32`` rounding."""


def directions(X: np.ndarray) -> np.ndarray:
    """Convert embeddings (N, D) to ``float32`` with unit norm, so that inner products are cosines.

    Hashes are compared by Hamming distance h. With values -1 and 1 (`signed`), the cosine of two hashes is 1 - 2 h / D.
    """
    X = np.asarray(X, np.float32)
    return unit(signed(X) if is_hash(X) else X, np.float32)


def is_hash(X: np.ndarray) -> bool:
    """Return whether all embedding values are 0 or 1."""
    return bool(((X == 0) | (X == 1)).all())


def signed(X: np.ndarray) -> np.ndarray:
    return 2 * X - 1


def ranks(
    queries: np.ndarray,
    originals: np.ndarray,
    gallery: Iterable[np.ndarray],
    query_photographs: np.ndarray,
    gallery_photographs: np.ndarray,
) -> np.ndarray:
    """Count the gallery images that are at least as similar to each query as its original.

    Gallery images of the query's photograph are excluded, because retrieving them is not an error. At most one gallery
    block and `BLOCK_NUMBERS` cosines are kept in memory.

    Args:
        queries: (Q, D) embeddings with unit norm (`directions`).
        originals: (Q, D) embeddings of the originals, with unit norm.
        gallery: blocks (n, D) of N embeddings with unit norm.
        query_photographs, gallery_photographs: (Q,) and (N,) photograph of each embedding, as a number.

    Returns:
        (Q,) number of images for each query.

    Raises:
        BadArray: ``queries`` and ``originals`` have different shapes.
    """
    if queries.shape != originals.shape:
        raise BadArray(f"Queries and originals must have the same shape; got {queries.shape} and {originals.shape}.")
    to_original = np.einsum("ij,ij->i", queries, originals) - SAME_COSINE
    ahead = np.zeros(len(queries), np.int64)
    start = 0
    for block in gallery:
        photographs = gallery_photographs[start : start + len(block)]
        start += len(block)
        step = max(1, BLOCK_NUMBERS // max(1, len(block)))
        for first in range(0, len(queries), step):
            part = slice(first, first + step)
            nearer = queries[part] @ block.T >= to_original[part, None]
            nearer &= query_photographs[part, None] != photographs
            ahead[part] += nearer.sum(1)
    return ahead


UNRELATED = 0.001
"""False positive rate of duplicate detection on unrelated pairs, used to compare models."""

KEPT = 4
"""Ratio of stored pairs to pairs above the threshold. Thresholds in bootstrap samples must be among the stored pairs.
"""

CHUNK_NUMBERS = 2**22
"""Maximum number of bootstrap pair weights per chunk."""


@dataclass(frozen=True, eq=False)
class UnrelatedPairs:
    """The most similar pairs of images of different photographs.

    Attributes:
        cosines: (M,) cosine similarities in decreasing order.
        first, second: (M,) photograph index of the first and second image of each pair.
        pairs: total number of pairs, including those that are not stored.
        images: (C,) number of images per photograph.
    """

    cosines: np.ndarray
    first: np.ndarray
    second: np.ndarray
    pairs: int
    images: np.ndarray


def unrelated_pairs(X: np.ndarray, photographs: np.ndarray, share: float) -> UnrelatedPairs:
    """Find the most similar pairs of images of different photographs.

    Args:
        X: (N, D) embeddings with unit norm. N x N cosines are computed.
        photographs: (N,) base photograph of each image.
        share: fraction of pairs above the threshold. `KEPT` times as many pairs are returned.

    Raises:
        BadArray: there are fewer than two photographs.
    """
    ids, photograph = numbered(photographs)
    images = np.bincount(photograph, minlength=len(ids))
    if len(ids) < 2:
        raise BadArray(f"Unrelated pairs require at least two photographs, but got {len(ids)}.")
    first, second = np.triu_indices(len(X), 1)
    unrelated = photograph[first] != photograph[second]
    first, second = first[unrelated], second[unrelated]
    cosines = (X @ X.T)[first, second]
    count = min(len(cosines), int(np.ceil(KEPT * share * len(cosines))) + 1)
    (best,) = largest(cosines[None], count)
    return UnrelatedPairs(cosines[best], photograph[first[best]], photograph[second[best]], len(cosines), images)


def threshold(unrelated: UnrelatedPairs, share: float) -> Interval:
    """Estimate the smallest cosine that is exceeded by at most a fraction ``share`` of unrelated pairs.

    The bootstrap resamples photographs with all pairs between them. As in the estimate, pairs of images of the same
    photograph are excluded, even if it is drawn twice. There is no interval for fewer than 20 photographs.
    """
    photographs = len(unrelated.images)
    limit = min(len(unrelated.cosines), int(np.ceil(KEPT * share * unrelated.pairs)) + 1)
    cosines, first, second = (values[:limit] for values in (unrelated.cosines, unrelated.first, unrelated.second))

    def score(drawn: np.ndarray) -> np.ndarray:
        weights = np.atleast_2d(drawn)
        step = max(1, CHUNK_NUMBERS // limit)
        at = [_place(weights[i : i + step]) for i in range(0, len(weights), step)]
        return cosines[np.concatenate(at)].reshape(np.shape(drawn)[:-1])

    def _place(weights: np.ndarray) -> np.ndarray:
        of_photographs = weights * unrelated.images
        pairs = (of_photographs.sum(1) ** 2 - (of_photographs**2).sum(1)) / 2
        above = np.cumsum(weights[:, first] * weights[:, second], axis=1)
        return np.minimum((above <= share * pairs[:, None] + 1e-9).sum(1), limit - 1)

    sums = ClusterSums(np.eye(photographs), score)
    return interval(sums) if photographs >= MIN_CLUSTERS_FOR_BOOTSTRAP else without_interval(sums)


NEAREST = 10
"""Default number of neighbors, as in PathoROB and Ramos et al."""

RANDOM_DRAWS = 10
"""Number of galleries with random appearances over which the accuracy is averaged, as in Ramos et al."""


def same_look(X: np.ndarray, looks: np.ndarray, groups: np.ndarray, k: int = NEAREST, seed: int = 0) -> np.ndarray:
    """Count the nearest neighbors of each row of ``X`` that have the same appearance.

    Ties are ordered at random.

    Args:
        X: (N, D) embeddings with unit norm.
        looks: (N,) appearance of each row.
        groups: (N,) group of each row. Rows in the same group are excluded from the neighbors.
        k: number of neighbors.

    Returns:
        (N,) number of neighbors with the same appearance.
    """

    shuffled = np.random.default_rng(seed).permutation(len(X))
    X, looks, groups = X[shuffled], looks[shuffled], groups[shuffled]
    neighbors, cosines = nearest(X, X, min(k, len(X) - 1), groups=(groups, groups))
    matches = ((looks[neighbors] == looks[:, None]) & np.isfinite(cosines)).sum(1)
    return matches[np.argsort(shuffled)]


def content_accuracy(
    queries: np.ndarray, gallery: np.ndarray, truth: np.ndarray, labels: np.ndarray, k: int, seed: int = 0
) -> np.ndarray:
    """Compute the k-NN accuracy (P,) of each query image, averaged over its appearances.

    In each of `RANDOM_DRAWS` draws, every gallery image has a random appearance (the setting "uniform" in arXiv
    2508.10637). Ties between labels are broken by similarity.

    Args:
        queries, gallery: (P, T, D) and (G, T, D) embeddings with unit norm, of every image in every appearance.
        truth, labels: (P,) and (G,) class indices.
    """
    looks = queries.shape[1]
    flat = np.ascontiguousarray(gallery.transpose(1, 0, 2)).reshape(
        -1, gallery.shape[2]
    )  # one appearance after the other
    hits = np.zeros(len(queries))
    drawn = np.random.default_rng(seed).integers(looks, size=(RANDOM_DRAWS, len(gallery)))
    places = np.arange(len(gallery))
    for look in range(looks):
        cosines = (queries[:, look] @ flat.T).reshape(len(queries), looks, len(gallery))
        offered = np.stack([cosines[:, chosen, places] for chosen in drawn], axis=1)
        hits += _votes(offered, labels, truth, k).mean(1) / looks
    return hits


def _votes(cosines: np.ndarray, labels: np.ndarray, truth: np.ndarray, k: int) -> np.ndarray:
    """Return whether the most frequent label among the ``k`` largest ``cosines`` (P, S, G) is correct: (P, S)."""
    size, classes = min(k, cosines.shape[2]), int(labels.max()) + 1
    neighbors = largest(cosines.reshape(-1, cosines.shape[2]), size).reshape(*cosines.shape[:2], size)
    weight = 1 + (np.take_along_axis(cosines, neighbors, axis=2) + 2) / (
        4 * size
    )  # the similarity terms sum to less than 1, so they only break ties
    rows = np.arange(neighbors.shape[0] * neighbors.shape[1]).repeat(size)
    flat = rows * classes + labels[neighbors].ravel()
    votes = np.bincount(flat, weight.ravel(), neighbors.shape[0] * neighbors.shape[1] * classes)
    return votes.reshape(*neighbors.shape[:2], classes).argmax(2) == truth[:, None]


MEASURES = (
    fraction(
        name="original-found",
        title="recall of the original",
        higher_is_better=True,
        definition="Fraction of transformed samples whose original is among the k nearest clean images.",
        formula="fraction of queries for which fewer than k others have cos(query, other) ≥ cos(query, original)",
        source="recall at k",
    ),
    Measure(
        name="duplicate-threshold",
        title="duplicate threshold",
        unit="cosine",
        low=-1.0,
        high=1.0,
        higher_is_better=None,
        definition="The cosine similarity exceeded by a given fraction of pairs of different photographs.",
        formula="the smallest t for which the fraction of pairs i, j of photographs with cos(zᵢ, zⱼ) > t is ≤ α",
        source="quantile of a two-sample U-statistic",
    ),
    fraction(
        name="copies-kept",
        title="recall of edited copies",
        higher_is_better=True,
        definition="Fraction of edited copies whose cosine similarity to the original exceeds the duplicate threshold.",
        formula="fraction of images with cos(z, z′) > t",
        source="true positive rate at a fixed false positive rate",
    ),
    fraction(
        name="content-by-neighbors",
        title="k-NN accuracy of content",
        higher_is_better=True,
        definition="Fraction of images whose label is the most frequent label among their nearest neighbors in a "
        "gallery of randomly transformed images.",
        formula="fraction of queries whose label is the most frequent among their k nearest neighbors",
        source="Ramos et al., ICCV 2025, arXiv 2508.10637",
    ),
    fraction(
        name="same-look",
        title="neighbors with the same transformation",
        higher_is_better=True,
        definition="Fraction of nearest neighbors, among images of other photographs, with the same transformation.",
        formula="fraction of the k nearest neighbors from other photographs that have the query's transformation",
        source="precision at k",
    ),
)
