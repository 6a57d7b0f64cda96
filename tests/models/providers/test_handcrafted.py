"""Handcrafted statistics beside plain NumPy and SciPy in double precision, and many pictures beside one."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np
import pytest
from scipy import ndimage, stats

from probing_core.models.providers.handcrafted import FEATURES, LAGS, PERIODS, RINGS, statistics
from tests.models.made import pictures


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    rng = np.random.default_rng(0)
    smooth = cv2.resize(rng.integers(0, 256, (9, 7, 3), dtype=np.uint8), (120, 96), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth + rng.normal(0, 9, smooth.shape), 0, 255).astype(np.uint8)


def of(picture, *prefixes) -> np.ndarray:
    found = statistics([picture])[0]
    return np.array([value for name, value in zip(FEATURES, found, strict=True) if name.startswith(prefixes)])


def gray(picture) -> np.ndarray:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(float)


def test_channels(picture):
    pixels = picture.reshape(-1, 3) / 255
    expected = np.stack([pixels.mean(0), pixels.std(0)], 1).ravel()
    channels = tuple(f"{c}-{m}" for c in ("red", "green", "blue") for m in ("mean", "deviation"))
    np.testing.assert_allclose(of(picture, *channels), expected, atol=1e-6)
    corr = np.corrcoef(pixels.T)
    np.testing.assert_allclose(of(picture, "correlation"), corr[[0, 0, 1], [1, 2, 2]], atol=1e-5)
    used = [np.log(len(np.unique(picture[..., c])) / 256 + 1e-3) for c in range(3)]
    np.testing.assert_allclose(of(picture, "levels"), used, atol=1e-6)
    dark = [np.log((picture[..., c] < 4).mean() + 1e-3) for c in range(3)]
    np.testing.assert_allclose(of(picture, "black"), dark, atol=1e-6)


def test_hue_and_value(picture):
    hue, saturation, value = (p.astype(float) for p in cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV_FULL)))
    waves = [wave(hue * 2 * np.pi / 256) * saturation / 255 for wave in (np.cos, np.sin)]
    np.testing.assert_allclose(of(picture, "hue"), [f(w) for w in waves for f in (np.mean, np.std)], atol=1e-6)
    for name, plane in (("saturation", saturation.ravel() / 255), ("value", value.ravel() / 255)):
        moments = [plane.mean(), plane.std(), np.arcsinh(stats.skew(plane)), np.arcsinh(stats.kurtosis(plane))]
        names = tuple(f"{name}-{m}" for m in ("mean", "deviation", "skewness", "kurtosis"))
        np.testing.assert_allclose(of(picture, *names), moments, atol=1e-4)  # a little is added to variances
    assert of(picture, "value-quantile-50")[0] == pytest.approx(np.median(value) / 255, abs=1 / 255)
    red = np.zeros((32, 32, 3), np.uint8) + np.array([200, 40, 40], np.uint8)
    assert of(red, "hue-cosine-mean")[0] == pytest.approx(colorsys.rgb_to_hsv(200, 40, 40)[1], abs=0.01)


def test_steps_and_blocks(picture):
    plane = gray(picture)
    steps = (
        [np.abs(plane[lag:] - plane[:-lag]).mean() for lag in LAGS],
        [np.abs(plane[:, lag:] - plane[:, :-lag]).mean() for lag in LAGS],
    )
    expected = [np.log(step + 0.1) for pair in zip(*steps, strict=True) for step in pair]
    np.testing.assert_allclose(of(picture, "step-"), expected, atol=1e-6)
    none = [(np.diff(plane, axis=axis) == 0).mean() for axis in (0, 1)]
    np.testing.assert_allclose(of(picture, "no-step"), none, atol=1e-6)
    laplacian = ndimage.laplace(plane, mode="mirror").ravel() / 255
    assert of(picture, "laplacian-variance")[0] == pytest.approx(np.log(laplacian.var() + 1e-6), abs=1e-4)
    assert of(picture, "laplacian-zero")[0] == pytest.approx((laplacian == 0).mean(), abs=1e-6)
    blocks = []
    for period in PERIODS:
        logs = []
        for axis in (0, 1):
            jumps = np.abs(np.diff(plane, axis=axis)).mean(1 - axis)
            phases = [jumps[: len(jumps) // period * period][phase::period].mean() for phase in range(period)]
            rest = (sum(phases) - max(phases)) / (period - 1)
            logs.append(np.log((max(phases) + 0.1) / (rest + 0.1)))
        blocks.append(np.mean(logs))
    np.testing.assert_allclose(of(picture, "blockiness"), blocks, atol=1e-6)


def test_spectrum_and_directions(picture):
    plane = gray(picture)
    window = np.outer(np.hanning(plane.shape[0]), np.hanning(plane.shape[1]))
    power = np.abs(np.fft.rfft2((plane - plane.mean()) * window)) ** 2
    radius = np.hypot(np.fft.fftfreq(plane.shape[0])[:, None], np.fft.rfftfreq(plane.shape[1])[None])
    ring = np.minimum((radius / 0.5 * (RINGS - 1)).astype(int), RINGS - 1)
    sums = np.array([power[ring == i].sum() for i in range(RINGS)]) + 1e-3
    np.testing.assert_allclose(of(picture, "spectrum"), np.log(sums / sums.sum()), atol=1e-4)
    assert of(picture, "direction").sum() == pytest.approx(1)
    rng = np.random.default_rng(0)
    stripes = np.repeat(rng.integers(0, 256, (1, 96, 1), dtype=np.uint8), 96, 0).repeat(3, 2)  # gradients across alone
    assert of(stripes, "direction-0")[0] > 0.99


def test_noise(picture):
    luma, red, blue = (p.astype(float) for p in cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)))
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])
    response = [np.abs(ndimage.convolve(plane, kernel, mode="mirror")) for plane in (luma, red, blue)]
    scale = np.sqrt(np.pi / 2) / 6
    assert of(picture, "noise-luma")[0] == pytest.approx(np.log(response[0].mean() * scale + 0.1), abs=1e-6)
    chroma = (response[1].mean() + response[2].mean()) / 2
    assert of(picture, "noise-chroma")[0] == pytest.approx(np.log(chroma * scale + 0.1), abs=1e-6)
    smooth = ndimage.median_filter(luma, 3, mode="nearest")
    tones = []
    for tone in range(4):
        inside = response[0][(smooth // 64) == tone]
        tones.append(np.log((inside.sum() + response[0].mean()) / (inside.size + 1) * scale + 0.1))
    np.testing.assert_allclose(of(picture, "noise-tone"), tones, atol=1e-6)
    bright = np.log((luma - smooth > 50).mean() + 1e-3)
    assert of(picture, "impulses-bright")[0] == pytest.approx(bright, abs=1e-6)


def test_structure(picture):
    plane = gray(picture)
    rough = np.abs(plane - cv2.blur(plane.astype(np.uint8), (3, 3)).astype(float))
    rim = min(plane.shape) // 24
    inside = np.zeros(plane.shape, bool)
    inside[rim:-rim, rim:-rim] = True
    flat = [1 - (rough[where] > 2).mean() for where in (~inside, inside)]
    np.testing.assert_allclose(of(picture, "rim-flatness", "inside-flatness"), flat, atol=1e-6)
    contrast = abs(plane[~inside].mean() - plane[inside].mean()) / 255
    assert of(picture, "rim-contrast")[0] == pytest.approx(contrast, abs=1e-6)
    cells = np.log(rough.reshape(4, plane.shape[0] // 4, 4, -1).mean((1, 3)) + 0.1)
    expected = [cells.std(), cells.min(), cells.max()]
    np.testing.assert_allclose(of(picture, "cell-sharpness"), expected, atol=1e-5)


def test_many_pictures_of_several_sizes_equal_one_at_a_time(picture):
    mixed = [*pictures(), picture, *pictures(), np.ascontiguousarray(picture.transpose(1, 0, 2))]
    np.testing.assert_allclose(statistics(mixed), np.stack([statistics([one])[0] for one in mixed]), atol=1e-6)
    assert statistics([]).shape == (0, len(FEATURES))
