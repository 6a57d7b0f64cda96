from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import fisher_exact

from probing_core.measures.exact_tests import fisher_p


def test_fisher_p_of_two_by_two_is_exact():
    counts = np.array([[10, 90], [0, 100]])
    assert fisher_p(counts, np.random.default_rng(0)) == pytest.approx(fisher_exact(counts).pvalue)
    empty = np.array([[10, 90, 0], [0, 100, 0], [0, 0, 0]])
    assert fisher_p(empty, np.random.default_rng(0)) == pytest.approx(fisher_exact(counts).pvalue)


def test_fisher_p_of_larger_tables_agrees_with_enumeration():
    # All tables with the totals (3, 3, 3) and (5, 4), enumerated.
    from itertools import product
    from math import comb

    counts = np.array([[3, 0], [2, 1], [0, 3]])
    weight = {
        cells: np.prod([comb(3, cell) for cell in cells]) for cells in product(range(4), repeat=3) if sum(cells) == 5
    }
    observed = weight[3, 2, 0]
    expected = sum(value for value in weight.values() if value <= observed) / sum(weight.values())
    assert fisher_p(counts, np.random.default_rng(0)) == pytest.approx(expected, abs=0.02)


def test_fisher_p_of_a_constant_is_one():
    assert fisher_p(np.array([[10], [20]]), np.random.default_rng(0)) == 1
