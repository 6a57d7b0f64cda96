"""Drops between two scorecards: paired by photograph, corrected over the rows of a card."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import balanced_accuracy_score

from probing_core.compute.scorecard import drops, score_row
from probing_core.errors import BadConfig
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.cluster_sums import mean
from probing_core.measures.paired_tests import holm


def row(right: np.ndarray, name: str = "all"):
    """A row of one class whose hits by photograph are ``right`` (C, samples)."""
    bases = np.array([f"p{i:03d}" for i in range(len(right))])
    sums = mean(right.ravel(), np.repeat(bases, right.shape[1]))
    return score_row(("fine", name, "recall"), bases.tolist(), [sums])


def made(share: float, seed: int = 0, photographs: int = 60):
    return np.random.default_rng(seed).random((photographs, 20)) < share


def test_a_drop_is_the_mean_over_photographs_with_students_interval():
    before, now = made(0.8), made(0.6, 1)
    (found,) = drops([row(before)], [row(now)])
    gaps = before.mean(1) - now.mean(1)
    low, high = stats.t.interval(0.95, len(gaps) - 1, gaps.mean(), stats.sem(gaps))
    assert found.drop == pytest.approx(gaps.mean())
    assert (found.low, found.high) == (pytest.approx(low, abs=0.003), pytest.approx(high, abs=0.003))
    assert found.worse
    assert found.paired
    assert found.photographs == 60
    p = stats.ttest_1samp(now.mean(1) - before.mean(1), 0, alternative="less").pvalue * 2
    assert np.log10(found.p) == pytest.approx(np.log10(p), abs=2.0)


def test_a_drop_within_what_is_allowed_or_a_gain_is_no_failure():
    before, now = row(made(0.8)), row(made(0.6, 1))
    assert not drops([before], [now], allowed=0.2)[0].worse
    assert not drops([now], [before])[0].worse
    assert not drops([before], [before])[0].worse
    (same,) = drops([before], [before])
    assert (same.drop, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_photographs_that_all_agree_are_as_certain_as_all_flips_of_their_signs():
    for photographs in (6, 8, 40):
        (found,) = drops([row(np.ones((photographs, 2)))], [row(np.zeros((photographs, 2)))])
        assert found.p == pytest.approx(2.0 ** (1 - photographs), rel=1e-6)
        assert (found.drop, found.worse) == (1, True)
    many = drops([row(np.ones((6, 2)), str(i)) for i in range(4)], [row(np.zeros((6, 2)), str(i)) for i in range(4)])
    assert not any(found.worse for found in many), "1/32 times four rows"


def test_a_drop_is_found_by_pairs_that_two_intervals_would_hide():
    rng = np.random.default_rng(0)
    hard = rng.random((60, 1))  # photographs differ far more than the two models
    before = rng.random((60, 20)) < 0.2 + 0.75 * hard
    now = before & (rng.random((60, 20)) < 0.93)
    first, second = row(before), row(now)
    assert second.high > first.low
    assert drops([first], [second])[0].worse
    (unpaired,) = drops([replace(first, bases=(), sums=None)], [second])
    assert not unpaired.paired
    assert not unpaired.worse
    assert unpaired.drop == pytest.approx(first.value - second.value)


def test_a_score_of_several_probes_is_their_mean_and_its_drop_stays_paired():
    """Probes of one and of three classes: the mean is over the probes, not over the classes."""
    rng, bases = np.random.default_rng(5), np.array([f"p{i:03d}" for i in range(40)])

    def probe(share, classes):
        truth = np.tile(np.arange(classes), 40 * 4)
        predicted = np.where(rng.random(len(truth)) < share, truth, (truth + 1) % classes if classes > 1 else -1)
        return truth, predicted, np.repeat(bases, 4 * classes)

    made = {when: [probe(share, 1), probe(share - 0.1, 3)] for when, share in (("before", 0.9), ("now", 0.7))}
    cards = {
        when: score_row(("group", "unseen", "rate"), bases.tolist(), [balanced_accuracy(*one) for one in probes])
        for when, probes in made.items()
    }
    for when, probes in made.items():
        expected = np.mean([balanced_accuracy_score(truth, predicted) for truth, predicted, _ in probes[1:]])
        (truth, predicted, _), _ = probes
        assert cards[when].parts == (1, 3)
        assert cards[when].value == pytest.approx((np.mean(truth == predicted) + expected) / 2)
    (found,) = drops([cards["before"]], [cards["now"]])
    assert (found.worse, found.paired) == (True, True)
    assert found.drop == pytest.approx(cards["before"].value - cards["now"].value)

    def slow(rows, drawn):
        scores = []
        for truth, predicted, base in rows:
            at = np.concatenate([np.flatnonzero(base == one) for one in drawn])
            right = truth[at] == predicted[at]
            scores.append(np.mean([right[truth[at] == label].mean() for label in np.unique(truth)]))
        return np.mean(scores)

    draws = [rng.choice(bases, len(bases)) for _ in range(200)]
    spread = np.std([slow(made["before"], drawn) - slow(made["now"], drawn) for drawn in draws])
    assert (found.high - found.low) / 2 == pytest.approx(stats.t.ppf(0.975, 39) * spread, rel=0.2)


def test_rows_are_corrected_by_holm():
    shares = (0.6, 0.72, 0.75, 0.79, 0.8, 0.8)
    before = [row(made(0.8, i), str(i)) for i in range(6)]
    now = [row(made(share, 100 + i), str(i)) for i, share in enumerate(shares)]
    alone = [drops([one], [two])[0] for one, two in zip(before, now, strict=True)]
    together = drops(before, now)
    assert [found.p for found in together] == pytest.approx(holm([found.p for found in alone]).tolist())
    assert [found.worse for found in together] == [found.p <= 0.05 for found in together]
    assert [found.worse for found in together] == [found.low > 0 for found in together]
    for one, many in zip(alone, together, strict=True):
        assert many.high - many.low >= one.high - one.low


def test_false_alarms_are_rare_over_a_whole_card():
    alarms = 0
    for seed in range(60):
        before = [row(made(0.7, 1000 * seed + i, 40), str(i)) for i in range(8)]
        now = [row(made(0.7, 1000 * seed + 500 + i, 40), str(i)) for i in range(8)]
        alarms += any(found.worse for found in drops(before, now))
    assert alarms <= 6  # 5 % of 60 are 3


def test_what_cannot_be_compared_is_told():
    whole, few = row(made(0.8)), row(made(0.8, photographs=5))
    with pytest.raises(BadConfig, match="rests on 5 photographs of the split val, and an interval needs 6"):
        drops([few], [few])
    with pytest.raises(BadConfig, match="fine, other, recall, which this model now lacks"):
        drops([replace(whole, subset="other")], [whole])
    with pytest.raises(BadConfig, match="a fraction from 0 to 1; got 2"):
        drops([whole], [whole], allowed=2)
