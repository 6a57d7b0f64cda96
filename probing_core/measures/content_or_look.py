"""Whether what lies near an embedding shares its look, and whether its neighbors tell its label."""

from __future__ import annotations

import numpy as np

from probing_core.measures.base import fraction
from probing_core.measures.nearest import BLOCK_NUMBERS

NEAREST = 10
"""Neighbors that are looked at, as PathoROB and Ramos et al. do."""

RANDOM_DRAWS = 10
"""Galleries of random look over which accuracy is averaged, as Ramos et al. do."""


def same_look(X: np.ndarray, looks: np.ndarray, apart: np.ndarray, k: int = NEAREST, seed: int = 0) -> np.ndarray:
    """Return (N,) how many of the ``k`` nearest of every picture have its look; equal ones come in a random order.

    Args:
        X: (N, D) embeddings at length 1.
        looks: (N,) numbers of transformations.
        apart: (N,) numbers of photographs: pictures of a query's own are none of its neighbors.
    """
    shuffled = np.random.default_rng(seed).permutation(len(X))
    X, looks, apart = X[shuffled], looks[shuffled], apart[shuffled]
    found = np.empty(len(X), np.int64)
    size, step = min(k, len(X) - 1), max(1, BLOCK_NUMBERS // len(X))
    for start in range(0, len(X), step):
        part = slice(start, start + step)
        allowed = np.where(apart[part, None] == apart, np.inf, -(X[part] @ X.T))
        near = np.argpartition(allowed, size - 1, axis=1)[:, :size]
        found[part] = ((looks[near] == looks[part, None]) & (apart[near] != apart[part, None])).sum(1)
    return found[np.argsort(shuffled)]


def content_accuracy(
    queries: np.ndarray, gallery: np.ndarray, truth: np.ndarray, labels: np.ndarray, k: int, seed: int = 0
) -> np.ndarray:
    """Return (P,) the share of looks under which the label of a query is that of most of its ``k`` nearest.

    Each picture of the gallery has a random look, in `RANDOM_DRAWS` draws (uniform in arXiv 2508.10637). Of labels that
    are equally frequent the nearer one counts.

    Args:
        queries: (P, T, D) embeddings at length 1, of every picture in every look.
        gallery: (G, T, D) likewise.
        truth, labels: (P,) and (G,) numbers of classes from 0.
    """
    looks = queries.shape[1]
    flat = np.ascontiguousarray(gallery.transpose(1, 0, 2)).reshape(-1, gallery.shape[2])  # look by look
    hits = np.zeros(len(queries))
    drawn = np.random.default_rng(seed).integers(looks, size=(RANDOM_DRAWS, len(gallery)))
    places = np.arange(len(gallery))
    for look in range(looks):
        cosines = (queries[:, look] @ flat.T).reshape(len(queries), looks, len(gallery))
        offered = np.stack([cosines[:, chosen, places] for chosen in drawn], axis=1)
        hits += _votes(offered, labels, truth, k).mean(1) / looks
    return hits


def _votes(cosines: np.ndarray, labels: np.ndarray, truth: np.ndarray, k: int) -> np.ndarray:
    """Return (P, S) whether the label of most of the ``k`` nearest among ``cosines`` (P, S, G) is the true one."""
    size, classes = min(k, cosines.shape[2]), int(labels.max()) + 1
    near = np.argpartition(-cosines, size - 1, axis=2)[..., :size]
    weight = 1 + (np.take_along_axis(cosines, near, axis=2) + 2) / (4 * size)  # less than 1 in all: it breaks ties
    rows = np.arange(near.shape[0] * near.shape[1]).repeat(size)
    flat = rows * classes + labels[near].ravel()
    votes = np.bincount(flat, weight.ravel(), near.shape[0] * near.shape[1] * classes)
    return votes.reshape(*near.shape[:2], classes).argmax(2) == truth[:, None]


MEASURES = (
    fraction(
        name="content-by-neighbors",
        title="content by neighbors",
        higher_is_better=True,
        definition="Share of pictures whose label is that of most of their nearest, by whose look the gallery has.",
        formula="share of queries whose label is the most frequent of their k nearest",
        source="Ramos et al., ICCV 2025, arXiv 2508.10637",
    ),
    fraction(
        name="same-look",
        title="same look nearby",
        higher_is_better=True,
        definition="Of the nearest pictures of other photographs, the share under the same transformation.",
        formula="share of the k nearest, the own photograph left out, under the query's transformation",
        source="precision at k",
    ),
)
