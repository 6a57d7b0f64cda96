"""More pipelines for developing `probing_core.diff`.

These pipelines and ``ANSWERS`` were committed before their first run, and served as the evaluation of an earlier
version. One wrong answer motivated a change: pairs of one pipeline share a resize filter. So rates on these pipelines
are no longer an evaluation. ``diff_evaluation.py`` has other pipelines.
"""

from __future__ import annotations

import io
from functools import partial

import cv2
import numpy as np
import scipy.ndimage
from PIL import Image as Pillow
from PIL import ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps
from skimage import color, exposure, morphology, transform

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
    enhance,
    expected,
    ffmpeg,
    jpeg,
    magick,
    of_skimage,
    pil,
    program,
    stored,
)
from probing_core.images import Image

ANSWERS: dict[str, Answer] = {
    "pillow jpeg 62": expected("jpeg"),
    "pillow jpeg 90 4:2:2": expected("jpeg"),
    "pillow jpeg 20 4:4:4": expected("jpeg"),
    "opencv jpeg 35": expected("jpeg"),
    "imagemagick jpeg 60": expected("jpeg"),
    "cwebp 50": expected("webp"),
    "imagemagick webp 85": expected("webp"),
    "ffmpeg webp 65": expected("webp"),
    "pillow avif 70": expected("avif"),
    "scipy gaussian 1.2": expected("gaussian-blur"),
    "opencv box 5": expected("box-blur/defocus-blur"),
    "scipy median 3": expected("median"),
    "pillow unsharp 3": expected("sharpen"),
    "opencv unsharp": expected("sharpen"),
    "imagemagick sharpen": expected("sharpen"),
    "pillow brightness 1.4": expected("brighten"),
    "skimage brightness 0.85": expected("brighten"),
    "imagemagick gamma 1.4": expected("gamma"),
    "skimage gamma 0.8": expected("gamma"),
    "imagemagick contrast 20": expected("contrast", optional="brighten/offset"),
    "opencv contrast 0.8": expected("contrast/brighten", optional="brighten/offset/contrast"),
    "numpy offset -25": expected("offset"),
    "opencv gray": expected("desaturate"),
    "skimage gray": expected("desaturate"),
    "pillow color 0.4": expected("desaturate"),
    "pillow posterize 4": expected("posterize-shift/posterize"),
    "pillow palette 16": expected("palette"),
    "imagemagick colors 32": expected("palette"),
    "imagemagick negate": expected("invert"),
    "imagemagick auto-level": expected("autocontrast/contrast/brighten"),
    "opencv hue -12": expected("hue-shift"),
    "scipy vertical motion 7": expected("motion-blur"),
    "opencv pixelate 5": expected("pixelate"),
    "opencv third cubic and up": expected("rescale"),
    "imagemagick rotate 90": expected(geometry=TURNED),
    "pillow rotate 180": expected(geometry=TURNED),
    "pillow flip": expected(geometry=("turned", "mirrored")),
    "opencv third area": expected(geometry=RESIZED),
    "opencv cubic 0.7": expected(geometry=RESIZED),
    "pillow enlarged bicubic": expected(geometry=RESIZED),
    "imagemagick 75%": expected(geometry=RESIZED),
    "ffmpeg lanczos 0.6": expected(geometry=RESIZED),
    "torch half antialiased": expected(geometry=RESIZED),
    "skimage rescale 0.75": expected(geometry=RESIZED),
    "opencv crop": expected(geometry=CROPPED),
    "imagemagick crop": expected(geometry=CROPPED),
    "opencv crop and enlarge": expected(geometry=("cropped", "resized")),
    "opencv rotate 4": expected("rotate"),
    "scipy rotate -7": expected("rotate"),
    "opencv gaussian noise 12": expected("gaussian-noise"),
    "numpy salt": expected("salt-and-pepper"),
    "numpy speckle 0.15": expected("speckle"),
    "pillow text": expected("overlay"),
    "pillow logo": expected("overlay"),
    "pillow frame": expected("border"),
    "gamma, webp": expected("gamma", "webp"),
    "sharpen, jpeg": expected("sharpen", "jpeg"),
    "contrast, jpeg": expected("contrast", "jpeg", optional="brighten/offset"),
    "half, webp": expected("webp", geometry=RESIZED),
    "crop, enlarge, jpeg": expected("jpeg", geometry=("cropped", "resized")),
    "mirror, half, jpeg": expected("jpeg", geometry=("mirrored", "resized")),
    "gray, jpeg": expected("desaturate", "jpeg"),
    "invert, blur": expected("invert", "gaussian-blur"),
    "mirror, brightness": expected("brighten", geometry=MIRRORED),
    "adaptive equalization": UNKNOWN,
    "tilt shift": UNKNOWN,
    "light leak": UNKNOWN,
    "chromatic aberration": UNKNOWN,
    "curves per channel": UNKNOWN,
    "sigmoid": UNKNOWN,
    "logarithm": UNKNOWN,
    "opening": UNKNOWN,
    "oil painting": UNKNOWN,
    "charcoal": UNKNOWN,
    "wave": UNKNOWN,
    "ordered dither": UNKNOWN,
    "kuwahara": UNKNOWN,
    "perspective": UNKNOWN,
    "shear": UNKNOWN,
    "darkened rows": UNKNOWN,
    "shifted rows": UNKNOWN,
    "soft light": UNKNOWN,
}
"""Pipeline -> right answer."""


def _saved_422(image: Image) -> Image:
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "JPEG", quality=90, subsampling="4:2:2", progressive=True)
    return np.asarray(Pillow.open(buffer).convert("RGB"))


def _scaled(factor: float, method: int) -> Function:
    return lambda image: cv2.resize(image, None, fx=factor, fy=factor, interpolation=method)


def _cropped(image: Image) -> Image:
    height, width = image.shape[:2]
    return image[height // 10 : height - height // 8, width // 12 : width - width // 7].copy()


def _crop_and_enlarge(image: Image) -> Image:
    height, width = image.shape[:2]
    part = image[height // 7 : height // 7 + round(height * 0.8), width // 9 : width // 9 + round(width * 0.72)]
    return cv2.resize(part, (224, 224), interpolation=cv2.INTER_LINEAR)


def _torch_half(image: Image) -> Image:
    import torch

    size = (image.shape[0] // 2, image.shape[1] // 2)
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    small = torch.nn.functional.interpolate(pixels, size, mode="bilinear", antialias=True)
    return small[0].permute(1, 2, 0).round().clamp(0, 255).byte().numpy()


def _rotated(image: Image) -> Image:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), 4, 1.0)
    return cv2.warpAffine(image, matrix, (width, height))


def _rng(image: Image) -> np.random.Generator:
    return np.random.default_rng(int(image[::5, ::5].sum()))


def _gaussian_noise(image: Image) -> Image:
    added = np.empty(image.shape, np.int16)
    cv2.setRNGSeed(int(image[::5, ::5].sum()) % 100_000)
    cv2.randn(added, (0, 0, 0), (12, 12, 12))
    return cv2.add(image, added, dtype=cv2.CV_8U)


def _salt(image: Image) -> Image:
    rng, noisy = _rng(image), image.copy()
    drawn = rng.random(image.shape[:2])
    noisy[drawn < 0.015], noisy[drawn > 0.985] = 0, 255
    return noisy


def _speckle(image: Image) -> Image:
    return np.clip(np.rint(image * (1 + 0.15 * _rng(image).standard_normal(image.shape))), 0, 255).astype(np.uint8)


def _text(image: Image) -> Image:
    picture = Pillow.fromarray(image)
    ImageDraw.Draw(picture).text((8, 8), "© Example 2024", fill=(250, 240, 60), font_size=max(12, image.shape[0] // 9))
    return np.asarray(picture)


def _logo(image: Image) -> Image:
    picture, (height, width) = Pillow.fromarray(image), image.shape[:2]
    box = (width * 3 // 4, height * 3 // 4, width * 19 // 20, height * 19 // 20)
    draw = ImageDraw.Draw(picture)
    draw.ellipse(box, fill=(200, 30, 40))
    draw.rectangle((box[0] + 8, box[1] + 12, box[2] - 8, box[1] + 18), fill=(255, 255, 255))
    return np.asarray(picture)


def _frame(image: Image) -> Image:
    picture, (height, width) = Pillow.fromarray(image), image.shape[:2]
    ImageDraw.Draw(picture).rectangle((0, 0, width - 1, height - 1), outline=(255, 255, 255), width=7)
    return np.asarray(picture)


def _hue(image: Image) -> Image:
    hue, *others = Pillow.fromarray(image).convert("HSV").split()
    turned = hue.point(lambda value: (value - 12) % 256)
    return np.asarray(Pillow.merge("HSV", (turned, *others)).convert("RGB"))


def _pixelate(image: Image) -> Image:
    height, width = image.shape[:2]
    small = cv2.resize(image, (width // 5, height // 5), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)


def _third_and_up(image: Image) -> Image:
    height, width = image.shape[:2]
    small = Pillow.fromarray(image).resize((width // 3, height // 3), Pillow.Resampling.BICUBIC)
    return np.asarray(small.resize((width, height), Pillow.Resampling.BICUBIC))


def _tilt_shift(image: Image) -> Image:
    blurred = cv2.GaussianBlur(image, (0, 0), 4)
    weight = np.abs(np.linspace(-1, 1, image.shape[0]))[:, None, None] ** 1.5
    return np.rint(image * (1 - weight) + blurred * weight).astype(np.uint8)


def _light_leak(image: Image) -> Image:
    weight = np.linspace(0, 1, image.shape[1])[None, :, None] ** 2
    return np.clip(image + weight * np.array([110.0, 60.0, 10.0]), 0, 255).astype(np.uint8)


def _aberration(image: Image) -> Image:
    red, green, blue = cv2.split(image)
    return cv2.merge([np.roll(red, 3, axis=1), green, np.roll(blue, -3, axis=1)])


def _curves(image: Image) -> Image:
    x = np.arange(256) / 255
    tables = (x + 0.12 * np.sin(2 * np.pi * x), x**1.2, 0.15 + 0.7 * x)
    channels = [cv2.LUT(image[..., i].copy(), np.rint(255 * table).astype(np.uint8)) for i, table in enumerate(tables)]
    return cv2.merge(channels)


def _soft_light(image: Image) -> Image:
    picture = Pillow.fromarray(image)
    return np.asarray(ImageChops.soft_light(picture, picture.filter(ImageFilter.GaussianBlur(8))))


def _perspective(image: Image) -> Image:
    height, width = image.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = corners + np.array([[width * 0.1, height * 0.05], [0, 0], [-width * 0.08, 0], [0, -height * 0.1]])
    matrix = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    return cv2.warpPerspective(image, matrix, (width, height))


def _shear(image: Image) -> Image:
    matrix = np.array([[1, 0.12, -0.06 * image.shape[0]], [0, 1, 0]], np.float32)
    return cv2.warpAffine(image, matrix, (image.shape[1], image.shape[0]), borderMode=cv2.BORDER_REFLECT_101)


def _wave(image: Image) -> Image:
    y, x = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    return cv2.remap(image, x + 4 * np.sin(y / 9), y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def _darkened_rows(image: Image) -> Image:
    striped = image.copy()
    striped[::3] = striped[::3] // 2
    return striped


def _shifted_rows(image: Image) -> Image:
    shifted = image.copy()
    shifted[::2] = np.roll(shifted[::2], 4, axis=1)
    return shifted


def _opened(image: Image) -> Image:
    return np.stack([morphology.opening(image[..., i], morphology.disk(2)) for i in range(3)], axis=-1)


_blur = pil(lambda picture: picture.filter(ImageFilter.GaussianBlur(1.2)))

PIPELINES: dict[str, Function] = {
    "pillow jpeg 62": jpeg(62),
    "pillow jpeg 90 4:2:2": _saved_422,
    "pillow jpeg 20 4:4:4": jpeg(20, subsampling=0),
    "opencv jpeg 35": lambda image: cv_stored(image, ".jpg", cv2.IMWRITE_JPEG_QUALITY, 35),
    "imagemagick jpeg 60": magick("-quality", "60", ending=".jpg"),
    "cwebp 50": program(["cwebp", "-q", "50", "IN", "-o", "OUT"], ".webp"),
    "imagemagick webp 85": magick("-quality", "85", ending=".webp"),
    "ffmpeg webp 65": ffmpeg("-c:v", "libwebp", "-quality", "65", ending=".webp"),
    "pillow avif 70": partial(stored, format="AVIF", quality=70),
    "scipy gaussian 1.2": lambda image: scipy.ndimage.gaussian_filter(image, (1.2, 1.2, 0)),
    "opencv box 5": lambda image: cv2.blur(image, (5, 5)),
    "scipy median 3": lambda image: scipy.ndimage.median_filter(image, (3, 3, 1)),
    "pillow unsharp 3": pil(lambda picture: picture.filter(ImageFilter.UnsharpMask(3, 60, 0))),
    "opencv unsharp": lambda image: cv2.addWeighted(image, 1.8, cv2.GaussianBlur(image, (5, 5), 1.2), -0.8, 0),
    "imagemagick sharpen": magick("-sharpen", "0x1.5"),
    "pillow brightness 1.4": enhance(ImageEnhance.Brightness, 1.4),
    "skimage brightness 0.85": of_skimage(lambda pixels: pixels * 0.85),
    "imagemagick gamma 1.4": magick("-gamma", "1.4"),
    "skimage gamma 0.8": lambda image: exposure.adjust_gamma(image, 0.8),
    "imagemagick contrast 20": magick("-brightness-contrast", "0x20"),
    "opencv contrast 0.8": lambda image: cv2.convertScaleAbs(image, alpha=0.8, beta=25.6),
    "numpy offset -25": lambda image: np.clip(image.astype(np.int16) - 25, 0, 255).astype(np.uint8),
    "opencv gray": lambda image: cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB),
    "skimage gray": of_skimage(lambda pixels: color.gray2rgb(color.rgb2gray(pixels))),
    "pillow color 0.4": enhance(ImageEnhance.Color, 0.4),
    "pillow posterize 4": pil(lambda picture: ImageOps.posterize(picture, 4)),
    "pillow palette 16": pil(lambda picture: picture.quantize(16, dither=Pillow.Dither.NONE)),
    "imagemagick colors 32": magick("+dither", "-colors", "32"),
    "imagemagick negate": magick("-negate"),
    "imagemagick auto-level": magick("-auto-level"),
    "opencv hue -12": _hue,
    "scipy vertical motion 7": lambda image: scipy.ndimage.uniform_filter1d(image, 7, axis=0),
    "opencv pixelate 5": _pixelate,
    "opencv third cubic and up": _third_and_up,
    "imagemagick rotate 90": magick("-rotate", "90"),
    "pillow rotate 180": pil(lambda picture: picture.rotate(180)),
    "pillow flip": pil(ImageOps.flip),
    "opencv third area": _scaled(1 / 3, cv2.INTER_AREA),
    "opencv cubic 0.7": _scaled(0.7, cv2.INTER_CUBIC),
    "pillow enlarged bicubic": pil(
        lambda picture: picture.resize((picture.width * 3 // 2, picture.height * 3 // 2), Pillow.Resampling.BICUBIC)
    ),
    "imagemagick 75%": magick("-resize", "75%"),
    "ffmpeg lanczos 0.6": ffmpeg("-vf", "scale=iw*0.6:ih*0.6:flags=lanczos"),
    "torch half antialiased": _torch_half,
    "skimage rescale 0.75": of_skimage(
        lambda pixels: transform.rescale(pixels, 0.75, anti_aliasing=True, channel_axis=2)
    ),
    "opencv crop": _cropped,
    "imagemagick crop": magick("-gravity", "center", "-crop", "80%x80%+0+0", "+repage"),
    "opencv crop and enlarge": _crop_and_enlarge,
    "opencv rotate 4": _rotated,
    "scipy rotate -7": lambda image: scipy.ndimage.rotate(image, -7, reshape=False, order=3),
    "opencv gaussian noise 12": _gaussian_noise,
    "numpy salt": _salt,
    "numpy speckle 0.15": _speckle,
    "pillow text": _text,
    "pillow logo": _logo,
    "pillow frame": _frame,
    "gamma, webp": after(magick("-gamma", "0.75"), partial(stored, format="WEBP", quality=75)),
    "sharpen, jpeg": after(pil(lambda picture: picture.filter(ImageFilter.UnsharpMask(2, 120, 0))), jpeg(75)),
    "contrast, jpeg": after(enhance(ImageEnhance.Contrast, 1.3), jpeg(60)),
    "half, webp": after(_scaled(0.5, cv2.INTER_AREA), partial(stored, format="WEBP", quality=80)),
    "crop, enlarge, jpeg": after(_crop_and_enlarge, jpeg(85)),
    "mirror, half, jpeg": after(lambda image: image[:, ::-1].copy(), _scaled(0.5, cv2.INTER_AREA), jpeg(70)),
    "gray, jpeg": after(pil(ImageOps.grayscale), jpeg(50)),
    "invert, blur": after(lambda image: 255 - image, _blur),
    "mirror, brightness": after(lambda image: image[:, ::-1].copy(), enhance(ImageEnhance.Brightness, 0.75)),
    "adaptive equalization": of_skimage(lambda pixels: exposure.equalize_adapthist(pixels, clip_limit=0.02)),
    "tilt shift": _tilt_shift,
    "light leak": _light_leak,
    "chromatic aberration": _aberration,
    "curves per channel": _curves,
    "sigmoid": lambda image: exposure.adjust_sigmoid(image, 0.5, 8),
    "logarithm": lambda image: exposure.adjust_log(image, 1.0),
    "opening": _opened,
    "oil painting": magick("-paint", "3"),
    "charcoal": magick("-charcoal", "2"),
    "wave": _wave,
    "ordered dither": magick("-ordered-dither", "o4x4"),
    "kuwahara": magick("-kuwahara", "2"),
    "perspective": _perspective,
    "shear": _shear,
    "darkened rows": _darkened_rows,
    "shifted rows": _shifted_rows,
    "soft light": _soft_light,
}
"""Pipeline -> function."""

assert PIPELINES.keys() == ANSWERS.keys()
