from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import numpy as np
import pytest

from probing_core.diffs.framing import FRAMING_EDITS
from probing_core.diffs.same_photograph import PATIENCE, photographs_of, same_photograph
from probing_core.transforms import resolve
from tests.diffs.photographs import photographs

EDITS = ("jpeg", "gaussian-blur", "brighten", "fog", "rotate", *FRAMING_EDITS)


@pytest.mark.parametrize("edit", EDITS)
def test_copies_are_the_same_photograph(edit):
    rng = np.random.default_rng(0)
    for image in photographs()[:3]:
        if edit in FRAMING_EDITS:
            copy = FRAMING_EDITS[edit](image, rng)
        else:
            transform = resolve(edit)
            copy = transform.apply(image, transform.strength_at(0.5), rng)
        assert same_photograph(image, copy)
        assert same_photograph(copy, image)


def test_different_photographs_are_not_the_same():
    assert not [pair for pair in combinations(photographs()[:6], 2) if same_photograph(*pair)]


def test_photographs_of_compares_only_the_most_similar_pairs():
    rng = np.random.default_rng(0)
    count, groups = 60, np.r_[0, 0, 0, 1, 1, 2 : 2 + 55]
    similarity = rng.uniform(0, 0.5, (count, count))
    similarity[groups[:, None] == groups] = 0.9
    similarity = np.maximum(similarity, similarity.T)
    compared = []

    def is_same(i: int, j: int) -> bool:
        compared.append((i, j))
        return bool(groups[i] == groups[j])

    with ThreadPoolExecutor(2) as pool:
        found = photographs_of(count, [similarity, similarity], is_same, pool)
    assert np.array_equal(found[:, None] == found, groups[:, None] == groups)
    assert len(compared) == len(set(compared)) <= 3 * PATIENCE
