"""Verdicts and their power, from made predictions and made tables."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from probing_core.compute.live.answer import Prediction
from probing_core.detector.calibration import Calibration, alarms, calibration_of
from probing_core.detector.power import power_of
from probing_core.detector.verdicts import Judge, score_of, what_was_done

CLASSES = ("identity", "sepia", "gaussian-blur", "motion-blur")
GROUPS = ("identity", "color", "blur", "blur")
NO_SCORES = np.array([])


def prediction(*probabilities: float, distance: float = 0.5, whole: tuple[float, ...] = ()) -> Prediction:
    p = np.array(probabilities)
    each = np.array([whole or p, p])[: 2 if whole else 1]
    return Prediction("m", CLASSES, GROUPS, p, each, np.zeros(3), distance)


def judge(n: int = 199, **changes) -> Judge:
    # Scores of untouched photographs spread evenly from -10 to 0.
    scores = np.linspace(-10, 0, n)
    return Judge(replace(Calibration(scores, scores - 5, NO_SCORES), **changes), None)


BLURRED = prediction(0.01, 0.04, 0.5, 0.45)
CLEAN = prediction(0.97, 0.01, 0.01, 0.01)


def test_untouched_altered_and_strange():
    untouched, altered = judge().verdict(CLEAN, False), judge().verdict(BLURRED, False)
    assert (untouched.answer, untouched.group) == ("untouched", None)
    assert untouched.p > 0.05
    assert (altered.answer, altered.group, altered.transform) == ("altered", "blur", "gaussian-blur")
    assert altered.p == pytest.approx(1 / 200)
    assert altered.group_probability == pytest.approx(0.95 / 0.99)
    assert altered.transform_probability == pytest.approx(0.5 / 0.99)
    strange = judge().verdict(replace(BLURRED, distance=1.5), False)
    assert (strange.answer, strange.group) == ("strange", None)
    assert judge().verdict(replace(CLEAN, distance=1.5), False).answer == "untouched"


def test_the_verdict_says_what_its_answer_means_to_all_who_show_it():
    """`answer: (alarms, can_tell, is_calibrated)`."""
    means = {
        "untouched": (False, True, True),
        "altered": (True, True, True),
        "strange": (True, True, True),
        "cannot detect": (False, False, True),
        "not calibrated": (False, False, False),
    }
    made = judge().verdict(BLURRED, False)
    assert {
        word: (one.alarms, one.can_tell, one.is_calibrated) for word in means if (one := replace(made, answer=word))
    } == means
    words = {p: replace(made, p=p).words for p in (0.0099, 0.01, 0.05)}
    assert words == {0.0099: "altered", 0.01: "perhaps altered", 0.05: "perhaps altered"}
    assert replace(made, answer="strange", p=0.05).words == "strange"
    assert replace(made, answer="not calibrated", p=None).words == "not calibrated"


def test_a_p_value_at_the_level_alarms():
    """Of 199 untouched photographs nine score as high as the picture, so that p is 0.05, or ten."""
    assert alarms(np.array([0.049, 0.05, 0.051])).tolist() == [True, True, False]
    score = score_of(BLURRED, False, fused=False)
    answers = []
    for as_high in (9, 10):
        scores = np.repeat([score + 1, score - 1], [as_high, 199 - as_high])
        answers.append(judge(view=scores).verdict(BLURRED, False).answer)
    assert answers == ["altered", "untouched"]


def test_too_few_photographs_do_not_calibrate():
    few = judge(99).verdict(BLURRED, False)
    assert (few.answer, few.n, few.transform) == ("not calibrated", 99, None)
    assert few.p == pytest.approx(1 / 100)
    assert asdict(Judge(None, None).verdict(BLURRED, False)) == {
        "answer": "not calibrated",
        "group": None,
        "transform": None,
        "group_probability": None,
        "transform_probability": None,
        "p": None,
        "n": 0,
        "no_color": False,
        "power": None,
    }


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
    assert judge().verdict(large, False).answer == "untouched"  # by the whole alone
    fused = judge(large=np.linspace(-10, 0, 150)).verdict(large, False)
    assert (fused.answer, fused.n) == ("altered", 150)
    by_whole = prediction(0.97, 0.01, 0.01, 0.01, whole=(0.01, 0.04, 0.5, 0.45))
    assert judge().verdict(by_whole, False).answer == "altered"


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
    assert Judge.from_rows(rows).verdict(BLURRED, False).answer == "cannot detect"
    assert Judge.from_rows(scored({"blur": 0.4, "geometry": 0.1})).verdict(BLURRED, False).answer == "altered"
