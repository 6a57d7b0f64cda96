from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as Pillow

from probing_core.diffs.framing import FRAMING_EDITS
from probing_core.diffs.registration import register
from tests.diffs.photographs import photographs

IMAGE = np.ascontiguousarray(photographs()[0][:100, :140])


def edited(name: str, seed: int = 0) -> np.ndarray:
    return FRAMING_EDITS[name](IMAGE, np.random.default_rng(seed))


def test_mirror_quarter_turn_and_half_size_agree_with_pillow():
    picture = Pillow.fromarray(IMAGE)
    expected = {
        "mirror": picture.transpose(Pillow.Transpose.FLIP_LEFT_RIGHT),
        "quarter-turn": picture.transpose(Pillow.Transpose.ROTATE_90),
        "half-size": picture.resize((70, 50), Pillow.Resampling.LANCZOS),
    }
    for name, other in expected.items():
        assert np.array_equal(edited(name), np.asarray(other)), name


@pytest.mark.parametrize(("name", "area"), [("crop-90", 0.9), ("crop-75", 0.75), ("crop-50", 0.5)])
def test_crops_keep_a_fraction_of_the_area_at_random_positions(name, area):
    crops = [edited(name, seed) for seed in range(4)]
    boxes = set()
    for crop in crops:
        height, width = crop.shape[:2]
        assert height * width == pytest.approx(area * IMAGE.shape[0] * IMAGE.shape[1], rel=0.03)
        assert width / height == pytest.approx(1.4, rel=0.03)
        windows = np.lib.stride_tricks.sliding_window_view(IMAGE, crop.shape)[..., 0, :, :, :]
        (places,) = [np.argwhere((windows == crop).all(axis=(2, 3, 4)))]
        assert len(places) == 1
        boxes.add(tuple(places[0]))
    assert len(boxes) > 1


def test_framing_edits_of_a_tiny_image_have_pixels():
    tiny = np.zeros((1, 2, 3), np.uint8)
    for apply in FRAMING_EDITS.values():
        assert min(apply(tiny, np.random.default_rng(0)).shape) >= 1


def test_registration_recognizes_framing_edits():
    assert register(IMAGE, edited("mirror")).mirrored
    assert register(IMAGE, edited("quarter-turn")).turns == 1
    assert register(IMAGE, edited("half-size")).filter
