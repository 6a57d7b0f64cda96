"""Pipelines for evaluating `probing_core.diff`. Nothing was selected with them.

The pipelines of ``diff_foreign.py`` and ``diff_foreign_more.py`` were used during development: limits and candidates
changed after they were run. The pipelines and ``ANSWERS`` in this file were committed before their first run. A later
change of `diff` that was motivated by their results must move them there and replace them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import torch
from PIL import Image as Pillow
from PIL import ImageFilter
from skimage import exposure, filters, restoration
from torchvision.io import decode_jpeg, encode_jpeg
from torchvision.transforms.v2 import functional as vision

from lab.evidence.diff_foreign import (
    CROPPED,
    MIRRORED,
    RESIZED,
    TURNED,
    UNKNOWN,
    Answer,
    Function,
    after,
    cv_stored,
    expected,
    ffmpeg,
    jpeg,
    magick,
    noise,
    of_skimage,
    pil,
    program,
    stored,
)
from probing_core.images import Image

ANSWERS: dict[str, Answer] = {
    "torchvision jpeg 47": expected("jpeg"),
    "opencv jpeg 74": expected("jpeg"),
    "imagemagick jpeg 91 progressive": expected("jpeg"),
    "pillow jpeg 33 optimized": expected("jpeg"),
    "pillow webp 63": expected("webp"),
    "cwebp 37": expected("webp"),
    "opencv webp 91": expected("webp"),
    "torchvision gaussian 1.6": expected("gaussian-blur"),
    "skimage gaussian 0.9": expected("gaussian-blur"),
    "imagemagick blur 2": expected("gaussian-blur"),
    "pillow box 3": expected("box-blur/defocus-blur"),
    "opencv median 5": expected("median"),
    "torchvision sharpness 2.5": expected("sharpen"),
    "pillow unsharp 1": expected("sharpen"),
    "torchvision brightness 0.8": expected("brighten"),
    "numpy times 1.25": expected("brighten"),
    "torchvision contrast 0.7": expected("contrast"),
    "torchvision saturation 1.6": expected("desaturate"),
    "torchvision gray": expected("desaturate"),
    "torchvision gamma 1.7": expected("gamma"),
    "skimage gamma 0.6": expected("gamma"),
    "numpy offset 18": expected("offset"),
    "torchvision posterize 3": expected("posterize-shift/posterize"),
    "torchvision equalize": expected("equalize"),
    "torchvision autocontrast": expected("autocontrast/contrast/brighten"),
    "torchvision invert": expected("invert"),
    "torchvision hue 0.08": expected("hue-shift"),
    "pillow palette 48": expected("palette"),
    "torchvision mirror": expected(geometry=MIRRORED),
    "numpy turn": expected(geometry=TURNED),
    "opencv transpose": expected(geometry=("turned", "mirrored")),
    "torchvision resize 160": expected(geometry=RESIZED),
    "torchvision half aliased": expected(geometry=RESIZED),
    "opencv double cubic": expected(geometry=RESIZED),
    "pillow reduce 2": expected(geometry=RESIZED),
    "pillow thumbnail 120": expected(geometry=RESIZED),
    "imagemagick 40%": expected(geometry=RESIZED),
    "ffmpeg bicubic 0.5": expected(geometry=RESIZED),
    "torchvision center crop 150": expected(geometry=CROPPED),
    "torchvision resize 170 crop 128": expected(geometry=("resized", "cropped")),
    "torchvision resized crop": expected(geometry=("cropped", "resized")),
    "torchvision rotate 6": expected("rotate"),
    "pillow rotate -15": expected("rotate"),
    "skimage noise 0.003": expected("gaussian-noise"),
    "skimage pepper 0.04": expected("salt-and-pepper"),
    "numpy shot noise": expected("shot-noise"),
    "opencv box": expected("overlay"),
    "numpy border": expected("border"),
    "saturation, webp": expected("desaturate", "webp"),
    "gamma, jpeg": expected("gamma", "jpeg"),
    "median, jpeg": expected("median", "jpeg"),
    "invert, jpeg": expected("invert", "jpeg"),
    "resize bicubic, jpeg": expected("jpeg", geometry=RESIZED),
    "resize lanczos, webp": expected("webp", geometry=RESIZED),
    "thumbnail, sharpen": expected("sharpen", geometry=RESIZED),
    "crop, brightness": expected("brighten", geometry=CROPPED),
    "turn, jpeg": expected("jpeg", geometry=TURNED),
    "resized crop, jpeg": expected("jpeg", geometry=("cropped", "resized")),
    "mirror, blur": expected("gaussian-blur", geometry=MIRRORED),
    "torchvision solarize": UNKNOWN,
    "torchvision elastic": UNKNOWN,
    "torchvision perspective": UNKNOWN,
    "torchvision shear": UNKNOWN,
    "opencv stylization": UNKNOWN,
    "opencv clahe per channel": UNKNOWN,
    "skimage total variation": UNKNOWN,
    "skimage sigmoid 12": UNKNOWN,
    "imagemagick sketch": UNKNOWN,
    "imagemagick blue shift": UNKNOWN,
    "imagemagick spread": UNKNOWN,
    "dark side": UNKNOWN,
    "blended checks": UNKNOWN,
    "local maximum": UNKNOWN,
    "shifted red": UNKNOWN,
    "fish eye": UNKNOWN,
}
"""Pipeline -> right answer."""

ANTIALIASED = vision.InterpolationMode.BILINEAR


def _tensor(function: Callable[[torch.Tensor], torch.Tensor]) -> Function:
    """Return a pipeline that applies a function to a tensor (C, H, W) of bytes."""

    def run(image: Image) -> Image:
        with torch.inference_mode():
            edited = function(torch.from_numpy(image.copy()).permute(2, 0, 1))
        return np.ascontiguousarray(edited.permute(1, 2, 0).numpy())

    return run


def _elastic(pixels: torch.Tensor) -> torch.Tensor:
    noise = torch.rand((1, 2, *pixels.shape[-2:]), generator=torch.Generator().manual_seed(5)) * 2 - 1
    smooth = vision.gaussian_blur(noise[0], [31, 31], [6.0, 6.0])[None].permute(0, 2, 3, 1)
    return vision.elastic(pixels, smooth / smooth.abs().max() * 0.05)


def _perspective(pixels: torch.Tensor) -> torch.Tensor:
    height, width = pixels.shape[-2:]
    corners = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
    moved = [[width // 10, height // 12], [width - 1, 0], [width - 1 - width // 9, height - 1], [0, height - 1]]
    return vision.perspective(pixels, corners, moved)


def _resized_crop(pixels: torch.Tensor) -> torch.Tensor:
    height, width = pixels.shape[-2:]
    box = (height // 8, width // 10, round(height * 0.75), round(width * 0.7))
    return vision.resized_crop(pixels, *box, [144, 144], ANTIALIASED, antialias=True)


def _crop(image: Image) -> Image:
    height, width = image.shape[:2]
    return image[height // 6 : height - height // 9, width // 7 : width - width // 12].copy()


def _thumbnail(picture: Pillow.Image) -> Pillow.Image:
    small = picture.copy()
    small.thumbnail((120, 120))
    return small


def _scaled(factor: float, method: Pillow.Resampling) -> Function:
    return pil(lambda picture: picture.resize((int(picture.width * factor), int(picture.height * factor)), method))


def _shot_noise(image: Image) -> Image:
    rng = np.random.default_rng(int(image[::5, ::5].sum()))
    return np.clip(rng.poisson(image / 255 * 70) / 70 * 255, 0, 255).astype(np.uint8)


def _box(image: Image) -> Image:
    height, width = image.shape[:2]
    start, end = (width // 8, height // 6), (width // 8 + width // 4, height // 6 + height // 8)
    return cv2.rectangle(image.copy(), start, end, (20, 90, 210), -1)


def _border(image: Image) -> Image:
    framed = image.copy()
    framed[:9], framed[-9:], framed[:, :9], framed[:, -9:] = 235, 235, 235, 235
    return framed


def _per_channel(function: Function) -> Function:
    return lambda image: np.dstack([function(np.ascontiguousarray(image[..., i])) for i in range(3)])


def _dark_side(image: Image) -> Image:
    return (image * np.linspace(1, 0.4, image.shape[1])[None, :, None]).astype(np.uint8)


def _checks(image: Image) -> Image:
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    weight = np.where((y // 12 + x // 12) % 2, 0.75, 1.0)[..., None]
    return (image * weight + 255 * (1 - weight)).astype(np.uint8)


def _shifted_red(image: Image) -> Image:
    moved = image.copy()
    moved[..., 0] = np.roll(image[..., 0], (2, -2), axis=(0, 1))
    return moved


def _fish_eye(image: Image) -> Image:
    height, width = image.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    radius = np.sqrt(x**2 + y**2)
    bent = np.where(radius > 0, np.tan(radius * math.pi / 5) / np.maximum(radius, 1e-6) / 1.1, 1.0).astype(np.float32)
    columns, rows = (x * bent + 1) * (width - 1) / 2, (y * bent + 1) * (height - 1) / 2
    return cv2.remap(image, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


PIPELINES: dict[str, Function] = {
    "torchvision jpeg 47": _tensor(lambda pixels: decode_jpeg(encode_jpeg(pixels, 47))),
    "opencv jpeg 74": lambda image: cv_stored(image, ".jpg", cv2.IMWRITE_JPEG_QUALITY, 74),
    "imagemagick jpeg 91 progressive": magick("-interlace", "JPEG", "-quality", "91", ending=".jpg"),
    "pillow jpeg 33 optimized": jpeg(33, optimize=True),
    "pillow webp 63": partial(stored, format="WEBP", quality=63),
    "cwebp 37": program(["cwebp", "-q", "37", "IN", "-o", "OUT"], ".webp"),
    "opencv webp 91": lambda image: cv_stored(image, ".webp", cv2.IMWRITE_WEBP_QUALITY, 91),
    "torchvision gaussian 1.6": _tensor(lambda pixels: vision.gaussian_blur(pixels, [11, 11], [1.6, 1.6])),
    "skimage gaussian 0.9": of_skimage(lambda pixels: filters.gaussian(pixels, 0.9, channel_axis=2)),
    "imagemagick blur 2": magick("-blur", "0x2"),
    "pillow box 3": pil(lambda picture: picture.filter(ImageFilter.BoxBlur(3))),
    "opencv median 5": lambda image: cv2.medianBlur(image, 5),
    "torchvision sharpness 2.5": _tensor(lambda pixels: vision.adjust_sharpness(pixels, 2.5)),
    "pillow unsharp 1": pil(lambda picture: picture.filter(ImageFilter.UnsharpMask(1, 150, 0))),
    "torchvision brightness 0.8": _tensor(lambda pixels: vision.adjust_brightness(pixels, 0.8)),
    "numpy times 1.25": lambda image: np.minimum(image * 1.25, 255).astype(np.uint8),
    "torchvision contrast 0.7": _tensor(lambda pixels: vision.adjust_contrast(pixels, 0.7)),
    "torchvision saturation 1.6": _tensor(lambda pixels: vision.adjust_saturation(pixels, 1.6)),
    "torchvision gray": _tensor(lambda pixels: vision.rgb_to_grayscale(pixels, 3)),
    "torchvision gamma 1.7": _tensor(lambda pixels: vision.adjust_gamma(pixels, 1.7)),
    "skimage gamma 0.6": lambda image: exposure.adjust_gamma(image, 0.6),
    "numpy offset 18": lambda image: np.minimum(image.astype(np.int16) + 18, 255).astype(np.uint8),
    "torchvision posterize 3": _tensor(lambda pixels: vision.posterize(pixels, 3)),
    "torchvision equalize": _tensor(vision.equalize),
    "torchvision autocontrast": _tensor(vision.autocontrast),
    "torchvision invert": _tensor(vision.invert),
    "torchvision hue 0.08": _tensor(lambda pixels: vision.adjust_hue(pixels, 0.08)),
    "pillow palette 48": pil(lambda picture: picture.quantize(48)),
    "torchvision mirror": _tensor(vision.horizontal_flip),
    "numpy turn": lambda image: np.rot90(image, 3).copy(),
    "opencv transpose": cv2.transpose,
    "torchvision resize 160": _tensor(lambda pixels: vision.resize(pixels, [160], ANTIALIASED, antialias=True)),
    "torchvision half aliased": _tensor(
        lambda pixels: vision.resize(pixels, [side // 2 for side in pixels.shape[-2:]], ANTIALIASED, antialias=False)
    ),
    "opencv double cubic": lambda image: cv2.resize(
        image, (2 * image.shape[1], 2 * image.shape[0]), interpolation=cv2.INTER_CUBIC
    ),
    "pillow reduce 2": pil(lambda picture: picture.reduce(2)),
    "pillow thumbnail 120": pil(_thumbnail),
    "imagemagick 40%": magick("-resize", "40%"),
    "ffmpeg bicubic 0.5": ffmpeg("-vf", "scale=trunc(iw/2):trunc(ih/2):flags=bicubic+accurate_rnd+full_chroma_int"),
    "torchvision center crop 150": _tensor(lambda pixels: vision.center_crop(pixels, [150, 150])),
    "torchvision resize 170 crop 128": _tensor(
        lambda pixels: vision.center_crop(vision.resize(pixels, [170], ANTIALIASED, antialias=True), [128, 128])
    ),
    "torchvision resized crop": _tensor(_resized_crop),
    "torchvision rotate 6": _tensor(lambda pixels: vision.rotate(pixels, 6, ANTIALIASED)),
    "pillow rotate -15": pil(lambda picture: picture.rotate(-15, Pillow.Resampling.BICUBIC)),
    "skimage noise 0.003": partial(noise, mode="gaussian", var=0.003),
    "skimage pepper 0.04": partial(noise, mode="s&p", amount=0.04),
    "numpy shot noise": _shot_noise,
    "opencv box": _box,
    "numpy border": _border,
    "saturation, webp": after(
        _tensor(lambda pixels: vision.adjust_saturation(pixels, 1.5)), partial(stored, format="WEBP", quality=72)
    ),
    "gamma, jpeg": after(_tensor(lambda pixels: vision.adjust_gamma(pixels, 0.7)), jpeg(66)),
    "median, jpeg": after(lambda image: cv2.medianBlur(image, 3), jpeg(58)),
    "invert, jpeg": after(_tensor(vision.invert), jpeg(82)),
    "resize bicubic, jpeg": after(_scaled(0.6, Pillow.Resampling.BICUBIC), jpeg(77)),
    "resize lanczos, webp": after(_scaled(0.5, Pillow.Resampling.LANCZOS), partial(stored, format="WEBP", quality=77)),
    "thumbnail, sharpen": after(
        pil(_thumbnail), pil(lambda picture: picture.filter(ImageFilter.UnsharpMask(1.5, 100, 0)))
    ),
    "crop, brightness": after(_crop, _tensor(lambda pixels: vision.adjust_brightness(pixels, 1.2))),
    "turn, jpeg": after(lambda image: np.rot90(image).copy(), jpeg(64)),
    "resized crop, jpeg": after(_tensor(_resized_crop), jpeg(79)),
    "mirror, blur": after(lambda image: image[:, ::-1].copy(), lambda image: cv2.GaussianBlur(image, (0, 0), 1.4)),
    "torchvision solarize": _tensor(lambda pixels: vision.solarize(pixels, 140)),
    "torchvision elastic": _tensor(_elastic),
    "torchvision perspective": _tensor(_perspective),
    "torchvision shear": _tensor(lambda pixels: vision.affine(pixels, 0, [0, 0], 1.0, [9, 0], ANTIALIASED)),
    "opencv stylization": lambda image: cv2.stylization(image, sigma_s=40, sigma_r=0.4),
    "opencv clahe per channel": _per_channel(lambda image: cv2.createCLAHE(2.5, (6, 6)).apply(image)),
    "skimage total variation": of_skimage(lambda pixels: restoration.denoise_tv_bregman(pixels, 5, channel_axis=2)),
    "skimage sigmoid 12": lambda image: exposure.adjust_sigmoid(image, 0.45, 12),
    "imagemagick sketch": magick("-sketch", "0x3+120"),
    "imagemagick blue shift": magick("-blue-shift", "1.3"),
    "imagemagick spread": magick("-spread", "2"),
    "dark side": _dark_side,
    "blended checks": _checks,
    "local maximum": lambda image: cv2.dilate(image, np.ones((3, 3), np.uint8)),
    "shifted red": _shifted_red,
    "fish eye": _fish_eye,
}
"""Pipeline -> function."""

assert PIPELINES.keys() == ANSWERS.keys()
