"""The bank's transforms by other hands: the same things done as other programs do them.

What a probe learns from one implementation of fog it may not find in another's. Evaluation stays with the bank;
deployment probes, which meet pictures that other programs have changed, learn these as well. A rendering draws its own
strength within what the transform's law makes, and its lengths are fractions of the side.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL import ImageEnhance, ImageFilter, ImageOps

from probing_core.transforms.base import Image

Rendering = Callable[[Image, np.random.Generator], Image]

FULL = 128
"""Side to which the lengths below refer, in pixels."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def desaturate(image: Image, rng: np.random.Generator) -> Image:
    return np.asarray(ImageEnhance.Color(Pillow.fromarray(image)).enhance(rng.uniform(0, 0.5)))


def hue_shift(image: Image, rng: np.random.Generator) -> Image:
    """In HSV, where the bank turns another space."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    turn = int(rng.uniform(14, 50)) * _sign(rng)  # OpenCV counts 180 a turn
    hsv[..., 0] = (hsv[..., 0].astype(int) + turn) % 180
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def sepia(image: Image, rng: np.random.Generator) -> Image:
    """The well-known matrix, or a gray picture toned by a tint."""
    pixels = _float(image)
    if rng.random() < 0.4:
        tint = [rng.uniform(1.05, 1.25), rng.uniform(0.9, 1.02), rng.uniform(0.6, 0.8)]
        toned = (pixels @ LUMA)[..., None] * np.array(tint, np.float32)
    else:
        matrix = [[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]]
        toned = pixels @ np.array(matrix, np.float32).T
    return _blend(pixels, toned, rng.uniform(0.5, 1))


def brighten(image: Image, rng: np.random.Generator) -> Image:
    """An offset, where the bank multiplies; or Pillow's enhancer."""
    if rng.random() < 0.5:
        return _image(_float(image) + rng.uniform(0.15, 0.4))
    return np.asarray(ImageEnhance.Brightness(Pillow.fromarray(image)).enhance(rng.uniform(1.4, 2.2)))


def contrast(image: Image, rng: np.random.Generator) -> Image:
    """Towards mid-gray, the picture's mean, or black."""
    pixels = _float(image)
    center = (0.5, float(pixels.mean()), 0.0)[rng.integers(3)]
    return _image(center + rng.uniform(0.2, 0.6) * (pixels - center))


def gamma(image: Image, rng: np.random.Generator) -> Image:
    return _image(_float(image) ** rng.uniform(1.7, 3.6))


def gaussian_blur(image: Image, rng: np.random.Generator) -> Image:
    """Pillow's, or a box."""
    scale = image.shape[0] / FULL
    if rng.random() < 0.5:
        return np.asarray(Pillow.fromarray(image).filter(ImageFilter.GaussianBlur(rng.uniform(1, 3) * scale)))
    return cv2.blur(image, (2 * round(rng.uniform(1, 3) * scale) + 1,) * 2)


def motion_blur(image: Image, rng: np.random.Generator) -> Image:
    """A drawn line as kernel, as augmentation libraries do it."""
    side = round(rng.uniform(5, 15) * image.shape[0] / FULL) | 1
    center, angle = side // 2, rng.uniform(0, np.pi)
    dx, dy = center * np.cos(angle), center * np.sin(angle)
    kernel = np.zeros((side, side), np.float32)
    ends = [(round(center + s * dx), round(center + s * dy)) for s in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101)


def defocus_blur(image: Image, rng: np.random.Generator) -> Image:
    """A disc, sometimes over linear light."""
    radius = rng.uniform(2, 5) * image.shape[0] / FULL
    reach = int(np.ceil(radius))
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = (rows**2 + columns**2 <= radius**2).astype(np.float32)
    power = 2.2 if rng.random() < 0.4 else 1.0
    return _image(cv2.filter2D(_float(image) ** power, -1, kernel / kernel.sum()) ** (1 / power))


def gaussian_noise(image: Image, rng: np.random.Generator) -> Image:
    """Gray, colored, or colored and soft as a camera's is after demosaicing."""
    pixels, kind = _float(image), rng.integers(3)
    noise = rng.normal(0, rng.uniform(0.04, 0.2), (*pixels.shape[:2], 1 if kind == 0 else 3)).astype(np.float32)
    if kind == 2:
        noise = 1.6 * cv2.GaussianBlur(noise, (0, 0), 0.5)
    return _image(pixels + noise)


def salt_and_pepper(image: Image, rng: np.random.Generator) -> Image:
    """On whole pixels, or on channels alone."""
    share = rng.uniform(0.01, 0.15)
    draw = rng.random((*image.shape[:2], 3 if rng.random() < 0.5 else 1))
    return np.where(draw < share / 2, 0, np.where(draw > 1 - share / 2, 255, image)).astype(np.uint8)


def speckle(image: Image, rng: np.random.Generator) -> Image:
    """Multiplicative, or photon counts."""
    pixels = _float(image)
    if rng.random() < 0.5:
        photons = rng.uniform(8, 60)
        return _image(rng.poisson(pixels * photons) / photons)
    return _image(pixels * (1 + rng.normal(0, rng.uniform(0.12, 0.38), pixels.shape)))


def jpeg(image: Image, rng: np.random.Generator) -> Image:
    """Pillow's encoder, at any chroma subsampling."""
    buffer = io.BytesIO()
    quality, subsampling = int(rng.integers(8, 56)), int(rng.integers(3))
    Pillow.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Pillow.open(buffer).convert("RGB"))


def pixelate(image: Image, rng: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    factor = rng.uniform(2, 6) * height / FULL
    method = (Pillow.Resampling.BOX, Pillow.Resampling.NEAREST, Pillow.Resampling.BILINEAR)[rng.integers(3)]
    small = Pillow.fromarray(image).resize((max(2, round(width / factor)), max(2, round(height / factor))), method)
    return np.asarray(small.resize((width, height), Pillow.Resampling.NEAREST))


def posterize(image: Image, rng: np.random.Generator) -> Image:
    """Low bits cut off, or levels rounded to the nearest."""
    bits = int(rng.integers(1, 5))
    if rng.random() < 0.5:
        return np.asarray(ImageOps.posterize(Pillow.fromarray(image), bits))
    levels = 2**bits - 1
    return _image(np.round(_float(image) * levels) / levels)


def rotate(image: Image, rng: np.random.Generator) -> Image:
    """About the center, corners filled by black, by a mirror or by the rim."""
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), rng.uniform(8, 30) * _sign(rng), 1)
    smooth = cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_NEAREST
    return cv2.warpAffine(image, turn, (width, height), flags=smooth, borderMode=_fill(rng))


def perspective(image: Image, rng: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    reach = rng.uniform(0.1, 0.25)
    moved = corners + (rng.uniform(-reach, reach, (4, 2)) * [width, height]).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(corners, moved)
    return cv2.warpPerspective(image, matrix, (width, height), borderMode=_fill(rng))


def emboss(image: Image, rng: np.random.Generator) -> Image:
    """Pillow's relief, a colored one that keeps the picture, or a gray one."""
    pixels, kind, force = _float(image), rng.integers(3), rng.uniform(0.5, 1.5)
    if kind == 0:
        relief = _float(np.asarray(Pillow.fromarray(image).filter(ImageFilter.EMBOSS)))
    elif kind == 1:
        kernel = np.array([[-1 - force, -force, 0], [-force, 1, force], [0, force, 1 + force]], np.float32)
        relief = cv2.filter2D(pixels, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
    else:
        kernel = 1.6 * force * np.array([[-1, -1, 0], [-1, 0, 1], [0, 1, 1]], np.float32)
        relief = np.repeat(cv2.filter2D(pixels @ LUMA, -1, kernel)[..., None] + 0.5, 3, axis=2)
    return _blend(pixels, relief.clip(0, 1), rng.uniform(0.4, 1))


def fog(image: Image, rng: np.random.Generator) -> Image:
    """Even, thicker towards the top, or in large patches; sometimes soft."""
    height, width = image.shape[:2]
    density, kind = rng.uniform(0.25, 0.7), rng.integers(3)
    if kind == 0:
        veil = np.full((height, width), density, np.float32)
    elif kind == 1:
        veil = np.tile(density * np.linspace(1, rng.uniform(0.2, 0.8), height, dtype=np.float32)[:, None], (1, width))
    else:
        patches = cv2.resize(rng.random((4, 4)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
        veil = (density * (0.5 + patches)).clip(0, 1)
    pixels = _float(image)
    pixels = pixels + (rng.uniform(0.75, 1) - pixels) * veil[..., None]
    if rng.random() < 0.4:
        pixels = cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.5, 1.2) * height / FULL)
    return _image(pixels)


def rain(image: Image, rng: np.random.Generator) -> Image:
    """Drawn streaks over a picture that may be darkened and blurred."""
    height, width = image.shape[:2]
    scale = height / FULL
    streaks: np.ndarray = np.zeros((height, width), np.float32)
    length, slant = rng.uniform(8, 28) * scale, rng.uniform(-0.4, 0.4)
    thickness = max(1, round(rng.uniform(0.6, 2) * scale))
    for _ in range(int(rng.uniform(40, 250))):
        x, y = rng.random() * width, rng.random() * height
        reach = length * rng.uniform(0.6, 1.3)
        cv2.line(streaks, (int(x), int(y)), (int(x + slant * reach), int(y + reach)), 1.0, thickness, cv2.LINE_AA)
    if rng.random() < 0.6:
        streaks = cv2.GaussianBlur(streaks, (0, 0), rng.uniform(0.4, 0.9) * scale)
    pixels: np.ndarray = _float(image) * rng.uniform(0.6, 1)
    if rng.random() < 0.5:
        pixels = cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.4, 2.2) * scale)
    return _image(pixels + (rng.uniform(0.75, 1) - pixels) * (rng.uniform(0.35, 0.9) * streaks)[..., None])


def snow(image: Image, rng: np.random.Generator) -> Image:
    """Round flakes over a picture that may be bleached."""
    height, width = image.shape[:2]
    scale, shift = height / FULL, 3  # OpenCV draws at eighths of a pixel
    flakes: np.ndarray = np.zeros((height, width), np.float32)
    for _ in range(int(rng.uniform(60, 300))):
        center = (int(rng.random() * width * 8), int(rng.random() * height * 8))
        cv2.circle(flakes, center, round(rng.uniform(0.4, 1.8) * scale * 8), 1.0, -1, cv2.LINE_AA, shift)
    if rng.random() < 0.5:
        flakes = cv2.GaussianBlur(flakes, (0, 0), rng.uniform(0.4, 1) * scale)
    pixels = _float(image)
    pixels = pixels + rng.uniform(0, 0.25) * (1 - pixels)
    return _image(pixels + (1 - pixels) * (rng.uniform(0.6, 1) * flakes)[..., None])


RENDERINGS: dict[str, Rendering] = {
    f.__name__.replace("_", "-"): f
    for f in (
        desaturate, hue_shift, sepia, brighten, contrast, gamma, gaussian_blur, motion_blur, defocus_blur,
        gaussian_noise, salt_and_pepper, speckle, jpeg, pixelate, posterize, rotate, perspective, emboss, fog, rain,
        snow,
    )
}  # fmt: skip
"""Name of the transform -> the same by another hand. The others are drawn in one way everywhere, or nowhere else."""


def _float(image: Image) -> np.ndarray:
    return image.astype(np.float32) / 255


def _image(pixels: np.ndarray) -> Image:
    return (pixels.clip(0, 1) * 255).round().astype(np.uint8)


def _blend(before: np.ndarray, after: np.ndarray, amount: float) -> Image:
    return _image((1 - amount) * before + amount * after)


def _sign(rng: np.random.Generator) -> int:
    return 1 if rng.random() < 0.5 else -1


def _fill(rng: np.random.Generator) -> int:
    return (cv2.BORDER_CONSTANT, cv2.BORDER_CONSTANT, cv2.BORDER_REFLECT_101, cv2.BORDER_REPLICATE)[rng.integers(4)]
