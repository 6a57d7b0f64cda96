"""Alternative implementations of the bank's transformations, and additional edits for training the detector.

A probe trained on one implementation of fog may not detect another implementation. Deployment probes are therefore
trained on the bank and on these alternatives. Each alternative (`Transform.alternative`) draws its own strength, and
its lengths are proportional to the image size.

Views are computed by applying an alternative to the output of `clean`, the alternative for identity, which crops a
larger image, resizes the crop with a random filter, and sometimes sharpens it or compresses it as JPEG at high quality.
Deployment probes must classify such views as clean. Older cameras and websites change images more (`wider_clean`), and
the detector must not flag these images either. `WIDER_ALTERED` contains edits that are not in the bank. Only the
detector is trained on them, because probes predict transformations of the bank.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL import ImageEnhance, ImageFilter, ImageOps

from probing_core.transforms.pixel_ops import from_float, scale_of, to_float
from probing_core.transforms.transformation import Image, grid

NATIVE = 0.2
"""Fraction of crops taken at the original scale of the source, like tiles of large images."""

SMALLEST_SHARE = 0.65
"""Minimum side of all other crops, as a fraction of the shorter side of the source."""

OPENCV = (cv2.INTER_AREA, cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC)
PILLOW = (
    Pillow.Resampling.BOX,
    Pillow.Resampling.BILINEAR,
    Pillow.Resampling.BICUBIC,
    Pillow.Resampling.LANCZOS,
)


def stored(image: Image, format: str, **options: int) -> Image:
    """Encode ``image`` as ``format`` with Pillow, and decode it."""
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, format, **options)
    return np.asarray(Pillow.open(buffer).convert("RGB"))


def clean(picture: Image, view: int, rng: np.random.Generator) -> Image:
    """Create a clean view, with a side length of ``view`` pixels, from a random square crop of ``picture``.

    The crop is sometimes mirrored, sharpened or compressed as JPEG. The shorter side of ``picture`` must have at least
    ``view`` pixels.
    """
    side = min(picture.shape[:2])
    cut = view if rng.random() < NATIVE else max(view, round(side * rng.uniform(SMALLEST_SHARE, 1)))
    top, left = (int(rng.integers(length - cut + 1)) for length in picture.shape[:2])
    square = np.ascontiguousarray(picture[top : top + cut, left : left + cut])
    if rng.random() < 0.5:
        square = np.ascontiguousarray(square[:, ::-1])
    return _finished(_reduced(square, view, rng), rng)


def _reduced(square: Image, view: int, rng: np.random.Generator) -> Image:
    method = int(rng.integers(len(OPENCV) + len(PILLOW)))
    if square.shape[0] == view:
        return square
    if method < len(OPENCV):
        return cv2.resize(square, (view, view), interpolation=OPENCV[method])
    return np.asarray(Pillow.fromarray(square).resize((view, view), PILLOW[method - len(OPENCV)]))


def _finished(image: Image, rng: np.random.Generator) -> Image:
    kind = rng.random()
    if kind < 0.2:
        sharper = ImageFilter.UnsharpMask(radius=1, percent=int(rng.integers(20, 70)), threshold=0)
        return np.asarray(Pillow.fromarray(image).filter(sharper))
    if kind < 0.5:
        return stored(image, "JPEG", quality=int(rng.integers(85, 97)), subsampling=int(rng.integers(3)))
    return image


JPEG_QUALITIES = (65, 92)
"""Range of the JPEG quality of the full image before downsampling."""

EXPOSURE = 0.25
"""Maximum exposure change in stops."""

WHITE_BALANCE = 0.06
"""Maximum relative change of a channel."""

SHARPENING = (60, 150)


def wider_clean(picture: Image, view: int, rng: np.random.Generator) -> Image:
    """Create a clean view as in `clean`, with the stronger processing of older cameras and websites.

    Three steps are applied with probability 0.5 each: JPEG compression before `clean`, a change of exposure and white
    balance after `clean`, and finally sharpening.
    """
    if rng.random() < 0.5:
        picture = stored(picture, "JPEG", quality=int(rng.integers(*JPEG_QUALITIES)), subsampling=int(rng.integers(3)))
    image = clean(picture, view, rng)
    if rng.random() < 0.5:
        gains = 2 ** rng.uniform(-EXPOSURE, EXPOSURE) * (1 + rng.uniform(-WHITE_BALANCE, WHITE_BALANCE, 3))
        image = np.clip(np.rint(image * gains), 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        mask = ImageFilter.UnsharpMask(rng.uniform(0.6, 1.6), int(rng.integers(*SHARPENING)), threshold=0)
        image = np.asarray(Pillow.fromarray(image).filter(mask))
    return image


LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def mixed(before: np.ndarray, after: np.ndarray, amount: float) -> Image:
    return from_float((1 - amount) * before + amount * after)


def either_sign(rng: np.random.Generator) -> int:
    return 1 if rng.random() < 0.5 else -1


def pick(rng: np.random.Generator, shares: Sequence[float]) -> int:
    """Draw an index with the probabilities ``shares``, which must sum to 1."""
    return int(rng.choice(len(shares), p=shares))


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(math.exp(rng.uniform(math.log(low), math.log(high))))


def soft(pixels: np.ndarray, sigma: float) -> np.ndarray:
    """Apply a Gaussian blur of ``sigma`` pixels with mirrored borders."""
    return cv2.GaussianBlur(pixels, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)


def drawn_line_kernel(side: int, angle: float) -> np.ndarray:
    """Draw a motion-blur kernel (side, side) with sum 1, a line through the center, as in augmentation libraries."""
    center = side // 2
    dx, dy = center * math.cos(angle), center * math.sin(angle)
    kernel = np.zeros((side, side), np.float32)
    ends = [(round(center + s * dx), round(center + s * dy)) for s in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return kernel / kernel.sum()


def desaturate(image: Image, rng: np.random.Generator) -> Image:
    """Blend the image with a grayscale version, computed by Pillow or as the channel mean."""
    amount = rng.uniform(0.5, 1)
    if rng.random() < 0.6:
        return np.asarray(ImageEnhance.Color(Pillow.fromarray(image)).enhance(1 - amount))
    pixels = to_float(image)
    return mixed(pixels, pixels.mean(axis=2, keepdims=True), amount)


def hue_shift(image: Image, rng: np.random.Generator) -> Image:
    """Rotate the hue in 8-bit HSV (the bank uses floating point)."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    turn = int(rng.uniform(14, 50)) * either_sign(rng)  # OpenCV hues range from 0 to 180
    hsv[..., 0] = (hsv[..., 0].astype(int) + turn) % 180
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def sepia(image: Image, rng: np.random.Generator) -> Image:
    """Apply the standard sepia matrix, or tint a grayscale image."""
    pixels = to_float(image)
    if rng.random() < 0.4:
        tint = [rng.uniform(1.05, 1.25), rng.uniform(0.9, 1.02), rng.uniform(0.6, 0.8)]
        toned = (pixels @ LUMA)[..., None] * np.array(tint, np.float32)
    else:
        matrix = [[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]]
        toned = pixels @ np.array(matrix, np.float32).T
    return mixed(pixels, toned, rng.uniform(0.5, 1))


def brighten(image: Image, rng: np.random.Generator) -> Image:
    """Add an offset (the bank multiplies by a factor), or use Pillow's brightness enhancer."""
    if rng.random() < 0.5:
        return from_float(to_float(image) + rng.uniform(0.15, 0.4))
    return np.asarray(ImageEnhance.Brightness(Pillow.fromarray(image)).enhance(rng.uniform(1.4, 2.2)))


def contrast(image: Image, rng: np.random.Generator) -> Image:
    """Reduce the contrast by blending values with mid-gray, the image mean, or black."""
    pixels = to_float(image)
    center = (0.5, float(pixels.mean()), 0.0)[pick(rng, (0.4, 0.3, 0.3))]
    return from_float(center + rng.uniform(0.2, 0.6) * (pixels - center))


def gamma(image: Image, rng: np.random.Generator) -> Image:
    """Apply a gamma curve that darkens the image, as in the bank, or sometimes lightens it."""
    power = rng.uniform(1.7, 3.6) if rng.random() < 0.8 else rng.uniform(0.3, 0.6)
    return from_float(to_float(image) ** power)


def gaussian_blur(image: Image, rng: np.random.Generator) -> Image:
    """Apply Pillow's Gaussian blur, a box blur, or a median filter."""
    scale, kind = scale_of(image), pick(rng, (0.45, 0.4, 0.15))
    if kind == 0:
        return np.asarray(Pillow.fromarray(image).filter(ImageFilter.GaussianBlur(rng.uniform(1, 3) * scale)))
    side = 2 * max(1, round(rng.uniform(1, 3) * scale)) + 1
    return cv2.blur(image, (side, side)) if kind == 1 else cv2.medianBlur(image, side)


def motion_blur(image: Image, rng: np.random.Generator) -> Image:
    """Blur with a line kernel, as in augmentation libraries."""
    kernel = drawn_line_kernel(round(rng.uniform(5, 15) * scale_of(image)) | 1, rng.uniform(0, math.pi))
    return cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT_101)


def defocus_blur(image: Image, rng: np.random.Generator) -> Image:
    """Blur with a disc, sometimes in linear light."""
    radius = rng.uniform(2, 5) * scale_of(image)
    reach = math.ceil(radius)
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = (rows**2 + columns**2 <= radius**2).astype(np.float32)
    power = 2.2 if rng.random() < 0.3 else 1.0
    blurred = cv2.filter2D(to_float(image) ** power, -1, kernel / kernel.sum())
    # Large kernels are applied with a Fourier transform, so that dark values can be slightly negative.
    return from_float(np.maximum(blurred, 0) ** (1 / power))


def gaussian_noise(image: Image, rng: np.random.Generator) -> Image:
    """Add gray, colored or heavy-tailed noise, or blurred colored noise, as after demosaicing."""
    pixels, kind, sigma = to_float(image), pick(rng, (0.25, 0.35, 0.15, 0.25)), rng.uniform(0.04, 0.2)
    shape = (*pixels.shape[:2], 1 if kind == 0 else 3)
    noise = rng.laplace(0, sigma / np.sqrt(2), shape) if kind == 2 else rng.normal(0, sigma, shape)
    if kind == 3:
        noise = 1.6 * soft(noise.astype(np.float32), 0.5)
    return from_float(pixels + noise)


def salt_and_pepper(image: Image, rng: np.random.Generator) -> Image:
    """Add salt-and-pepper noise to pixels or single channels, sometimes only salt or only pepper."""
    share, kind = rng.uniform(0.01, 0.15), pick(rng, (0.8, 0.1, 0.1))
    salt, pepper = ((share / 2, share / 2), (share, 0.0), (0.0, share))[kind]
    draw = rng.random((*image.shape[:2], 3 if rng.random() < 0.5 else 1))
    return np.where(draw < pepper, 0, np.where(draw > 1 - salt, 255, image)).astype(np.uint8)


def speckle(image: Image, rng: np.random.Generator) -> Image:
    """Add multiplicative noise, Poisson noise, or high-ISO sensor noise (in lightness and hue)."""
    pixels, kind = to_float(image), rng.integers(3)
    if kind == 0:
        return from_float(pixels * (1 + rng.normal(0, rng.uniform(0.12, 0.38), pixels.shape)))
    if kind == 1:
        photons = rng.uniform(8, 60)
        return from_float(rng.poisson(pixels * photons) / photons)
    hls = cv2.cvtColor(pixels, cv2.COLOR_RGB2HLS)
    hls[..., 0] = (hls[..., 0] + 360 * rng.normal(0, rng.uniform(0.01, 0.06), hls.shape[:2])) % 360
    hls[..., 1] += rng.uniform(0.05, 0.25) * rng.normal(0, 1, hls.shape[:2]) * (0.3 + hls[..., 1])
    hls[..., 1] = hls[..., 1].clip(0, 1)
    return from_float(cv2.cvtColor(hls, cv2.COLOR_HLS2RGB))


def jpeg(image: Image, rng: np.random.Generator) -> Image:
    """Compress with Pillow as JPEG with random chroma subsampling, or sometimes as WebP."""
    if rng.random() < 0.1:
        return stored(image, "WEBP", quality=int(rng.integers(1, 25)))
    return stored(image, "JPEG", quality=int(rng.integers(8, 56)), subsampling=int(rng.integers(3)))


def pixelate(image: Image, rng: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    factor = rng.uniform(2, 6) * scale_of(image)
    method = (Pillow.Resampling.BOX, Pillow.Resampling.NEAREST, Pillow.Resampling.BILINEAR)[rng.integers(3)]
    small = Pillow.fromarray(image).resize((max(2, round(width / factor)), max(2, round(height / factor))), method)
    return np.asarray(small.resize((width, height), Pillow.Resampling.NEAREST))


def posterize(image: Image, rng: np.random.Generator) -> Image:
    """Remove low-order bits, round values to a few levels or to bin midpoints, or quantize to a small palette."""
    kind = pick(rng, (0.45, 0.25, 0.15, 0.15))
    if kind == 0:
        return np.asarray(ImageOps.posterize(Pillow.fromarray(image), 2 + pick(rng, (0.35, 0.4, 0.25))))
    if kind == 3:
        return np.asarray(
            Pillow.fromarray(image).quantize(int(rng.integers(8, 25)), dither=Pillow.Dither.NONE).convert("RGB")
        )
    levels, pixels = int(rng.integers(4, 13)), to_float(image)
    if kind == 1:
        return from_float(np.round(pixels * (levels - 1)) / (levels - 1))
    return from_float((np.floor(pixels * levels).clip(0, levels - 1) + 0.5) / levels)


Fill = tuple[int, tuple[int, int, int]]
"""OpenCV border mode, and the fill color for a constant border."""


def rotate(image: Image, rng: np.random.Generator) -> Image:
    """Rotate about the center, and sometimes magnify to avoid empty corners."""
    height, width = image.shape[:2]
    degrees = rng.uniform(8, 35) * either_sign(rng)
    zoom = 1.0
    if rng.random() < 0.15:
        angle, long = abs(math.radians(degrees)), max(width / height, height / width)
        zoom = math.cos(angle) + long * math.sin(angle)
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, zoom)
    return _warped(image, np.vstack([turn, [0, 0, 1]]), rng)


def perspective(image: Image, rng: np.random.Generator) -> Image:
    """Move the corners independently, or shear the image."""
    height, width = image.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    if rng.random() < 0.7:
        reach = rng.uniform(0.1, 0.25)
        moved = corners + (rng.uniform(-reach, reach, (4, 2)) * [width, height]).astype(np.float32)
        return _warped(image, cv2.getPerspectiveTransform(corners, moved), rng)
    shear = rng.uniform(0.15, 0.4) * either_sign(rng)
    along = np.array([[1, shear, -shear * height / 2], [0, 1, 0], [0, 0, 1]])
    down = np.array([[1, 0, 0], [shear, 1, -shear * width / 2], [0, 0, 1]])
    return _warped(image, along if rng.random() < 0.5 else down, rng)


def swirl(image: Image, rng: np.random.Generator) -> Image:
    """Swirl around a random center with a random radius."""
    height, width = image.shape[:2]
    x, y = grid((height, width))
    aside = rng.uniform(-0.15, 0.15, 2) * (width, height)
    x0, y0 = np.float32(aside[0]), np.float32(aside[1])
    fall = np.float32(math.log(2) * rng.uniform(0.5, 1) * min(height, width) / 5)
    angle = np.float32(rng.uniform(1.5, 6) * either_sign(rng)) * np.exp(-np.hypot(x - x0, y - y0) / fall)
    cosine, sine = np.cos(angle), np.sin(angle)
    turned_x = (x - x0) * cosine - (y - y0) * sine + x0 + np.float32((width - 1) / 2)
    turned_y = (x - x0) * sine + (y - y0) * cosine + y0 + np.float32((height - 1) / 2)
    mode, color = _fill(rng)
    return cv2.remap(image, turned_x, turned_y, cv2.INTER_LINEAR, borderMode=mode, borderValue=color)


def _warped(image: Image, matrix: np.ndarray, rng: np.random.Generator) -> Image:
    smooth = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)[pick(rng, (0.6, 0.2, 0.2))]
    mode, color = _fill(rng)
    size = (image.shape[1], image.shape[0])
    return cv2.warpPerspective(image, matrix, size, flags=smooth, borderMode=mode, borderValue=color)


def _fill(rng: np.random.Generator) -> Fill:
    gray = int(rng.integers(256))
    return (
        (cv2.BORDER_CONSTANT, (0, 0, 0)),
        (cv2.BORDER_REFLECT_101, (0, 0, 0)),
        (cv2.BORDER_REPLICATE, (0, 0, 0)),
        (cv2.BORDER_WRAP, (0, 0, 0)),
        (cv2.BORDER_CONSTANT, (gray, gray, gray)),
    )[pick(rng, (0.4, 0.3, 0.1, 0.1, 0.1))]


RELIEF = np.array([[-1, -1, 0], [-1, 0, 1], [0, 1, 1]], np.float32)
"""Kernel for the brightness gradient from top left to bottom right."""

IDENTITY_KERNEL = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], np.float32)


def emboss(image: Image, rng: np.random.Generator) -> Image:
    """Blend the image with a relief.

    The relief comes from Pillow's emboss filter, or is a gradient in a random direction, added to the image or to gray.
    """
    pixels, kind = to_float(image), pick(rng, (0.6, 0.12, 0.18, 0.1))
    if kind == 3:
        relief = to_float(np.asarray(Pillow.fromarray(image).filter(ImageFilter.EMBOSS)))
        return mixed(pixels, relief, rng.uniform(0.4, 1))
    quarter_turns = 0 if rng.random() < 0.5 else int(rng.integers(4))
    slope = rng.uniform(0.4, 1.6) * np.rot90(RELIEF, quarter_turns)
    if kind == 0:
        corners = np.rot90(np.diag([-1.0, 0, 1.0]), quarter_turns) if rng.random() < 0.8 else 0
        relief = cv2.filter2D(pixels, -1, (slope + IDENTITY_KERNEL + corners).astype(np.float32))
    elif kind == 1:
        relief = cv2.filter2D(pixels, -1, slope) + 0.5
    else:
        relief = np.repeat(cv2.filter2D(pixels @ LUMA, -1, slope)[..., None] + 0.5, 3, axis=2)
    return mixed(pixels, relief.clip(0, 1), rng.uniform(0.4, 1))


EIGHTHS = 3
"""Number of fractional bits in OpenCV drawing coordinates (units of 1/8 pixel)."""


def fog(image: Image, rng: np.random.Generator) -> Image:
    """Draw fog of random density and shape, and sometimes blur the image behind it."""
    density = log_uniform(rng, 0.08, 0.75)
    veil = (_even, _deep, _patchy, _puffs)[pick(rng, (0.15, 0.15, 0.3, 0.4))](image.shape[:2], rng)
    pixels = to_float(image)
    if rng.random() < 0.3:
        pixels = soft(pixels, rng.uniform(0.4, 1.2) * scale_of(image))
    return from_float(pixels + (rng.uniform(0.75, 1) - pixels) * (density * veil).clip(0, 0.95)[..., None])


def rain(image: Image, rng: np.random.Generator) -> Image:
    """Draw rain streaks and darken the image. Usually, also blur the image before or after drawing the streaks."""
    scale = scale_of(image)
    streaks = _lines(image.shape[:2], rng) if rng.random() < 0.75 else _streaked_noise(image.shape[:2], rng)
    pixels, color = to_float(image), rng.uniform(0.6, 1)
    dull, opacity = rng.uniform(0.55, 1), rng.uniform(0.5, 1)
    order = pick(rng, (0.65, 0.1, 0.25))
    if order == 1:  # blur the image but not the streaks
        pixels = soft(pixels, rng.uniform(0.5, 2) * scale)
    pixels = pixels + (color - pixels) * (opacity * streaks)[..., None]
    if order == 0:
        side = 2 * max(1, round(rng.uniform(0.7, 3.9) * scale)) + 1
        pixels = cv2.blur(pixels, (side, side))
    return from_float(dull * pixels)


def snow(image: Image, rng: np.random.Generator) -> Image:
    """Draw round or motion-blurred snowflakes over a lightened image, or lighten dark areas as if covered by snow."""
    pixels, scale = to_float(image), scale_of(image)
    kind = pick(rng, (0.55, 0.25, 0.2))
    if kind == 2:
        return _settled(pixels, rng)
    flakes = _discs(image.shape[:2], int(rng.integers(60, 300)), (0.4, 1.8), rng)
    if kind == 1:
        kernel = drawn_line_kernel(max(3, round(rng.uniform(4, 10) * scale) | 1), rng.uniform(0.25, 0.75) * math.pi)
        flakes = (2.5 * cv2.filter2D(flakes, -1, kernel)).clip(0, 1)
    elif rng.random() < 0.5:
        flakes = soft(flakes, rng.uniform(0.4, 1) * scale)
    pixels = pixels + rng.uniform(0, 0.25) * (1 - pixels)
    return from_float(pixels + (1 - pixels) * (rng.uniform(0.6, 1) * flakes)[..., None])


def _settled(pixels: np.ndarray, rng: np.random.Generator) -> Image:
    hls = cv2.cvtColor(pixels, cv2.COLOR_RGB2HLS)
    dark = hls[..., 1] < np.quantile(hls[..., 1], rng.uniform(0.3, 0.7))
    hls[..., 1] = np.where(dark, hls[..., 1] * rng.uniform(1.6, 2.8), hls[..., 1]).clip(0, 1)
    return from_float(cv2.cvtColor(hls, cv2.COLOR_HLS2RGB))


def _even(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    return np.ones(shape, np.float32)


def _deep(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    thinnest = rng.uniform(0.2, 0.8)
    return np.tile(np.linspace(1.2, thinnest, shape[0], dtype=np.float32)[:, None], (1, shape[1]))


def _patchy(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    clouds = [
        cv2.resize(rng.random((n, n)).astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC) for n in (4, 9)
    ]
    return (0.4 + clouds[0] + 0.4 * (clouds[1] - 0.5)).clip(0, 1.5)


def _puffs(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    puffs = _discs(shape, int(rng.integers(20, 150)), (3, 13), rng)
    return 1.2 * soft(puffs, rng.uniform(2, 6) * min(shape) / 128)


def _lines(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw streaks with equal or slightly different slants: (height, width), 0 to 1."""
    height, width = shape
    scale = min(shape) / 128
    streaks: np.ndarray = np.zeros(shape, np.float32)
    length, slant = rng.uniform(8, 28) * scale, rng.uniform(-0.6, 0.6)
    unsteady = rng.uniform(0, 0.15) if rng.random() < 0.3 else 0.0
    thickness = max(1, round(rng.uniform(0.6, 2) * scale))
    smooth = cv2.LINE_AA if rng.random() < 0.5 else cv2.LINE_8
    for _ in range(int(log_uniform(rng, 20, 250))):
        x, y = rng.uniform(-0.1, 1) * width, rng.uniform(-0.1, 1) * height
        reach = length * rng.uniform(0.6, 1.3)
        end = (int(x + (slant + rng.normal(0, unsteady)) * reach), int(y + reach))
        cv2.line(streaks, (int(x), int(y)), end, 1.0, thickness, smooth)
    return soft(streaks, rng.uniform(0.4, 0.9) * scale) if rng.random() < 0.4 else streaks


def _streaked_noise(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw motion-blurred dots, as in the rain effects of photo editors: (height, width), 0 to 1."""
    dots = (rng.random(shape) < rng.uniform(0.005, 0.04)).astype(np.float32)
    side = max(5, round(rng.uniform(8, 24) * min(shape) / 128) | 1)
    streaks = cv2.filter2D(soft(dots, 0.5), -1, drawn_line_kernel(side, math.pi / 2 + rng.uniform(-0.5, 0.5)))
    return (streaks * rng.uniform(0.5, 1) / max(float(np.quantile(streaks, 0.98)), 1e-6)).clip(0, 1)


def _discs(shape: tuple[int, int], count: int, radii: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Draw discs at random positions: (height, width), 0 to 1.

    ``radii`` is the range of radii in pixels at a view size of 128.
    """
    height, width = shape
    spots: np.ndarray = np.zeros(shape, np.float32)
    scale = 2**EIGHTHS
    for _ in range(int(count)):
        center = (int(rng.random() * width * scale), int(rng.random() * height * scale))
        radius = round(rng.uniform(*radii) * min(shape) / 128 * scale)
        cv2.circle(spots, center, radius, 1.0, -1, cv2.LINE_AA, EIGHTHS)
    return spots


def ground_glass(image: Image, rng: np.random.Generator) -> Image:
    """Blur slightly, replace every pixel with a random neighbor once or twice, and blur slightly again."""
    scale = scale_of(image)
    sigma, reach = rng.uniform(0.4, 1) * scale, max(1, round(rng.uniform(1, 3) * scale))
    pixels = soft(to_float(image), sigma)
    rows, columns = np.indices(image.shape[:2])
    for _ in range(int(rng.integers(1, 3))):
        down, right = rng.integers(-reach, reach + 1, (2, *image.shape[:2]))
        pixels = pixels[(rows + down).clip(0, image.shape[0] - 1), (columns + right).clip(0, image.shape[1] - 1)]
    return from_float(soft(pixels, sigma))


def darken(image: Image, rng: np.random.Generator) -> Image:
    """Darken by an offset or a factor."""
    if rng.random() < 0.5:
        return from_float(to_float(image) - rng.uniform(0.15, 0.5))
    return from_float(to_float(image) * rng.uniform(0.35, 0.7))


WIDER_ALTERED: dict[str, Callable[[Image, np.random.Generator], Image]] = {
    "gaussian-blur": ground_glass,
    "gamma": darken,
}
"""Most similar transformation of the bank, which is used as the label -> additional edit."""
