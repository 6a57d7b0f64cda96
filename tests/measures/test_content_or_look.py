"""What lies near, against slow loops."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from probing_core.measures.content_or_look import content_accuracy, same_look
from probing_core.measures.nearest import unit


def test_same_looks_are_those_of_a_loop_without_the_own_photograph():
    rng = np.random.default_rng(0)
    looks, photographs = np.tile([0, 1, 2], 8), np.repeat(np.arange(8), 3)
    X = unit(rng.normal(size=(24, 5)))
    expected = []
    for i in range(24):
        others = [j for j in range(24) if photographs[j] != photographs[i]]
        near = sorted(others, key=lambda j: -X[i] @ X[j])[:4]
        expected.append(sum(looks[j] == looks[i] for j in near))
    assert same_look(X, looks, photographs, k=4).tolist() == expected


def voted(cosines: np.ndarray, labels: np.ndarray, k: int) -> int:
    near = np.argsort(-cosines)[:k]
    counts = Counter(labels[near].tolist())
    most = max(counts.values())
    return max((c for c in counts if counts[c] == most), key=lambda c: sum(cosines[i] for i in near if labels[i] == c))


@pytest.mark.parametrize("k", [1, 3])
def test_content_accuracy_is_that_of_loops_over_looks(k):
    rng = np.random.default_rng(0)
    truth, labels = rng.integers(3, size=12), np.append(np.arange(3), rng.integers(3, size=17))
    queries, gallery = unit(rng.normal(size=(12, 4, 5))), unit(rng.normal(size=(20, 4, 5)))
    found = content_accuracy(queries, gallery, truth, labels, k)
    drawn = np.random.default_rng(0).integers(4, size=(10, 20))
    random = [
        [[voted(gallery[np.arange(20), d] @ queries[i, own], labels, k) == truth[i] for d in drawn] for own in range(4)]
        for i in range(12)
    ]
    np.testing.assert_allclose(found, np.mean(random, axis=(1, 2)))
