"""The cosine above which few pairs of unrelated photographs lie: a threshold for duplicates with a known error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from probing_core.errors import BadArray
from probing_core.measures.base import Measure, fraction
from probing_core.measures.cluster_sums import ClusterSums, numbered
from probing_core.measures.intervals import MIN_CLUSTERS_FOR_BOOTSTRAP, Interval, interval, without_interval

UNRELATED = 0.001
"""Share of unrelated pairs that a finder of duplicates may take for copies, where models are compared."""

KEPT = 4
"""Times the pairs that lie above a threshold are kept, so that resamples have theirs among them."""

CHUNK_NUMBERS = 2**22
"""Weights of resampled pairs that are in memory at once."""


@dataclass(frozen=True, eq=False)
class UnrelatedPairs:
    """The most similar of all pairs of pictures of different photographs.

    Attributes:
        cosines: (M,) in decreasing order.
        first, second: (M,) positions of their photographs.
        pairs: how many pairs there are in all.
        images: (C,) pictures of each photograph.
    """

    cosines: np.ndarray
    first: np.ndarray
    second: np.ndarray
    pairs: int
    images: np.ndarray


def unrelated_pairs(X: np.ndarray, photographs: np.ndarray, share: float) -> UnrelatedPairs:
    """Return the pairs among which the ``share`` most similar ones lie, those of one photograph left out.

    Args:
        X: (N, D) embeddings at length 1; N x N cosines are made of them.
        photographs: (N,) base photographs.

    Raises:
        BadArray: fewer than two photographs.
    """
    ids, photograph = numbered(photographs)
    images = np.bincount(photograph, minlength=len(ids))
    if len(ids) < 2:
        raise BadArray(f"Unrelated pairs need at least two photographs, but there are {len(ids)}; give more.")
    one, other = np.triu_indices(len(X), 1)
    apart = photograph[one] != photograph[other]
    one, other = one[apart], other[apart]
    cosines = (X @ X.T)[one, other]
    kept = min(len(cosines), int(np.ceil(KEPT * share * len(cosines))) + 1)
    best = np.argpartition(-cosines, kept - 1)[:kept]
    best = best[np.argsort(-cosines[best], kind="stable")]
    return UnrelatedPairs(cosines[best], photograph[one[best]], photograph[other[best]], len(cosines), images)


def threshold(found: UnrelatedPairs, share: float) -> Interval:
    """Return the least cosine above which no more than ``share`` of unrelated pairs lie.

    A bootstrap draws photographs, and with them all pairs of the drawn: both sides of a pair. Pairs of a photograph
    that was drawn twice with itself are left out, as in the estimate. No interval below 20 photographs.
    """
    photographs = len(found.images)
    most = min(len(found.cosines), int(np.ceil(KEPT * share * found.pairs)) + 1)
    cosines, first, second = (each[:most] for each in (found.cosines, found.first, found.second))

    def score(drawn: np.ndarray) -> np.ndarray:
        weights = np.atleast_2d(drawn)
        step = max(1, CHUNK_NUMBERS // most)
        at = [_place(weights[i : i + step]) for i in range(0, len(weights), step)]
        return cosines[np.concatenate(at)].reshape(np.shape(drawn)[:-1])

    def _place(weights: np.ndarray) -> np.ndarray:
        of_photographs = weights * found.images
        pairs = (of_photographs.sum(1) ** 2 - (of_photographs**2).sum(1)) / 2
        above = np.cumsum(weights[:, first] * weights[:, second], axis=1)
        return np.minimum((above <= share * pairs[:, None] + 1e-9).sum(1), most - 1)

    sums = ClusterSums(np.eye(photographs), score)
    return interval(sums) if photographs >= MIN_CLUSTERS_FOR_BOOTSTRAP else without_interval(sums)


MEASURES = (
    Measure(
        name="duplicate-threshold",
        title="threshold for duplicates",
        unit="cosine",
        low=-1.0,
        high=1.0,
        higher_is_better=None,
        definition="The cosine above which a stated share of pairs of unrelated photographs lies.",
        formula="the least t for which the share of pairs i, j of different photographs with cos(zᵢ, zⱼ) > t is ≤ α",
        source="quantile of a two-sample U-statistic",
    ),
    fraction(
        name="copies-kept",
        title="copies kept",
        higher_is_better=True,
        definition="Share of altered copies whose cosine to their original exceeds the threshold for duplicates.",
        formula="share of pictures with cos(z, z′) > t",
        source="true positive rate at a fixed false positive rate",
    ),
)
