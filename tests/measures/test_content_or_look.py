"""The robustness index on a case counted by hand, and both measures against slow loops."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from probing_core.measures.content_or_look import SETTINGS, content_accuracy, neighbor_kinds
from probing_core.measures.nearest import unit


def at(degrees: list[float]) -> np.ndarray:
    angles = np.deg2rad(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_the_robustness_index_is_the_one_counted_by_hand():
    """Two photographs, A and B, in two looks, 0 and 1, on a circle: A0 at 0, B0 at 10, A1 at 25, B1 at 60 degrees.

    The nearest of A0 is B0 (OS), of B0 it is A0 (OS), of A1 it is B0 (neither), of B1 it is A1 (OS). Of two neighbors:
    A0: B0 and A1 (SO); B0: A0 and A1 (neither); A1: B0 and A0 (SO); B1: A1 and B0 (SO).
    """
    X, photographs, looks = at([0, 10, 25, 60]), np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    kinds = {"photograph": (photographs, np.arange(4))}
    one = neighbor_kinds(X, looks, kinds, k=1)["photograph"]
    assert [one.content.tolist(), one.look.tolist(), one.neither.tolist()] == [[0] * 4, [1, 1, 0, 1], [0, 0, 1, 0]]
    assert one.index(photographs).value == 0
    two = neighbor_kinds(X, looks, kinds, k=2)["photograph"]
    assert [two.content.tolist(), two.look.tolist()] == [[1, 0, 1, 1], [1, 1, 0, 1]]
    assert two.index(photographs).value == 3 / 6
    assert two.chance == 4 / 8  # each has one picture of either kind


def test_the_own_photograph_is_left_out_where_labels_are_the_content():
    """Three photographs a label: without the own one, the next photograph's look decides."""
    rng = np.random.default_rng(0)
    labels, looks = np.repeat(np.arange(4), 6), np.tile([0, 1], 12)
    photographs = np.repeat(np.arange(12), 2)
    X = unit(rng.normal(size=(24, 5)))
    found = neighbor_kinds(X, looks, {"label": (labels, photographs)}, k=3)["label"]
    counts, chance = np.zeros((24, 4), int), np.zeros(2)
    for i in range(24):
        allowed = [j for j in range(24) if photographs[j] != photographs[i]]
        for j in sorted(allowed, key=lambda j: -X[i] @ X[j])[:3]:
            counts[i, 2 * (labels[j] != labels[i]) + (looks[j] != looks[i])] += 1
        chance[0] += sum(labels[j] == labels[i] and looks[j] != looks[i] for j in allowed)
        chance[1] += sum(labels[j] != labels[i] and looks[j] == looks[i] for j in allowed)
    assert np.stack([found.both, found.content, found.look, found.neither], 1).tolist() == counts.tolist()
    assert found.chance == chance[0] / chance.sum()
    index = found.index(photographs)
    assert index.value == counts[:, 1].sum() / counts[:, 1:3].sum()
    assert len(index.sums) == 12


def test_embeddings_of_content_alone_have_an_index_of_one_and_of_look_alone_of_zero():
    rng = np.random.default_rng(0)
    photographs, looks = np.arange(30).repeat(6), np.tile(np.arange(6), 30)
    for axis, expected in ((photographs, 1.0), (looks, 0.0)):
        X = unit(rng.normal(size=(30, 40))[axis] + rng.normal(0, 0.01, (180, 40)))
        found = neighbor_kinds(X, looks, {"photograph": (photographs, np.arange(180))}, k=5)["photograph"]
        assert found.index(photographs).value == expected


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
    assert tuple(found) == SETTINGS
    hits = {name: np.zeros((12, 0)) for name in SETTINGS}
    for own in range(4):
        for other in range(4):
            names = {
                "all-alike": (own, own),
                "all-different": (other, other),
                "same-class-alike": (own, other),
                "others-alike": (other, own),
            }
            for name, (mine, theirs) in names.items():
                if (own == other) != (name == "all-alike"):
                    continue
                column = []
                for i in range(12):
                    offered = np.where((labels == truth[i])[:, None], gallery[:, mine], gallery[:, theirs])
                    column.append(voted(offered @ queries[i, own], labels, k) == truth[i])
                hits[name] = np.column_stack([hits[name], column])
    for name in SETTINGS[:-1]:
        np.testing.assert_allclose(found[name], hits[name].mean(1), err_msg=name)
    drawn = np.random.default_rng(0).integers(4, size=(10, 20))
    random = [
        [[voted(gallery[np.arange(20), d] @ queries[i, own], labels, k) == truth[i] for d in drawn] for own in range(4)]
        for i in range(12)
    ]
    np.testing.assert_allclose(found["random"], np.mean(random, axis=(1, 2)))


def test_looks_that_overrule_content_tell_the_settings_apart():
    """Where the look outweighs the content, neighbors of the own look help if they are of the own class alone."""
    rng = np.random.default_rng(0)
    content, look = 0.6 * rng.normal(size=(3, 40)), rng.normal(size=(4, 40))
    truth, labels = np.arange(30) % 3, np.arange(60) % 3
    queries, gallery = (
        unit(content[of][:, None] + look + rng.normal(0, 0.2, (len(of), 4, 40))) for of in (truth, labels)
    )
    found = {name: hits.mean() for name, hits in content_accuracy(queries, gallery, truth, labels, 10).items()}
    assert found["same-class-alike"] > 0.95
    assert found["others-alike"] < 0.2
    assert found["others-alike"] < found["random"] <= found["same-class-alike"]
