"""P-values, their calibration, and verdicts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from probing_core.compute.live import Prediction, word
from probing_core.detector.verdicts import (
    Calibration,
    Judge,
    alarms,
    calibration_of,
    error_holds,
    is_enough,
    p_values,
    power_of,
    score_of,
    what_was_done,
)


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


@pytest.mark.parametrize(("n", "calibrated_on"), [(100, 200), (40, 100)])
def test_the_number_of_alarms_is_beta_binomial(n, calibrated_on):
    from scipy.stats import betabinom

    beyond = int(0.05 * (calibrated_on + 1))
    chance = betabinom(n, beyond, calibrated_on + 1 - beyond)
    most = max(k for k in range(n + 1) if chance.sf(k - 1) > 0.05)
    p = np.linspace(0.06, 1, n)
    for alarming, holds in ((most, True), (most + 1, False)):
        p[:alarming] = 0.01
        assert error_holds(p, 0.05, calibrated_on) is holds


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


CLASSES = ("identity", "sepia", "gaussian-blur", "motion-blur")
GROUPS = ("identity", "color", "blur", "blur")
NO_SCORES = np.array([])


def prediction(*probabilities: float, whole: tuple[float, ...] = ()) -> Prediction:
    p = np.array(probabilities)
    each = np.array([whole or p, p])[: 2 if whole else 1]
    return Prediction("m", CLASSES, GROUPS, p, each, np.zeros(3))


def judge(n: int = 199, **changes) -> Judge:
    # Scores of untouched photographs spread evenly from -10 to 0.
    scores = np.linspace(-10, 0, n)
    return Judge(replace(Calibration(scores, scores - 5, NO_SCORES), **changes), None)


BLURRED = prediction(0.01, 0.04, 0.5, 0.45)
CLEAN = prediction(0.97, 0.01, 0.01, 0.01)


def test_untouched_and_altered():
    untouched, altered = judge().verdict(CLEAN, False), judge().verdict(BLURRED, False)
    assert (untouched.alarms, untouched.group) == (False, None)
    assert untouched.p > 0.05
    assert (altered.answer(), altered.group, altered.transform) == ("altered", "blur", "gaussian-blur")
    assert altered.p == pytest.approx(1 / 200)
    assert altered.group_probability == pytest.approx(0.95 / 0.99)
    assert altered.transform_probability == pytest.approx(0.5 / 0.99)


@pytest.mark.parametrize("odds", [-30.0, -1.0, 0.0, 1.0, 30.0])
@pytest.mark.parametrize("prior", [0.01, 0.5, 0.99])
def test_p_decides_what_is_called_altered_and_the_probability_never_contradicts_it(odds, prior):
    made = replace(judge().verdict(BLURRED, False), odds=odds)
    for p, alarms_, words in (
        (0.01, True, {"altered"}),
        (0.0101, True, {"rather altered"}),
        (0.05, True, {"rather altered"}),
        (0.0501, False, {"cannot tell", "rather untouched", "untouched"}),
    ):
        one = replace(made, p=p, alarms=alarms_)
        assert one.answer(prior) in words
        assert word(one.altered(prior)) == one.answer(prior)
    sure = replace(made, p=0.9, alarms=False, odds=-30.0)
    assert (sure.answer(), sure.altered()) == ("untouched", pytest.approx(0, abs=1e-9))
    unknown = replace(made, p=None, alarms=False)
    assert (unknown.answer(prior), unknown.altered(prior)) == ("cannot tell", prior)


def test_a_p_value_at_the_level_alarms():
    """Of 199 untouched photographs nine score as high as the picture, so that p is 0.05, or ten."""
    assert alarms(np.array([0.049, 0.05, 0.051])).tolist() == [True, True, False]
    score = score_of(BLURRED, False, fused=False)
    found = []
    for as_high in (9, 10):
        scores = np.repeat([score + 1, score - 1], [as_high, 199 - as_high])
        found.append(judge(view=scores).verdict(BLURRED, False).alarms)
    assert found == [True, False]


def test_too_few_photographs_do_not_calibrate():
    few = judge(99).verdict(BLURRED, False)
    assert (few.answer(), few.n, few.transform, few.p) == ("cannot tell", 99, None, None)
    none = Judge(None, None).verdict(BLURRED, False)
    assert (none.answer(), none.n, none.alarms) == ("cannot tell", 0, False)


def test_pictures_without_color_are_judged_among_gray_ones_and_never_called_color():
    sepia = prediction(0.1, 0.85, 0.03, 0.02)
    assert judge().verdict(sepia, False).group == "color"
    gray = judge().verdict(sepia, True)
    score = np.log(0.03 / 0.1)  # the color group is left out
    assert gray.p == pytest.approx((1 + (np.linspace(-15, -5, 199) >= score).sum()) / 200)
    assert (gray.no_color, gray.group) == (True, "blur")
    assert what_was_done(sepia, True)[:2] == ("blur", "gaussian-blur")


def test_tiles_decide_only_where_large_pictures_calibrate_them():
    large = prediction(0.01, 0.04, 0.5, 0.45, whole=(0.97, 0.01, 0.01, 0.01))
    assert not judge().verdict(large, False).alarms  # by the whole alone
    fused = judge(large=np.linspace(-10, 0, 150)).verdict(large, False)
    assert (fused.alarms, fused.n) == (True, 150)
    by_whole = prediction(0.97, 0.01, 0.01, 0.01, whole=(0.01, 0.04, 0.5, 0.45))
    assert judge().verdict(by_whole, False).alarms


def scored(detected: dict[str, float], photographs: int = 60) -> pd.DataFrame:
    """A table of scored views in which the given share of each group scores above all untouched photographs."""
    rng = np.random.default_rng(0)
    untouched = pd.DataFrame(
        {
            "role": "calibrate",
            "base_id": [f"c{i}" for i in range(200)],
            "maker": "as it is",
            "transform": "identity",
            "group": "identity",
            "score": rng.uniform(-1, 0, 200),
        }
    )
    altered = [
        {
            "role": "report",
            "base_id": f"r{i}",
            "maker": maker,
            "transform": f"a {group}",
            "group": group,
            "score": 1.0 if (i + 0.5) / photographs < share else -2.0,
        }
        for i in range(photographs)
        for group, share in detected.items()
        for maker in ("bank", "alternative")
    ]
    return pd.concat([untouched, pd.DataFrame(altered)], ignore_index=True).assign(size="view", no_color=False)


def test_power_is_the_mean_of_the_groups_and_names_those_hardly_detected():
    rows = scored({"blur": 0.9, "geometry": 0.2, "tone": 0.7})
    power = power_of(rows, calibration_of(rows), 0.05)
    assert power.overall.value == pytest.approx(0.6)
    assert power.overall.low < 0.6 < power.overall.high
    assert {g: share.value for g, share in power.by_group.items()} == pytest.approx(
        {"blur": 0.9, "geometry": 0.2, "tone": 0.7}
    )
    assert power.hardly_detected == ("geometry",)
    assert not power.is_next_to_nothing


def test_bank_and_alternatives_weigh_the_same():
    rows = scored({"blur": 1.0})
    rows.loc[rows["maker"] == "alternative", "score"] = -2.0
    more = pd.concat([rows, rows[rows["maker"] == "bank"]])  # twice as many by the bank
    assert power_of(more, calibration_of(more), 0.05).overall.value == pytest.approx(0.5)


def test_power_on_large_pictures_stands_beside_verdicts_by_tiles_alone():
    rows = scored({"blur": 0.9})
    tiled = scored({"blur": 0.5}).assign(size="large")
    checked = tiled[tiled["role"] == "calibrate"].iloc[:60].assign(role="report")
    large = prediction(0.01, 0.04, 0.5, 0.45, whole=(0.97, 0.01, 0.01, 0.01))
    both = Judge.from_rows(pd.concat([rows, tiled, checked]))
    assert [both.verdict(picture, False).power for picture in (BLURRED, large)] == pytest.approx([0.9, 0.5])
    by_whole = Judge.from_rows(pd.concat([rows, tiled]))  # whether the error holds was not checked
    assert by_whole.verdict(large, False).power == pytest.approx(0.9)
    assert by_whole.verdict(large, False).n == both.verdict(BLURRED, False).n == 200
    assert both.verdict(BLURRED, True).power == pytest.approx(0.9)
    assert both.power_at(large=True, no_color=True) is both.power, "without color, tiles are not asked"
    assert both.power_at(large=True, no_color=False) is both.power_large


def test_a_model_that_detects_next_to_nothing_gives_no_verdict():
    rows = scored({"blur": 0.1, "geometry": 0.1})
    assert Judge.from_rows(rows).verdict(BLURRED, False).answer() == "cannot tell"
    assert Judge.from_rows(scored({"blur": 0.4, "geometry": 0.1})).verdict(BLURRED, False).alarms
