"""The tables of strengths and thresholds, from the sweep that both read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from probing_core.compute.series import position_of
from probing_core.compute.studies.strength import strength_table
from probing_core.compute.studies.sweep import Sweep, sweep_of
from probing_core.compute.studies.thresholds import level_of, strength_of, threshold_table
from probing_core.measures.embedding_space import shift
from probing_core.probes.base import FitFacts, LinearProbe
from probing_core.transforms import resolve

pytestmark = pytest.mark.slow

FACTS = FitFacts(0.1, False, True, 1, 0.0)
IMAGES = 150
LEVELS = (-2.0, -1.0, -0.5, 0.0, 0.5)
"""A quarter of the way to the weakest strength, half of it, ..., and half as much again."""


def swept(transform: str, right: np.ndarray, alarms: np.ndarray) -> Sweep:
    """A sweep in which image n was right at level s where ``right`` (N, S) says so."""
    ids = [f"{i:03d}" for i in range(len(right))]
    of = resolve(transform)
    strengths = [strength_of(of, level) for level in LEVELS]
    rows = pd.DataFrame(
        [
            (image, image, transform, strength, position_of(of, strength), hit, hit, strength / 10)
            for image, hits in zip(ids, right, strict=True)
            for strength, hit in zip(strengths, hits, strict=True)
        ],
        columns=["image_id", "base_id", "transform", "strength", "position", "right", "detected", "shift"],
    )
    return Sweep(rows, pd.DataFrame({transform: alarms}, index=ids))


@pytest.mark.parametrize("transform", ["gaussian-blur", "contrast"])  # contrast is weakest at its largest number
def test_a_known_threshold_is_found_in_the_transforms_unit(transform):
    rng = np.random.default_rng(0)
    false, center = 0.1, -0.6
    rate = false + (1 - false) * norm.cdf((np.array(LEVELS) - center) / 0.4)
    found = swept(transform, rng.random((IMAGES, 5)) < rate, (rng.random(IMAGES) < false).astype(float))
    bank = {transform: resolve(transform)}
    row = threshold_table("m", found, bank).iloc[0]
    target = (norm.cdf(norm.ppf(false) + 1) - false) / (1 - false)
    truth = strength_of(bank[transform], center + 0.4 * norm.ppf(target))
    assert row["low"] <= row["threshold"] <= row["high"]
    assert row["low"] <= truth <= row["high"]
    assert abs(row["threshold"] - truth) < 0.15 * abs(bank[transform].weakest - bank[transform].neutral)
    assert abs(row["threshold"] - bank[transform].neutral) < abs(bank[transform].weakest - bank[transform].neutral)
    assert row["censored"] == ""
    assert row["false_alarms"] == pytest.approx(false, abs=0.05)


def test_a_transformation_that_is_always_seen_is_censored():
    found = swept("gaussian-blur", np.ones((IMAGES, 5), bool), np.zeros(IMAGES))
    row = threshold_table("m", found, {"gaussian-blur": resolve("gaussian-blur")}).iloc[0]
    assert (row["threshold"], row["censored"]) == (pytest.approx(strength_of(resolve("gaussian-blur"), -2)), "below")


def test_levels_count_doublings_of_the_effect_or_where_nothing_is_neutral_positions():
    assert strength_of(resolve("posterize"), -1) == 6
    assert level_of(resolve("brighten"), 1.1) == pytest.approx(-2)
    for transform in (resolve("jpeg"), replace(resolve("jpeg"), neutral=None)):
        assert strength_of(transform, level_of(transform, 17.0)) == pytest.approx(17)
    ranged = replace(resolve("gaussian-blur"), distribution="log", strongest=6.0, neutral=None)
    assert strength_of(ranged, 0.5) == pytest.approx(3.0)
    assert level_of(ranged, 3.0) == pytest.approx(0.5)


def test_rates_and_shifts_are_means_over_images_with_intervals():
    right = np.arange(IMAGES)[:, None] < np.array([0, 30, 75, 120, 150])
    table = strength_table("m", swept("gaussian-blur", right, np.zeros(IMAGES)))
    strengths = [strength_of(resolve("gaussian-blur"), level) for level in LEVELS]
    assert table["strength"].tolist() == strengths
    assert table["hit_rate"].tolist() == pytest.approx([0, 0.2, 0.5, 0.8, 1])
    assert table["shift"].tolist() == pytest.approx(np.array(strengths) / 10)
    middle = table.iloc[2]
    half = 1.96 * np.sqrt(0.25 / IMAGES)  # of a binomial rate
    assert middle["hit_low"] == pytest.approx(0.5 - half, abs=0.02)
    assert middle["hit_high"] == pytest.approx(0.5 + half, abs=0.02)
    assert (table["images"] == IMAGES).all()


def test_a_probe_is_asked_what_it_sees_and_whether_it_sees_more_than_nothing():
    """Logits are the coordinates: identity, blur, noise."""
    probe = LinearProbe(
        ("identity", "blur", "noise"), np.eye(3, dtype=np.float32), np.zeros(3, np.float32), np.zeros(3, np.float32),
        np.ones(3, np.float32), FACTS,
    )  # fmt: skip
    rows = pd.DataFrame(
        {"image_id": ["a", "b"] * 2, "transform": ["blur"] * 4, "strength": [1, 1, 2, 2], "position": [0, 0, 1, 1]}
    )
    X = np.array([[3, 1, 0], [1, 2, 3], [0, 2, 1], [0, 1, 0]], np.float32)
    # Image b has its draws in the wrong order, and a second repetition.
    clean_rows = pd.DataFrame(
        {"image_id": ["a", "a", "b", "b", "b"], "draw": [0, 1, 1, 0, 0], "repetition": [0, 0, 0, 0, 1]},
        index=[4, 5, 10, 11, 12],
    )
    clean = np.array([[2, 0, 1], [1, 2, 0], [3, 0, 0], [0, 1, 2], [5, 0, 0]], np.float32)
    found = sweep_of(rows, X, clean_rows, clean, probe)
    assert found.rows["right"].tolist() == [False, False, True, True]
    assert found.rows["detected"].tolist() == [False, True, True, True]
    assert found.alarms.loc["a", "blur"] == 0.5
    assert found.alarms.loc["b", ["blur", "noise"]].tolist() == pytest.approx([1 / 3, 1 / 3])
    first = clean[[0, 3]]
    expected = np.concatenate([shift(first, X[:2]), shift(first, X[2:])])
    np.testing.assert_allclose(found.rows["shift"], expected)


def test_stronger_is_told_more_often_in_a_whole_run(studied):
    table = studied.read_table("tables/strength.parquet")
    ends = table.groupby(["model", "transform"])["hit_rate"].agg(["first", "last"])
    assert (ends["last"] > 0.9).all()
    assert (ends["first"] < 0.6).all()
    moved = table.groupby(["model", "transform"])["shift"].agg(["first", "last"])
    assert (moved["last"] > moved["first"] + 0.05).all()
    thresholds = studied.read_table("tables/thresholds.parquet")
    assert set(thresholds["transform"]) == {"contrast", "gaussian-blur", "gaussian-noise", "posterize", "rotate"}
