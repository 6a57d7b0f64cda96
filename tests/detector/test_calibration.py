"""Conformal p-values and what is enough for a level."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from probing_core.detector.calibration import calibration_of, error_holds, is_enough, p_values


def test_p_is_the_rank_among_untouched_photographs():
    untouched = np.array([3.0, 1.0, 2.0, 2.0])
    scores = np.array([0.0, 1.0, 1.5, 2.0, 3.0, 9.0])
    by_hand = [(1 + (untouched >= score).sum()) / 5 for score in scores]
    np.testing.assert_allclose(p_values(scores, untouched), by_hand)
    assert p_values(scores, untouched)[-1] == pytest.approx(1 / 5)


@pytest.mark.parametrize("level", [0.01, 0.05, 0.2])
def test_untouched_pictures_of_the_same_source_alarm_at_most_at_the_level(level):
    rng = np.random.default_rng(0)
    rates = [np.mean(p_values(rng.normal(size=50), rng.normal(size=199)) <= level) for _ in range(400)]
    assert np.mean(rates) == pytest.approx(level, abs=0.01)


def test_a_level_needs_five_photographs_beyond_it():
    assert [is_enough(n, 0.05) for n in (99, 100)] == [False, True]
    assert [is_enough(n, 0.01) for n in (499, 500)] == [False, True]


def test_an_error_holds_unless_it_is_surprisingly_large():
    p = np.linspace(0, 1, 101)[1:]
    assert error_holds(p, 0.05, 200)
    assert error_holds(np.ones(100), 0.05, 200)
    assert not error_holds(p / 5, 0.05, 200)  # a quarter at or below the level


@pytest.mark.parametrize(("n", "calibrated_on"), [(100, 200), (40, 100)])
def test_the_number_of_alarms_is_beta_binomial(n, calibrated_on):
    from scipy.stats import betabinom

    beyond = int(0.05 * (calibrated_on + 1))
    chance = betabinom(n, beyond, calibrated_on + 1 - beyond)
    most = max(k for k in range(n + 1) if chance.sf(k - 1) > 0.05)
    p = np.linspace(0.06, 1, n)
    for alarms, holds in ((most, True), (most + 1, False)):
        p[:alarms] = 0.01
        assert error_holds(p, 0.05, calibrated_on) is holds


def test_pictures_of_the_same_source_hold_19_times_of_20():
    rng = np.random.default_rng(0)
    held = []
    for _ in range(400):
        untouched = rng.normal(size=203)
        held.append(error_holds(p_values(rng.normal(size=101), untouched), 0.05, 203))
    assert np.mean(held) > 0.93


def rows(kind: str, role: str, scores: np.ndarray, maker: str = "as it is") -> pd.DataFrame:
    return pd.DataFrame(
        {"role": role, "size": kind, "maker": maker, "transform": "identity", "no_color": False, "score": scores}
    )


def test_large_pictures_count_only_if_their_error_holds():
    rng = np.random.default_rng(0)
    calibrating = [
        rows("view", "calibrate", rng.normal(size=120)),
        rows("view", "calibrate", rng.normal(size=120), "turned gray"),
        rows("large", "calibrate", rng.normal(size=110)),
    ]
    good = calibration_of(pd.concat([*calibrating, rows("large", "report", rng.normal(size=90))]))
    bad = calibration_of(pd.concat([*calibrating, rows("large", "report", rng.normal(size=90) + 2)]))
    none = calibration_of(pd.concat(calibrating))
    few = calibration_of(pd.concat([*calibrating, rows("large", "report", rng.normal(size=30))]))
    assert [len(c.large) for c in (good, bad, none, few)] == [110, 0, 0, 0]
    assert [len(good.view), len(good.gray)] == [120, 120]


def test_pictures_without_color_do_not_calibrate_those_with_color():
    table = rows("view", "calibrate", np.arange(4.0)).assign(no_color=[True, False, False, True])
    assert sorted(calibration_of(table).view) == [1, 2]
