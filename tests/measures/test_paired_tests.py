"""Intervals of differences next to p-values of sign flips."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from probing_core.compute.evaluation.claim_tests import Contrast, contrast_table
from probing_core.compute.task_names import FINE
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.paired_tests import sign_flips
from probing_core.results.ranking import AccuracySums, paired_p

PREDICTIONS = 31


def two_models(gained: list[int]) -> tuple[AccuracySums, AccuracySums]:
    """Return the scores of two models. The first has ``gained`` more correct predictions for each photograph."""
    clusters = np.repeat(np.arange(len(gained)), PREDICTIONS)
    at = np.tile(np.arange(PREDICTIONS), len(gained))
    right = [at < np.repeat(np.maximum(sign * np.array(gained), 0), PREDICTIONS) for sign in (1, -1)]
    bases = np.array([f"{i:04}" for i in range(len(gained))])
    truth = np.zeros(len(at), int)
    first, second = (AccuracySums(bases, (balanced_accuracy(truth, (~one).astype(int), clusters),)) for one in right)
    return first, second


GAINS = st.integers(0, 4) | st.just(PREDICTIONS)


@settings(max_examples=150, deadline=None)
@example([31] * 6, 0)  # all photographs differ equally: the Wilson interval of six photographs contains 0
@example([3] * 6, 0)
@example([1, 1, 1, 1, 1, 20], 0)  # the t interval contains 0
@example([1, 1, 1, 1, 1, 20], 144)  # Tango's interval contains 0
@example([1] * 14 + [31], 10)
@given(st.lists(GAINS, min_size=6, max_size=24), st.integers(0, 30))
def test_interval_of_a_significant_difference_excludes_zero(gained, without_difference):
    first, second = two_models(gained + [0] * without_difference)
    for models, sign in (((first, second), 1), ((second, first), -1)):
        (p,) = paired_p(models, [(0, 1)])
        gap = models[0].minus(models[1])
        assert gap.low <= gap.value <= gap.high
        if p <= 0.05:
            assert min(sign * gap.low, sign * gap.high) > 0, (p, gap)
    row = contrast_table({FINE: {"MAE": [first.sums], "CLIP": [second.sums]}}, [Contrast(2, "MAE", "CLIP", FINE)])
    if row["p"][0] <= 0.05:
        assert row["low"][0] > 0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-3, 6), min_size=6, max_size=30))
def test_interval_of_any_difference_agrees_with_sign_flips(gained):
    first, second = two_models(gained)
    gap = first.minus(second)
    assert gap.low <= gap.value <= gap.high
    if sign_flips(first.sums, second.sums) <= 0.05:
        assert gap.low > 0 or gap.high < 0


def test_five_photographs_have_no_interval_because_no_difference_can_be_significant():
    first, second = two_models([31] * 5)
    assert paired_p([first, second], [(0, 1)])[0] > 0.05
    assert first.minus(second).method == "none"


@pytest.mark.parametrize("photographs", [6, 8, 12])
def test_interval_of_equal_differences_is_not_empty(photographs):
    first, second = two_models([3] * photographs)
    gap = first.minus(second)
    assert gap.high - gap.low > 0.05
