"""Transforms against other libraries, and where there is none, against the definition written out plainly."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image as PilImage
from PIL import ImageOps
from scipy import ndimage, signal

from probing_core.transforms import CATALOG, Image, generator
from probing_core.transforms.bank.blur import disc_kernel, line_kernel
from probing_core.transforms.bank.codec import posterize
from probing_core.transforms.bank.geometry import perspective, swirl
from probing_core.transforms.bank.noise import normal
from probing_core.transforms.bank.weather import FOG_DECAY, plasma
from probing_core.transforms.transformation import grid
from tests.transforms.pictures import photograph

RNG = generator(0, "x", "y")


@pytest.fixture(scope="module")
def image() -> Image:
    return np.ascontiguousarray(photograph()[40:168, 160:288])


def ours(name: str, image: Image, strength: float) -> np.ndarray:
    return CATALOG.get(name).apply_unchecked(image, strength, generator(0, "x", name)).astype(float)


def worst(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first.astype(float) - np.asarray(second, float)).max())


@pytest.mark.parametrize(
    ("name", "function", "strength", "argument"),
    [
        ("desaturate", "adjust_saturation", 0.7, 0.3),
        ("brighten", "adjust_brightness", 1.7, 1.7),
        ("contrast", "adjust_contrast", 0.4, 0.4),
        ("gamma", "adjust_gamma", 2.2, 2.2),
    ],
)
def test_color_and_tone_as_torchvision(
    name: str, function: str, strength: float, argument: float, image: Image
) -> None:
    torch = pytest.importorskip("torch")
    from torchvision.transforms.v2 import functional

    theirs = getattr(functional, function)(torch.from_numpy(image.transpose(2, 0, 1).copy()), argument)
    assert worst(ours(name, image, strength), theirs.numpy().transpose(1, 2, 0)) <= 2  # rounding up against down


def test_hue_as_torchvision(image: Image) -> None:
    torch = pytest.importorskip("torch")
    from torchvision.transforms.v2 import functional

    picture = torch.from_numpy(image.transpose(2, 0, 1).copy())
    both = [functional.adjust_hue(picture, turn).numpy().transpose(1, 2, 0) for turn in (0.2, -0.2)]
    assert min(worst(ours("hue-shift", image, 0.2), one) for one in both) <= 2


def test_sepia_as_its_matrix(image: Image) -> None:
    red, green, blue = np.moveaxis(image.astype(float), -1, 0)
    expected = np.stack(
        [
            0.393 * red + 0.769 * green + 0.189 * blue,
            0.349 * red + 0.686 * green + 0.168 * blue,
            0.272 * red + 0.534 * green + 0.131 * blue,
        ],
        axis=-1,
    )
    assert worst(ours("sepia", image, 1), np.clip(expected, 0, 255)) <= 1


def test_gaussian_blur_as_scipy(image: Image) -> None:
    theirs = ndimage.gaussian_filter(image.astype(float), (2, 2, 0), mode="mirror")
    assert worst(ours("gaussian-blur", image, 2.0), theirs) <= 2


@pytest.mark.parametrize("kernel", [disc_kernel(3.7), line_kernel(11, 0.6)])
def test_kernels_by_plain_convolution(kernel: np.ndarray, image: Image) -> None:
    import cv2

    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    half = kernel.shape[0] // 2
    padded = np.pad(image[..., 0].astype(float), half, mode="reflect")
    expected = signal.correlate2d(padded, kernel, mode="valid")
    assert worst(cv2.filter2D(image[..., 0], -1, kernel), expected) <= 0.51


def test_a_line_kernel_reaches_as_far_as_its_length() -> None:
    for angle in (0, math.pi / 4, math.pi / 2, 2.5):
        kernel = line_kernel(11, angle)
        half = kernel.shape[0] // 2
        y, x = np.mgrid[-half : half + 1, -half : half + 1]
        along = (kernel * (x * math.cos(angle) + y * math.sin(angle)) ** 2).sum()
        across = (kernel * (y * math.cos(angle) - x * math.sin(angle)) ** 2).sum()
        assert along == pytest.approx(11**2 / 12, rel=0.12)  # variance of a uniform line
        assert across < 0.3


def test_noise_has_the_moments_it_promises() -> None:
    gray = np.full((256, 256, 3), 128, np.uint8)
    assert (ours("gaussian-noise", gray, 0.1) - 128).std() == pytest.approx(25.5, rel=0.02)
    assert (ours("speckle", gray, 0.2) - 128).std() == pytest.approx(25.6, rel=0.02)
    dotted = ours("salt-and-pepper", gray, 0.06)
    assert (dotted == 255).all(axis=2).mean() == pytest.approx(0.03, rel=0.1)
    assert (dotted == 0).all(axis=2).mean() == pytest.approx(0.03, rel=0.1)


def test_normal_numbers_are_normal() -> None:
    from scipy import stats

    assert stats.kstest(normal((100_000,), generator(0, "x", "y")), "norm").pvalue > 0.01


def test_jpeg_as_pillow(image: Image) -> None:
    buffer = io.BytesIO()
    PilImage.fromarray(image).save(buffer, "JPEG", quality=20, subsampling="4:2:0")
    theirs = np.asarray(PilImage.open(buffer), float)
    assert np.abs(ours("jpeg", image, 20) - theirs).mean() < 0.5


def test_pixelate_by_block_means(image: Image) -> None:
    means = image.reshape(32, 4, 32, 4, 3).mean(axis=(1, 3))
    expected = np.repeat(np.repeat(means, 4, axis=0), 4, axis=1)
    assert worst(ours("pixelate", image, 4), expected) <= 0.51


@pytest.mark.parametrize("bits", [4, 3, 2])
def test_posterize_keeps_the_bits_that_pillow_keeps(bits: int, image: Image) -> None:
    kept = np.asarray(ImageOps.posterize(PilImage.fromarray(image), bits)).astype(int) >> (8 - bits)
    assert worst(posterize(image, bits, RNG), kept * 255 / (2**bits - 1)) <= 0.51


def test_rotate_as_scipy() -> None:
    # Smooth, so that interpolation does not matter; the middle, which both read from the picture.
    y, x = np.mgrid[:200, :200]
    smooth = np.stack(
        [128 + 100 * np.sin(x / 17), 128 + 100 * np.cos(y / 13), 128 + 60 * np.sin((x + y) / 19)], axis=-1
    )
    image = smooth.astype(np.uint8)
    result = ours("rotate", image, 10)
    magnified = ndimage.zoom(image.astype(float), (1.375, 1.375, 1), order=3)
    turned = [ndimage.rotate(magnified, sign * 10, reshape=False, order=3) for sign in (1, -1)]
    inner = [t[37:237, 37:237][40:160, 40:160] for t in turned]
    assert min(np.abs(result[40:160, 40:160] - one).mean() for one in inner) < 3


def test_swirl_turns_as_scikit_image_does() -> None:
    """Its formula: rotation * exp(-distance / (ln 2 * radius / 5)), at unchanged distance."""
    plain_x, plain_y = grid((128, 128))
    x, y = swirl((128, 128), 3.0, generator(0, "x", "y"))
    distance = np.hypot(plain_x, plain_y)
    shrink = np.median(np.hypot(x, y) / distance)
    assert np.abs(np.hypot(x, y) / distance - shrink).max() < 1e-3
    turned = np.angle((x + 1j * y) / (plain_x + 1j * plain_y))
    expected = 3.0 * np.exp(-distance / (math.log(2) * 0.75 * 128 / 5))
    wrapped = np.angle(np.exp(1j * (np.abs(np.angle(np.exp(1j * expected))))))
    assert np.abs(np.abs(turned) - np.abs(wrapped)).max() < 1e-2


def test_perspective_maps_lines_to_lines() -> None:
    x, y = perspective((128, 128), 0.3, generator(0, "x", "y"))
    for row in (0, 40, 127):
        points = np.stack([x[row] - x[row, 0], y[row] - y[row, 0]])
        off = points[0] * points[1, -1] - points[1] * points[0, -1]
        assert np.abs(off).max() / np.hypot(*points[:, -1]) < 1e-2


def test_pencil_sketch_by_its_definition(image: Image) -> None:
    gray = np.asarray(PilImage.fromarray(image).convert("L"), float)
    blurred = ndimage.gaussian_filter(gray, 2.5, mode="mirror")
    expected = np.clip(255 * gray / np.maximum(blurred, 1), 0, 255)
    result = ours("pencil-sketch", image, 1)[..., 0]
    assert np.median(np.abs(result - expected)) <= 2


def test_emboss_by_its_definition(image: Image) -> None:
    gray = np.pad(np.asarray(PilImage.fromarray(image).convert("L"), float), 1, mode="reflect")
    expected = np.clip(128 + gray[2:, 2:] - gray[:-2, :-2], 0, 255)
    assert worst(ours("emboss", image, 1)[..., 0], expected) <= 2


def test_plasma_by_plain_loops() -> None:
    """Diamond-square point by point, with the same random numbers."""
    side = 32
    rng = np.random.default_rng(3)
    cloud = np.zeros((side, side))
    step, disturbance = side, 1.0
    while step > 1:
        half, cells = step // 2, side // step
        noise = rng.uniform(-disturbance, disturbance, (3, cells, cells))
        for i in range(cells):
            for j in range(cells):
                y, x = i * step, j * step
                corners = [cloud[(y + a) % side, (x + b) % side] for a in (0, step) for b in (0, step)]
                cloud[y + half, x + half] = np.mean(corners) + noise[0, i, j]
        squares = cloud.copy()
        for i in range(cells):
            for j in range(cells):
                y, x = i * step, j * step
                for row, column, kind in ((y, x + half, 1), (y + half, x, 2)):
                    around = [
                        squares[(row + a) % side, (column + b) % side]
                        for a, b in ((half, 0), (-half, 0), (0, half), (0, -half))
                    ]
                    cloud[row, column] = np.mean(around) + noise[kind, i, j]
        step, disturbance = half, disturbance / FOG_DECAY
    expected = (cloud - cloud.min()) / np.ptp(cloud)
    assert worst(plasma(side, np.random.default_rng(3)), expected) < 1e-5


def test_fog_keeps_the_brightest_value_in_range(image: Image) -> None:
    foggy = ours("fog", image, 1.2)
    assert foggy.max() <= image.max()
    assert foggy.std() < image.std()


@pytest.mark.parametrize("name", ["rain", "snow"])
def test_rain_and_snow_cover_what_they_draw(name: str) -> None:
    """On black, what is bright was drawn; its share grows with the count, as discs and lines placed at random do."""
    black = np.zeros((256, 256, 3), np.uint8)
    transform = CATALOG.get(name)
    shares = []
    for count in (100, 200):
        drawn = [transform.apply_unchecked(black, count, generator(0, str(n), name))[..., 0] for n in range(8)]
        shares.append(np.mean([np.mean(one > one.min() + 40) for one in drawn]))
    # Places drawn independently: what stays uncovered is the product.
    assert 1 - shares[1] == pytest.approx((1 - shares[0]) ** 2, abs=0.02)
    assert shares[0] > 0.01
