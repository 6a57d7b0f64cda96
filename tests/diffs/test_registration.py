from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from probing_core.diffs.registration import register
from tests.diffs.photographs import photographs


def resized(image: np.ndarray, width: int, height: int, method: int = Pillow.Resampling.BILINEAR) -> np.ndarray:
    return np.asarray(Pillow.fromarray(image).resize((width, height), method))


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("mirrored", [False, True])
def test_register_finds_every_orientation(turns, mirrored):
    for image in photographs()[:4]:
        after = np.rot90(image, turns)
        after = np.ascontiguousarray(after[:, ::-1] if mirrored else after)
        geometry = register(image, after)
        assert (geometry.turns, geometry.mirrored, geometry.box) == (turns, mirrored, None)
        assert np.array_equal(geometry.apply(image)[0], after)


@pytest.mark.parametrize(
    "method",
    [Pillow.Resampling.BOX, Pillow.Resampling.BILINEAR, Pillow.Resampling.BICUBIC, Pillow.Resampling.LANCZOS],
)
def test_register_finds_the_resize_filter(method):
    for image in photographs()[:3]:
        after = resized(image, image.shape[1] * 5 // 8, image.shape[0] * 5 // 8, method)
        assert np.array_equal(register(image, after).apply(image)[0], after)


def test_register_finds_crops_in_turned_and_mirrored_images():
    for image in photographs(240)[:4]:
        height, width = image.shape[:2]
        box = (width // 10, height // 8, width - width // 12, height - height // 9)
        part = image[box[1] : box[3], box[0] : box[2]]
        for turns, mirrored in ((0, False), (1, False), (3, True)):
            after = np.rot90(part, turns)
            after = np.ascontiguousarray(after[:, ::-1] if mirrored else after)
            geometry = register(image, after)
            assert geometry.box == box
            assert np.array_equal(geometry.apply(image)[0], after)


def test_register_finds_a_crop_that_was_resized():
    for image in photographs(300)[:4]:
        height, width = image.shape[:2]
        part = image[height // 9 : height // 9 + round(height * 0.7), width // 8 : width // 8 + round(width * 0.75)]
        after = resized(part, 128, 128)
        assert np.abs(register(image, after).apply(image)[0].astype(int) - after).mean() < 1


def test_register_finds_a_center_crop_after_resizing():
    # The order of most data loaders: the crop does not begin at a pixel of the original.
    for image in photographs(300)[:4]:
        height, width = image.shape[:2]
        scale = 160 / min(height, width)
        small = resized(image, int(width * scale + 1e-9), int(height * scale + 1e-9))
        top, left = (small.shape[0] - 144) // 2, (small.shape[1] - 144) // 2
        after = small[top : top + 144, left : left + 144].copy()
        assert np.abs(register(image, after).apply(image)[0].astype(int) - after).mean() < 0.1


def test_register_keeps_the_frame_under_strong_edits():
    rng = np.random.default_rng(0)
    for image in photographs()[:5]:
        noisy = np.clip(image + rng.normal(0, 40, image.shape), 0, 255).astype(np.uint8)
        for after in (255 - image, noisy, (image // 64) * 64):
            assert register(image, np.ascontiguousarray(after)).is_plain


@pytest.mark.parametrize("degrees", [-12.0, 2.4, 7.0])
def test_register_measures_rotation(degrees):
    image = photographs(240)[1]
    after = np.asarray(Pillow.fromarray(image).rotate(degrees, Pillow.Resampling.BICUBIC))
    assert register(image, after).angle == pytest.approx(degrees, abs=0.2)


def test_register_does_not_take_a_shear_for_a_rotation():
    image = photographs(240)[1]
    matrix = np.array([[1, 0.12, -0.06 * image.shape[0]], [0, 1, 0]], np.float32)
    after = cv2.warpAffine(image, matrix, image.shape[1::-1], borderMode=cv2.BORDER_REFLECT_101)
    assert register(image, after).angle == 0


@pytest.mark.parametrize("shape", [(1, 1, 3), (8, 200, 3), (40, 40, 3)])
def test_register_accepts_images_without_detail(shape):
    before, after = np.zeros((50, 60, 3), np.uint8), np.full(shape, 7, np.uint8)
    geometry = register(before, after)
    assert geometry.apply(before)[0].shape == shape
