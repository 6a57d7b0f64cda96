from __future__ import annotations

import numpy as np
import pytest

from probing_core.detector.score import has_no_color, turned_gray
from tests.conftest import scene


@pytest.mark.parametrize("side", [32, 64, 300])
def test_gray_pictures_have_no_color(side):
    picture = scene(1, side)
    assert not has_no_color(picture)
    gray = turned_gray(picture)
    assert has_no_color(gray)
    assert (gray == gray[..., :1]).all()
    toned = np.clip(gray.astype(int) + np.array([0, 2, 4]), 0, 255).astype(np.uint8)
    assert has_no_color(toned)


def test_colored_noise_on_a_gray_picture_is_no_color():
    rng = np.random.default_rng(0)
    noisy = np.clip(128 + rng.normal(0, 12, (512, 512, 3)), 0, 255).astype(np.uint8)
    assert (noisy.max(2).astype(int) - noisy.min(2)).mean() > 8
    assert has_no_color(noisy)
