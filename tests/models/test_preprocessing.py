from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import PIL.Image
import pytest

from probing_core.models.preprocessing import Preprocessing, crop_fraction, make_batch, resize_and_crop
from tests.models.made import pictures, pillow


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize("resize", ["shorter", "squash"])
@pytest.mark.parametrize("crop", [0.875, 0.9, 1.0])
@pytest.mark.parametrize("size", [(96, 96), (224, 224), (96, 64)])
def test_equals_timms_own_transform_bit_for_bit(size, crop, resize, interpolation):
    import torch
    from timm.data.transforms_factory import transforms_imagenet_eval

    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    transform = transforms_imagenet_eval(
        size, crop_pct=crop, crop_mode="squash" if resize == "squash" else "center", interpolation=interpolation,
        mean=mean, std=std,
    )  # fmt: skip
    expected = torch.stack([transform(picture) for picture in pillow(pictures())]).permute(0, 2, 3, 1).numpy()
    with ThreadPoolExecutor(2) as executor:
        batch = make_batch(pictures(), Preprocessing(size, resize, crop, interpolation, mean, std), executor.map)
    np.testing.assert_array_equal(batch, expected)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize(("side", "size"), [(128, 224), (512, 224), (64, 112), (192, 112), (160, 140), (200, 140)])
def test_a_crop_on_whole_pixels_is_that_of_the_whole_picture(side, size, interpolation):
    preprocessing = Preprocessing((size, size), "shorter", 0.875, interpolation)
    image = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
    scaled, first = round(size / 0.875), round((size / 0.875 - size) / 2)
    picture = PIL.Image.fromarray(image).resize((scaled, scaled), PIL.Image.Resampling[interpolation.upper()])
    crop = np.asarray(picture)[first : first + size, first : first + size]
    np.testing.assert_array_equal(resize_and_crop(image, preprocessing), crop)


def test_crop_fraction_is_exact_for_every_usual_size():
    for size in range(32, 520, 4):
        for resized in range(size, size + 80):
            assert math.floor(size / crop_fraction(size, resized)) == resized


def test_pictures_of_unlike_size_need_a_resize():
    with pytest.raises(ValueError, match="same size"):
        make_batch(pictures(), Preprocessing((8, 8), resize="none"))
