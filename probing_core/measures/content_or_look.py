"""Whether what lies near an embedding shares its content or its look, and what that does to its neighbors' labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from probing_core.measures.base import fraction
from probing_core.measures.cluster_sums import ClusterSums, numbered
from probing_core.measures.nearest import BLOCK_NUMBERS

NEAREST = 10
"""Neighbors that are looked at, as PathoROB and Ramos et al. do."""

RANDOM_DRAWS = 10
"""Galleries of random look over which accuracy is averaged, as Ramos et al. do."""


@dataclass(frozen=True, eq=False)
class NeighborKinds:
    """Among the nearest of each of Q pictures, how many share its content, its look, both or neither.

    Attributes:
        both, content, look, neither: (Q,) counts; ``content`` is of the same content and another look (SO of
            PathoROB), ``look`` of the same look and other content (OS).
        chance: the robustness index of neighbors that are drawn at random.
    """

    both: np.ndarray
    content: np.ndarray
    look: np.ndarray
    neither: np.ndarray
    chance: float

    def index(self, photographs: np.ndarray) -> ClusterSums:
        """Return the robustness index, SO / (SO + OS), as sums by photograph (arXiv 2507.17845)."""
        ids, row = numbered(photographs)
        sums = np.stack([np.bincount(row, each, len(ids)) for each in (self.content, self.look)], axis=1)
        return ClusterSums(sums, lambda totals: totals[..., 0] / np.maximum(totals.sum(-1), 1e-12))


def neighbor_kinds(
    X: np.ndarray,
    looks: np.ndarray,
    kinds: Mapping[str, tuple[np.ndarray, np.ndarray]],
    k: int = NEAREST,
    seed: int = 0,
) -> dict[str, NeighborKinds]:
    """Look at the ``k`` nearest of every picture among the others; equal ones come in a random order.

    Args:
        X: (N, D) embeddings at length 1.
        looks: (N,) numbers of transformations.
        kinds: name -> (N,) contents, and (N,) numbers of what is left out: pictures of a query's own number are none
            of its neighbors.
    """
    shuffled = np.random.default_rng(seed).permutation(len(X))
    X, looks = X[shuffled], looks[shuffled]
    groups = {name: (content[shuffled], apart[shuffled]) for name, (content, apart) in kinds.items()}
    nearest = {name: np.empty((len(X), min(k, len(X) - 1)), np.int64) for name in kinds}
    step = max(1, BLOCK_NUMBERS // len(X))
    for start in range(0, len(X), step):
        part = slice(start, start + step)
        cosines = X[part] @ X.T
        for name, (_, apart) in groups.items():
            allowed = np.where(apart[part, None] == apart, -np.inf, cosines)
            size = nearest[name].shape[1]
            nearest[name][part] = np.argpartition(-allowed, size - 1, axis=1)[:, :size]
    back = np.argsort(shuffled)
    return {name: _kinds(near, *groups[name], looks, back) for name, near in nearest.items()}


def _kinds(
    near: np.ndarray, content: np.ndarray, apart: np.ndarray, looks: np.ndarray, back: np.ndarray
) -> NeighborKinds:
    same, alike = content[near] == content[:, None], looks[near] == looks[:, None]
    counted = [(same & alike), (same & ~alike), (~same & alike), (~same & ~alike)]
    both, so, os, neither = (each.sum(1)[back] for each in counted)
    so_there = os_there = 0
    step = max(1, BLOCK_NUMBERS // len(looks))
    for start in range(0, len(looks), step):
        part = slice(start, start + step)
        allowed = apart[part, None] != apart
        equal, like = content[part, None] == content, looks[part, None] == looks
        so_there += int((allowed & equal & ~like).sum())
        os_there += int((allowed & ~equal & like).sum())
    return NeighborKinds(both, so, os, neither, so_there / max(so_there + os_there, 1))


SETTINGS = ("all-alike", "all-different", "same-class-alike", "others-alike", "random")
"""Looks of the gallery by the name of the setting; of Ramos et al. baseline, all-diff, pos-same, neg-same, uniform."""


def content_accuracy(
    queries: np.ndarray, gallery: np.ndarray, truth: np.ndarray, labels: np.ndarray, k: int, seed: int = 0
) -> dict[str, np.ndarray]:
    """Return how often the label of each query is that of most of its ``k`` nearest (arXiv 2508.10637).

    The look of a gallery is chosen apart for pictures of the query's class and for others: that of the query, or
    another one, over all ordered pairs of two looks; or random for each picture. Of labels that are equally frequent
    the nearer one counts.

    Args:
        queries: (P, T, D) embeddings at length 1, of every picture in every look.
        gallery: (G, T, D) likewise.
        truth, labels: (P,) and (G,) numbers of classes from 0.

    Returns:
        Setting (`SETTINGS`) -> (P,) shares over looks.
    """
    looks, own = queries.shape[1], truth[:, None] == labels  # (P, G)
    flat = np.ascontiguousarray(gallery.transpose(1, 0, 2)).reshape(-1, gallery.shape[2])  # look by look
    hits = {name: np.zeros(len(queries)) for name in SETTINGS}
    rng = np.random.default_rng(seed)
    drawn = rng.integers(looks, size=(RANDOM_DRAWS, len(gallery)))
    places = np.arange(len(gallery))
    for look in range(looks):
        cosines = (queries[:, look] @ flat.T).reshape(len(queries), looks, len(gallery))
        same = cosines[:, look : look + 1]
        different = np.delete(cosines, look, axis=1)
        random = np.stack([cosines[:, chosen, places] for chosen in drawn], axis=1)
        mine = own[:, None]
        galleries = (same, different, np.where(mine, same, different), np.where(mine, different, same), random)
        for name, offered in zip(SETTINGS, galleries, strict=True):
            hits[name] += _votes(offered, labels, truth, k).mean(1) / looks
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
        name="robustness-index",
        title="robustness index",
        higher_is_better=None,
        definition="Of neighbors that share either the content or the look, the share that shares the content.",
        formula="SO / (SO + OS) over the k nearest: SO of the same content and another look, OS of other content and "
        "the same look",
        source="PathoROB, arXiv 2507.17845",
    ),
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
