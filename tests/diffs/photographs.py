"""Packaged photographs for tests of comparisons, at small sizes."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from probing_core.corpora import open_corpus
from probing_core.diffs.candidates import SLOW, Candidate, candidates


@cache
def photographs(side: int = 160) -> tuple[np.ndarray, ...]:
    """Return photographs with a longer side of ``side`` pixels."""
    images = [image for _, image in open_corpus("photos").photographs()]
    scales = [side / max(image.shape) for image in images]
    return tuple(
        cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        for image, scale in zip(images, scales, strict=True)
    )


@cache
def quick_candidates() -> tuple[Candidate, ...]:
    """Return the candidates without those that take long, for tests in which they cannot be the answer."""
    return tuple(entry for entry in candidates() if entry.tier != SLOW)
