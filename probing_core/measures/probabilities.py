"""Softmax, and the smallest probabilities whose logarithms are taken."""

from __future__ import annotations

import numpy as np

MIN_PROBABILITY = 1e-30
"""Smallest probability in a loss or a fit: it keeps a logarithm finite, and bounds nothing else."""

MIN_SCORED_PROBABILITY = 1e-12
"""Smallest probability in a score: it bounds what one sample adds to a mean."""


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the probabilities of ``logits`` over the last axis, in their own precision."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)
