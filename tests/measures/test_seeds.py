"""Intervals over trainings, beside SciPy's own."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from probing_core.measures.seeds import networks, pooled_deviation, seeds_difference, seeds_interval

FIRST, SECOND = [0.41, 0.44, 0.47, 0.43], [0.35, 0.38, 0.36]
PAIRS = [[0.60, 0.63], [0.55, 0.54], [0.61, 0.60], [0.58, 0.62], [0.50, 0.52], [0.57, 0.57]]


def test_the_interval_of_one_kind_is_that_of_t():
    assert seeds_interval(FIRST) == pytest.approx(stats.t.interval(0.95, 3, np.mean(FIRST), stats.sem(FIRST)))
    assert np.isnan(seeds_interval(FIRST[:2])).all()


def test_with_two_kinds_it_is_the_t_test_of_equal_variances():
    theirs = stats.ttest_ind(FIRST, SECOND, equal_var=True)
    low, high, p = seeds_difference(FIRST, SECOND, *pooled_deviation([FIRST, SECOND]))
    assert (low, high) == pytest.approx(tuple(theirs.confidence_interval(0.95)))
    assert p == pytest.approx(theirs.pvalue)
    assert seeds_difference(SECOND, FIRST, *pooled_deviation([FIRST, SECOND])) == pytest.approx((-high, -low, p))


def test_six_pairs_have_six_degrees_of_freedom_and_the_error_of_an_analysis_of_variance():
    deviation, freedom = pooled_deviation(PAIRS)
    assert freedom == 6
    scores = np.array(PAIRS)
    assert deviation**2 == pytest.approx(scores.var(axis=1, ddof=1).mean())
    between = 2 * scores.mean(axis=1).var(ddof=1)
    assert between / deviation**2 == pytest.approx(stats.f_oneway(*PAIRS).statistic)
    low, high, p = seeds_difference(PAIRS[0], PAIRS[4], deviation, freedom)
    effect = 0.615 - 0.51
    assert p == pytest.approx(2 * stats.t.sf(effect / deviation, 6))
    assert (low + high) / 2 == pytest.approx(effect)
    assert (high - low) / 2 == pytest.approx(stats.t.ppf(0.975, 6) * deviation)


def test_one_training_adds_nothing_and_few_degrees_of_freedom_give_no_test():
    assert pooled_deviation([*PAIRS, [0.9]]) == pooled_deviation(PAIRS)
    assert np.isnan(pooled_deviation([[0.1], [0.2]])[0])
    assert np.isnan(seeds_difference(PAIRS[0], PAIRS[1], *pooled_deviation(PAIRS[:3]))).all()
    assert np.isfinite(seeds_difference([0.9], PAIRS[1], *pooled_deviation([*PAIRS, [0.9]]))).all()
    assert np.isnan(seeds_difference([], PAIRS[1], *pooled_deviation(PAIRS))).all()


def test_trainings_that_score_alike_differ_surely_or_not_at_all():
    alike = pooled_deviation([[0.5] * 3, [0.25] * 3])
    assert seeds_difference([0.5] * 3, [0.5] * 3, *alike) == (0, 0, 1)
    assert seeds_difference([0.5] * 3, [0.25] * 3, *alike) == (0.25, 0.25, 0)


def test_a_network_counts_once_whatever_its_seeds_and_blocks():
    models = ["a", "a@layer=4", "a@seed=1", "b@layer=2", "c@layer=1@seed=1", "c@layer=1"]
    assert networks(models) == ["a", "b@layer=2", "c@layer=1"]
