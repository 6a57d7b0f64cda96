"""Is it in the embedding, or did the probe learn it? Control tasks."""

from __future__ import annotations

import numpy as np

from probing_core.measures.base import Measure


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
)
