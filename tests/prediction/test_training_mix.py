from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from probing_core.prediction.training_mix import make_views, plan_views, sample_weights
from probing_core.transforms import bank
from tests.conftest import scene

NAMES = [t.name for t in bank() if t.group != "identity"]


def test_every_photograph_is_untouched_and_altered_in_the_same_proportions():
    for image_id in "abc":
        views = plan_views(NAMES, image_id, seed=0)
        untouched = Counter(v.maker for v in views if v.transform == "identity")
        altered = Counter(v.maker for v in views if v.transform != "identity")
        assert untouched == {"bank": 1, "clean": 3, "wider": 4}
        assert altered == {"bank": 9, "alternative": 8}
        assert len({(v.maker, v.transform) for v in views if v.transform != "identity"}) == 17  # none twice
    assert len(plan_views(["gamma"], "a", 0)) == 25


def test_all_transforms_are_as_likely():
    counts = Counter(v.transform for i in range(300) for v in plan_views(NAMES, str(i), seed=0))
    expected = 300 * 17 / 30
    assert set(counts) == {"identity", *NAMES}
    assert all(abs(counts[name] - expected) < 5 * np.sqrt(expected) for name in NAMES)


def test_views_are_made_again_the_same_and_differ_from_each_other():
    transforms = {t.name: t for t in bank()}
    planned = plan_views(["gamma", "gaussian-blur", "rotate"], "a", 0)
    picture = scene(0, 100)
    first, second = (list(make_views(picture, 48, planned, transforms, "a", 0)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert all(view.shape == (48, 48, 3) and view.dtype == np.uint8 for view in first)
    assert len({view.tobytes() for view in first}) == len(first)
    # The order of the views, and which others are made, do not matter.
    alone = next(make_views(picture, 48, planned[-1:], transforms, "a", 0))
    assert np.array_equal(alone, first[-1])


def test_untouched_views_weigh_half():
    untouched = np.array([True] * 8 + [False] * 17)
    weights = sample_weights(untouched)
    assert weights.mean() == pytest.approx(1)
    assert weights[untouched].sum() == pytest.approx(weights[~untouched].sum())
