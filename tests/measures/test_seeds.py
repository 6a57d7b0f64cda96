"""Intervals over trainings, beside SciPy's own."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from probing_core.measures.seeds import seeds_difference, seeds_interval

FIRST, SECOND = [0.41, 0.44, 0.47, 0.43], [0.35, 0.38, 0.36]


def test_intervals_are_those_of_t_and_welch():
    found = seeds_interval(FIRST)
    assert found == pytest.approx(stats.t.interval(0.95, 3, np.mean(FIRST), stats.sem(FIRST)))
    theirs = stats.ttest_ind(FIRST, SECOND, equal_var=False)
    low, high, p = seeds_difference(FIRST, SECOND)
    assert (low, high) == pytest.approx(tuple(theirs.confidence_interval(0.95)))
    assert p == pytest.approx(theirs.pvalue)
    assert seeds_difference(SECOND, FIRST) == pytest.approx((-high, -low, p))


def test_fewer_than_three_trainings_have_no_interval():
    assert np.isnan(seeds_interval(FIRST[:2])).all()
    assert np.isnan(seeds_difference(FIRST, SECOND[:2])).all()
    assert np.isnan(seeds_difference([], SECOND)).all()


def test_trainings_that_score_alike_differ_surely_or_not_at_all():
    assert seeds_difference([0.5] * 3, [0.5] * 3) == (0, 0, 1)
    assert seeds_difference([0.5] * 3, [0.25] * 3) == (0.25, 0.25, 0)
