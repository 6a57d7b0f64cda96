"""Is it in the embedding, or did the probe learn it? Control tasks and codelength."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from probing_core.errors import BadArray
from probing_core.measures.base import Measure

FRACTIONS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.0625, 0.125, 0.25, 0.5, 1.0)
"""Shares of the images after which the next block is coded (Voita & Titov 2020)."""


def control_labels(types: np.ndarray, classes: int, seed: int = 0) -> np.ndarray:
    """Return the labels (N,) of a control task: each type has one random class (Hewitt & Liang 2019).

    A probe can only memorize them. Selectivity is the task's accuracy less the control's.

    Args:
        types: (N,) ids that recur in every split (clusters of embeddings); a type of a single image would be
            new in the test split, and nothing about it could be learned.
    """
    ids, row = np.unique(types, return_inverse=True)
    # Every class serves as many types as any other, give or take one.
    return np.random.default_rng(seed).permutation(np.arange(len(ids)) % classes)[row]


def codelength(
    surprise: Callable[[np.ndarray, np.ndarray], float],
    images: np.ndarray,
    classes: int,
    seed: int = 0,
) -> float:
    """Return the bits that the labels cost when each block is coded by a probe of all blocks before it.

    The online code of Voita & Titov (2020): L = t1 log2 K - sum log2 p(block | blocks before). Blocks are made of
    whole images, in an order drawn from ``seed``: in that of a corpus, which may be by label, a block would be unlike
    the one before. They end after `FRACTIONS` of the images; ends that coincide are one.

    Args:
        surprise: (rows to learn from, rows to code) -> summed -log p(truth) of the second, in nats.
        images: (N,) image ids.
        classes: K.

    Raises:
        BadArray: fewer than two images.
    """
    ids, row = np.unique(images, return_inverse=True)
    if len(ids) < 2:
        raise BadArray(f"A codelength needs at least two images, but there are {len(ids)}; give more.")
    place = np.random.default_rng(seed).permutation(len(ids))[row]
    ends = sorted({max(1, round(fraction * len(ids))) for fraction in FRACTIONS})
    bits = float((place < ends[0]).sum() * np.log2(classes))
    for start, end in pairwise(ends):
        known, coded = np.flatnonzero(place < start), np.flatnonzero((place >= start) & (place < end))
        bits += surprise(known, coded) / np.log(2)
    return bits


def compression(bits: float, samples: int, classes: int) -> float:
    """Return how many times shorter the code is than coding every label with log2 K bits."""
    return samples * float(np.log2(classes)) / bits


MEASURES = (
    Measure(
        name="selectivity",
        title="selectivity",
        unit="fraction",
        low=-1.0,
        high=1.0,
        higher_is_better=True,
        definition="Accuracy at the task, less that at a control task whose labels are drawn at random, one for "
        "each cluster of the model's own embeddings. Clusters are easier to learn in some spaces than in others, so "
        "compare a model's two accuracies, not models.",
        formula="accuracy(task) − accuracy(control task)",
        source="Hewitt & Liang 2019",
    ),
    Measure(
        name="codelength",
        title="online codelength",
        unit="bits",
        low=0.0,
        high=None,
        higher_is_better=False,
        definition="What the labels cost when each block is coded by a probe of all blocks before it.",
        formula="n₁ log₂ K − Σ_{b ≥ 2} Σ_{i in block b} log₂ p(yᵢ | xᵢ, blocks before b)",
        source="Voita & Titov 2020",
    ),
    Measure(
        name="compression",
        title="compression",
        unit="times",
        low=0.0,
        high=None,
        higher_is_better=True,
        definition="How many times shorter the online code is than one of equally likely classes.",
        formula="N log₂ K / codelength",
        source="Voita & Titov 2020",
    ),
)
