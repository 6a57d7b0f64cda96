"""Two transformations in a row: does a probe of single ones find both?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from probing_core.measures.base import fraction


@dataclass(frozen=True, eq=False)
class PairHits:
    """For each sample (N,) bool: the first applied, the last applied, and both among the two top scores."""

    first: np.ndarray
    last: np.ndarray
    both: np.ndarray


def pair_hits(scores: np.ndarray, first: np.ndarray, last: np.ndarray) -> PairHits:
    """Return which of two transformations are among the two highest ``scores``.

    Args:
        scores: (N, K) of single transformations, identity left out; one sigmoid a class, so that two can be high.
        first, last: (N,) positions of the one applied first, and of the one applied to its result.
    """
    top = np.argsort(-scores, axis=1, kind="stable")[:, :2]
    found_first, found_last = (top == first[:, None]).any(1), (top == last[:, None]).any(1)
    return PairHits(found_first, found_last, found_first & found_last)


MEASURES = (
    fraction(
        name="composition-first",
        title="first of two found",
        higher_is_better=True,
        definition="Share of doubly transformed images whose first transformation is among the two top scores.",
        formula="images with the first transformation among the two top scores / images",
        source="protocol",
    ),
    fraction(
        name="composition-last",
        title="last of two found",
        higher_is_better=True,
        definition="Share of doubly transformed images whose last transformation is among the two top scores.",
        formula="images with the last transformation among the two top scores / images",
        source="protocol",
    ),
    fraction(
        name="composition-both",
        title="both of two found",
        higher_is_better=True,
        definition="Share of doubly transformed images whose two transformations are the two top scores.",
        formula="images whose two transformations are the two top scores / images",
        source="protocol",
    ),
)
