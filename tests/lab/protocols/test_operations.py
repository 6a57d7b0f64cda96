"""The protocols of others: every operation at every severity, and beside other libraries."""

from __future__ import annotations

import io
import math
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from PIL import Image as PilImage
from PIL import ImageEnhance
from scipy import ndimage

from lab.protocols import imagenet_c as corruptions
from lab.protocols import traces
from lab.protocols.imagenet_c import half_gaussian_line, ice_sheet
from lab.protocols.traces import PARTS, resample, sharpen
from probing_core import catalog
from probing_core.errors import UnknownName
from probing_core.transforms import (
    CATALOG,
    Image,
    Transform,
    cut_pair,
    expand,
    generator,
    resolve,
)
from probing_core.transforms.bank.blur import disc_kernel
from probing_core.transforms.transformation import grid
from tests.transforms.pictures import noise, photograph, sources

TRACES, IMAGENET_C = traces.TRANSFORMS, corruptions.TRANSFORMS
EACH = [pytest.param(t, id=t.name) for t in (*TRACES, *IMAGENET_C)]
NAMED = {t.name: t for t in (*TRACES, *IMAGENET_C)}
RNG = generator(0, "x", "y")

UNORDERED = {
    "frost": "the more ice, the less of the scene",
    "fog": "the last severities differ by how rough the cloud is",
    "saturate": "less color up to 2, then more",
}
"""Operations of ImageNet-C whose severities do not, by its own numbers, change every picture more and more: why."""


@pytest.fixture(scope="module")
def image() -> Image:
    """(224, 224, 3): lengths are the paper's."""
    return np.ascontiguousarray(cv2.resize(photograph(), (224, 224), interpolation=cv2.INTER_AREA))


def severities(transform: Transform) -> range:
    return range(1, int(transform.strongest) + 1)


def at(transform: Transform, severity: int, image: Image, draw: int = 0) -> Image:
    return transform.apply(image, severity, generator(0, "x", transform.name, 0, draw))


def imagenet_c(name: str, severity: int, image: Image) -> np.ndarray:
    return at(NAMED[f"imagenet-c/{name}"], severity, image).astype(float)


def worst(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other).max())


@pytest.mark.parametrize("transform", EACH)
def test_every_severity_keeps_size_and_type_and_draws_from_its_generator_alone(transform: Transform) -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002, that it stays is what is tested
    for height, width in ((32, 32), (33, 47), (128, 128), (40, 700)):
        picture = noise(height, width)
        kept = picture.copy()
        for severity in severities(transform):
            result = at(transform, severity, picture)
            assert (result.shape, result.dtype) == (picture.shape, np.uint8)
            assert (picture == kept).all()
            assert not np.shares_memory(result, picture)
            assert (result == at(transform, severity, picture)).all()
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


@pytest.mark.parametrize("transform", EACH)
def test_results_depend_on_the_seed_where_they_say_so(transform: Transform, image: Image) -> None:
    for severity in severities(transform):
        first, other = (at(transform, severity, image, draw) for draw in (0, 1))
        assert (first != other).any() == transform.draws


@pytest.mark.parametrize("transform", EACH)
def test_every_severity_changes_every_view(transform: Transform) -> None:
    differences = np.array(
        [
            [
                cv2.norm(*cut_pair(source, 128, transform, severity, generator(0, name, "x")), cv2.NORM_L1) / 128**2 / 3
                for severity in severities(transform)
            ]
            for name, _, source in sources()
        ]
    )
    assert differences.min() > 0.1
    means = differences.mean(axis=0)
    if transform.name.partition("/")[2] not in UNORDERED:
        assert all(later > earlier for earlier, later in pairwise(means)), means


def test_the_operations_are_those_of_the_papers() -> None:
    assert [len(names) for names in PARTS.values()] == [6, 3, 3, 4]
    assert set().union(*PARTS.values()) == {t.name for t in TRACES}
    assert (len(TRACES), len(IMAGENET_C)) == (14, 19)
    assert set(UNORDERED) <= {t.name.partition("/")[2] for t in IMAGENET_C}


@pytest.mark.parametrize("plugin", [traces, corruptions])
def test_a_plugin_registers_its_operations_under_one_name(plugin: ModuleType, monkeypatch) -> None:
    monkeypatch.setattr(CATALOG, "_added", {})
    monkeypatch.setattr(catalog, "_LOADED", {})
    names = tuple(t.name for t in plugin.TRANSFORMS)
    with pytest.raises(UnknownName):
        resolve(names[0])
    catalog.load_plugin(Path(plugin.__file__))
    assert expand([names[0].partition("/")[0], "brighten"]) == (*names, "brighten")
    assert resolve(names[0]).key == plugin.TRANSFORMS[0].key


def test_lengths_grow_with_the_picture(image: Image) -> None:
    double = cv2.resize(image, (448, 448), interpolation=cv2.INTER_CUBIC)
    for name in ("gaussian-blur", "defocus-blur", "zoom-blur"):
        reduced = cv2.resize(imagenet_c(name, 4, double), (224, 224), interpolation=cv2.INTER_AREA)
        assert np.abs(reduced - imagenet_c(name, 4, image)).mean() < 1, name


# Beside other libraries, and where there is none, beside the definition written out plainly.


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_noise_as_scikit_image(severity: int) -> None:
    from skimage.util import random_noise

    gray = np.full((256, 256, 3), 100, np.uint8)
    modes = {
        "gaussian-noise": {"mode": "gaussian", "var": (0.08, 0, 0.18, 0, 0.38)[severity - 1] ** 2},
        "speckle-noise": {"mode": "speckle", "var": (0.15, 0, 0.35, 0, 0.6)[severity - 1] ** 2},
        "impulse-noise": {"mode": "s&p", "amount": (0.03, 0, 0.09, 0, 0.27)[severity - 1]},
    }
    for name, options in modes.items():
        ours, theirs = imagenet_c(name, severity, gray), 255 * random_noise(gray, rng=0, **options)
        assert ours.mean() == pytest.approx(theirs.mean(), rel=0.01), name
        assert ours.std() == pytest.approx(theirs.std(), rel=0.02), name


def test_shot_noise_has_the_variance_of_photons() -> None:
    for severity, photons in enumerate((60, 25, 12, 5, 3), 1):
        noisy = imagenet_c("shot-noise", severity, np.full((256, 256, 3), 40, np.uint8))
        assert noisy.mean() == pytest.approx(40, rel=0.02)
        assert noisy.std() == pytest.approx(math.sqrt(40 * 255 / photons), rel=0.03)


@pytest.mark.parametrize("severity", range(1, 6))
def test_gaussian_blur_as_scipy(severity: int, image: Image) -> None:
    sigma = (1, 2, 3, 4, 6)[severity - 1]
    theirs = ndimage.gaussian_filter(image.astype(float), (sigma, sigma, 0), mode="mirror")
    assert worst(imagenet_c("gaussian-blur", severity, image), theirs) <= 3


def test_defocus_blur_as_a_plain_disc(image: Image) -> None:
    theirs = ndimage.convolve(image.astype(float), disc_kernel(8)[..., None], mode="mirror")
    assert worst(imagenet_c("defocus-blur", 4, image), theirs) <= 1


def test_a_smear_leaves_its_anchor_to_one_side_with_half_gaussian_weights() -> None:
    for degrees in (-120, -45, 0, 30):
        kernel, (x, y) = half_gaussian_line(30, 6, degrees)
        assert kernel.sum() == pytest.approx(1, abs=1e-5)
        rows, columns = np.mgrid[: kernel.shape[0], : kernel.shape[1]]
        along = (columns - x) * math.cos(math.radians(degrees)) + (rows - y) * math.sin(math.radians(degrees))
        # The mean of a half-normal distribution.
        assert (kernel * along).sum() == pytest.approx(6 * math.sqrt(2 / math.pi), rel=0.05)
        assert along[kernel > 0].min() > -2


def test_zoom_blur_by_scipy(image: Image) -> None:
    center, total = (224 - 1) / 2, image.astype(float)
    for factor in 1 + 0.03 * np.arange(11):
        matrix, offset = np.diag([1 / factor, 1 / factor, 1]), [center * (1 - 1 / factor)] * 2 + [0]
        total += ndimage.affine_transform(image.astype(float), matrix, offset, order=1, mode="mirror")
    assert worst(imagenet_c("zoom-blur", 5, image), total / 12) <= 3


@pytest.mark.parametrize("severity", range(1, 6))
def test_hsv_as_scikit_image(severity: int, image: Image) -> None:
    from skimage.color import hsv2rgb, rgb2hsv

    brighter = rgb2hsv(image)
    brighter[..., 2] = np.clip(brighter[..., 2] + severity / 10, 0, 1)
    assert worst(imagenet_c("brightness", severity, image), 255 * hsv2rgb(brighter)) <= 1
    factor, amount = ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2))[severity - 1]
    colored = rgb2hsv(image)
    colored[..., 1] = np.clip(colored[..., 1] * factor + amount, 0, 1)
    assert worst(imagenet_c("saturate", severity, image), 255 * hsv2rgb(colored)) <= 1


def test_contrast_by_its_definition(image: Image) -> None:
    means = image.mean(axis=(0, 1))
    assert worst(imagenet_c("contrast", 4, image), means + (image - means) * 0.1) <= 0.51


def test_pixelate_by_block_means(image: Image) -> None:
    means = image.reshape(56, 4, 56, 4, 3).mean(axis=(1, 3))
    assert worst(imagenet_c("pixelate", 5, image), np.repeat(np.repeat(means, 4, axis=0), 4, axis=1)) <= 1


def test_elastic_moves_points_as_far_as_the_paper_does() -> None:
    transform = NAMED["imagenet-c/elastic"]
    assert transform.warp is not None
    plain = np.stack(grid((224, 224)))
    for severity, share in enumerate((0.05, 0.065, 0.085, 0.1, 0.12), 1):
        moved = np.stack(transform.warp((224, 224), severity, generator(0, "x", "y"))) - plain
        uniform = np.random.default_rng(0).uniform(-1.12, 1.12, (2, 224, 224))
        theirs = [ndimage.gaussian_filter(field, 2.24, truncate=3) * 250 * share for field in uniform]
        assert moved.std() == pytest.approx(np.std(theirs), rel=0.05)


def test_ice_is_as_bright_as_the_photographs_of_the_paper() -> None:
    sheets = np.stack([ice_sheet(np.random.default_rng(seed)) for seed in range(12)])
    assert sheets.mean() == pytest.approx(np.mean([131, 207, 207, 152, 123, 90]), abs=8)
    assert (sheets[..., 2] > sheets[..., 0]).all()


@pytest.mark.parametrize(("quality", "chroma"), [(q, c) for q in (75, 85, 95) for c in ("4:2:0", "4:4:4")])
def test_jpeg_as_pillow(quality: int, chroma: str, image: Image) -> None:
    buffer = io.BytesIO()
    PilImage.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=chroma)
    theirs = np.asarray(PilImage.open(buffer), float)
    ours = at(NAMED[f"traces/jpeg-q{quality}-{chroma.replace(':', '')}"], 1, image)
    assert np.abs(ours - theirs).mean() < 0.2
    # The other chroma is another picture.
    other = at(NAMED[f"traces/jpeg-q{quality}-{'420' if chroma == '4:4:4' else '444'}"], 1, image)
    assert np.abs(other - theirs).mean() > 0.5


@pytest.mark.parametrize("factor", [2, 4])
def test_sharpening_as_pillow(factor: int, image: Image) -> None:
    buffer = io.BytesIO()
    ImageEnhance.Sharpness(PilImage.fromarray(image)).enhance(factor).save(
        buffer, "JPEG", quality=95, subsampling="4:4:4"
    )
    ours = sharpen(image, 1, RNG, factor=factor, quality=95, chroma="4:4:4")
    assert np.abs(ours.astype(float) - np.asarray(PilImage.open(buffer), float)).mean() < 0.05


@pytest.mark.parametrize("kernel", ["bilinear", "bicubic", "lanczos"])
def test_resampling_as_torchvision(kernel: str, image: Image) -> None:
    torch = pytest.importorskip("torch")
    from torchvision.transforms.v2 import InterpolationMode, functional

    picture = torch.from_numpy(image.transpose(2, 0, 1).copy())
    if kernel == "lanczos":
        picture = functional.to_pil_image(picture)
    reduced = functional.resize(picture, [202, 202], InterpolationMode(kernel), antialias=True)
    back = functional.resize(reduced, [224, 224], InterpolationMode.BICUBIC, antialias=True)
    theirs = np.asarray(back, float) if kernel == "lanczos" else back.numpy().transpose(1, 2, 0).astype(float)
    ours = resample(image, 1, RNG, kernel=kernel, smallest=0.9, largest=0.9, quality=100, chroma="4:4:4")
    assert np.abs(ours - theirs).mean() < 0.6  # JPEG of quality 100 lies between
