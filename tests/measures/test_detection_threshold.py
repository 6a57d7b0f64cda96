from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from probing_core.measures import detection_threshold as module
from probing_core.measures.detection_threshold import detection_threshold

pytestmark = pytest.mark.slow

LEVELS = np.linspace(0, 1, 7)


def observed(center: float, seed: int, images: int = 150, false: float = 0.1):
    rng = np.random.default_rng(seed)
    rate = false + (1 - false) * norm.cdf((LEVELS - center) / 0.15)
    return rng.random((images, 7)) < rate, rng.random(images) < false


def true_threshold(center: float, false: float = 0.1) -> float:
    target = norm.cdf(norm.ppf(false) + 1)
    return center + 0.15 * norm.ppf((target - false) / (1 - false))


@pytest.mark.parametrize(("false", "least"), [(0.1, 0.9), (0.02, 0.78)])
def test_the_interval_covers_a_known_threshold(false, least, monkeypatch):
    """Less often where false alarms are rare, as documented."""
    monkeypatch.setattr(module, "RESAMPLES", 250)  # the ends of an interval vary a little more
    found = [detection_threshold(LEVELS, *observed(0.6, seed, false=false)) for seed in range(80)]
    truth = true_threshold(0.6, false)
    assert np.mean([f.value for f in found]) == pytest.approx(truth, abs=0.03)
    assert np.mean([f.low <= truth <= f.high for f in found]) >= least
    assert not any(f.censored for f in found)


@pytest.mark.parametrize(("center", "censored"), [(-0.6, "below"), (3.0, "above")])
def test_thresholds_outside_the_levels_say_so(center, censored):
    found = detection_threshold(LEVELS, *observed(center, 0))
    assert found.censored == censored
    assert found.value in (0, 1)


def test_few_images_have_no_interval():
    found = detection_threshold(LEVELS, *observed(0.5, 0, images=10))
    assert np.isnan([found.low, found.high]).all()
