"""Flaws are found where they are, and in no packaged photograph."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from probing_core.corpora import open_corpus
from probing_core.images import encode_jpeg, read_image
from probing_core.images.quality import FLAT, as_measured, blur, border, chroma, contrast, flatness, flaws, noise
from probing_core.transforms import resolve

RNG = np.random.default_rng(0)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def photographs():
    corpus = open_corpus("photos")
    wholes = corpus.rows.drop_duplicates("base_id")["image_id"]
    return [corpus.load(image_id) for image_id in wholes]


def test_screenshots_are_flat_and_photographs_are_not(photographs):
    paths = (ROOT / "docs" / "screenshots").glob("*.png")
    flat = {path.stem.removesuffix("-light"): flatness(read_image(path.read_bytes())) for path in paths}
    full_of_images = {name for name, value in flat.items() if value <= FLAT}
    assert full_of_images <= {"explore", "transformations"} < set(flat)
    assert max(map(flatness, photographs)) < FLAT


def test_flatness_is_the_share_of_squares_without_detail():
    """Against a loop; a span of two values is no detail."""
    picture = RNG.integers(100, 103, (37, 50, 3)).astype(np.uint8)
    picture[:16, :20, 1] += (np.arange(20) % 2 * 9).astype(np.uint8)
    squares = [picture[y : y + 4, x : x + 4].reshape(-1, 3) for y in range(0, 36, 4) for x in range(0, 48, 4)]
    spans = [int((square.max(0).astype(int) - square.min(0)).max()) for square in squares]
    assert flatness(picture) == pytest.approx(np.mean([span <= 2 for span in spans]))
    assert flatness(picture) == pytest.approx(1 - 4 * 5 / (9 * 12))
    assert flatness(picture[:3]) == 0


def gray(image):
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def test_photographs_have_none(photographs):
    assert [flaws(image) for image in photographs] == [[]] * 10


@pytest.mark.parametrize(
    ("name", "flaw"),
    [
        ("gaussian-blur", "looks blurred"),
        ("gaussian-noise", "looks noisy"),
        ("contrast", "has little contrast"),
        ("desaturate", "has no color"),
    ],
)
def test_what_the_bank_does_at_its_strongest_is_found(photographs, name, flaw):
    transform = resolve(name)
    photographs = [as_measured(image) for image in photographs]  # strengths are of pictures about as small
    strongest = [transform.apply(image, transform.strongest, np.random.default_rng(0)) for image in photographs]
    named = [any(found.startswith(flaw) for found in flaws(image)) for image in strongest]
    assert sum(named) >= 8, named


@pytest.mark.parametrize("sigma", [8, 20, 40])
def test_noise_is_the_standard_deviation_of_what_was_added(sigma):
    smooth = cv2.resize(RNG.integers(80, 176, (6, 6), dtype=np.uint8), (400, 300), interpolation=cv2.INTER_CUBIC)
    noisy = np.clip(smooth + RNG.normal(0, sigma, smooth.shape), 0, 255).astype(np.uint8)
    assert noise(noisy) == pytest.approx(sigma, rel=0.05)


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (12, 80, 200)])
@pytest.mark.parametrize("turned", [False, True])
def test_a_border_is_its_share_of_the_height_or_of_the_width(photographs, color, turned):
    picture = photographs[0]
    picture = picture.swapaxes(0, 1) if turned else picture
    height = len(picture)
    framed = np.full((height + 60, *picture.shape[1:]), color, np.uint8)
    framed[20 : 20 + height] = picture
    framed = np.ascontiguousarray(framed.swapaxes(0, 1) if turned else framed)
    assert border(framed) == pytest.approx(60 / len(framed if not turned else framed.swapaxes(0, 1)), abs=0.01)
    assert any(flaw.startswith("has a border") for flaw in flaws(framed))


@pytest.mark.parametrize("quality", [60, 75, 95])
@pytest.mark.parametrize("side", [256, 400, 1000])
def test_compression_hides_few_borders(photographs, quality, side):
    """It smears the ends of bars and speckles them."""
    found = []
    for photograph in photographs:
        picture = cv2.resize(photograph, (side, side), interpolation=cv2.INTER_AREA)
        framed = cv2.copyMakeBorder(picture, side // 12, side // 12, 0, 0, cv2.BORDER_CONSTANT)
        found.append(border(as_measured(read_image(encode_jpeg(framed, quality=quality)))))
    assert sum(share == pytest.approx(1 / 7, abs=0.03) for share in found) >= 7, found


def test_the_even_ground_around_an_object_is_no_border():
    ground = np.full((200, 200, 3), 255, np.uint8)
    cv2.circle(ground, (100, 100), 60, (200, 30, 60), -1)
    assert border(ground) == 0
    assert border(read_image(encode_jpeg(ground, quality=60))) == 0


@pytest.mark.parametrize("turned", [False, True])
def test_a_picture_that_is_even_along_an_axis_is_not_blurred(turned):
    flag = np.zeros((240, 360, 3), np.uint8)
    flag[:, :120], flag[:, 120:240], flag[:, 240:] = (0, 85, 164), (255, 255, 255), (239, 65, 53)
    flag = np.ascontiguousarray(flag.swapaxes(0, 1)) if turned else flag
    assert flaws(flag) == []
    assert "looks blurred" in flaws(cv2.GaussianBlur(flag, (0, 0), 8))


def test_of_a_very_long_picture_the_middle_is_judged():
    long = np.zeros((300, 20_000, 3), np.uint8)
    assert as_measured(long).shape == (256, 256 * 8, 3)
    assert as_measured(long.swapaxes(0, 1)).shape == (256 * 8, 256, 3)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 300, 3), (300, 2, 3), (15, 15, 3), (2, 3, 3)])
@pytest.mark.parametrize("value", [0, 255, 127])
def test_the_smallest_and_the_emptiest_pictures_are_no_trouble(shape, value):
    found = flaws(np.full(shape, value, np.uint8))
    assert found == ["has little contrast", "has no color"]


def test_what_a_smaller_size_hides_is_no_flaw(photographs):
    """A faint blur of a large picture is gone at the size that models see."""
    large = cv2.resize(photographs[0], (2000, 2000), interpolation=cv2.INTER_CUBIC)
    assert blur(gray(large)) > blur(gray(photographs[0]))
    assert flaws(large) == []


def test_measures_of_a_picture_that_is_known():
    half = np.zeros((100, 100, 3), np.uint8)
    half[:, 50:] = (200, 100, 50)
    assert contrast(gray(half)) == gray(half).max()
    assert chroma(half) == 150
