from __future__ import annotations

import numpy as np
import pytest

from probing_core.transforms import CATALOG, generator
from probing_core.transforms.distance import OCTAVES, describe
from tests.transforms.pictures import noise, photograph


@pytest.mark.parametrize("name", ["gaussian-blur", "gaussian-noise", "contrast", "hue-shift", "border"])
def test_ssim_as_scikit_image(name: str) -> None:
    from skimage.metrics import structural_similarity

    image = np.ascontiguousarray(photograph()[:128, 150:300])
    transform = CATALOG.get(name)
    changed = transform.apply(image, transform.strongest, generator(0, "x", name))
    _, similarity = structural_similarity(
        image,
        changed,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        channel_axis=-1,
        full=True,
    )
    described = describe(image, changed)
    assert described.ssim == pytest.approx(similarity.mean(), abs=1e-4)
    assert described.difference == pytest.approx(np.abs(image.astype(float) - changed).mean())


def test_the_distance_is_the_mean_over_octaves() -> None:
    import cv2

    image = np.ascontiguousarray(photograph()[:128, 150:278]).astype(np.float32)
    changed = cv2.GaussianBlur(image, (0, 0), 2)
    expected = []
    first, second = image, changed
    for _ in range(OCTAVES):
        expected.append(describe(np.rint(first).astype(np.uint8), np.rint(second).astype(np.uint8)).ssim)
        first, second = (x.reshape(len(x) // 2, 2, len(x) // 2, 2, 3).mean(axis=(1, 3)) for x in (first, second))
    whole = describe(np.rint(image).astype(np.uint8), np.rint(changed).astype(np.uint8))
    assert whole.distance == pytest.approx(1 - np.mean(expected), abs=0.01)


def test_equal_pictures() -> None:
    image = noise(40, 60)
    described = describe(image, image.copy())
    assert described.ssim == pytest.approx(1)
    assert described.distance == pytest.approx(0, abs=1e-6)
    assert described.difference == 0
    assert not described.visible


def test_what_is_visible() -> None:
    image = np.ascontiguousarray(photograph()[:128, 150:278])
    assert not describe(image, np.clip(image.astype(int) + 1, 0, 255).astype(np.uint8)).visible
    assert describe(image, np.clip(image.astype(int) + 40, 0, 255).astype(np.uint8)).visible
    one_dot = image.copy()
    one_dot[60:64, 60:64] = 255
    assert not describe(image, one_dot).visible


@pytest.mark.parametrize("shape", [(32, 32), (33, 700), (512, 100)])
def test_any_size(shape: tuple[int, int]) -> None:
    image = noise(*shape)
    assert 0 < describe(image, 255 - image).distance <= 2
