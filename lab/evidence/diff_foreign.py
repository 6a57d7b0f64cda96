"""Pipelines made with other libraries and programs, for measuring `probing_core.diff`.

``ANSWERS`` was written and committed before the pipelines were run for the first time.
"""

from __future__ import annotations

import io
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import skimage
from PIL import Image as Pillow
from PIL import ImageEnhance, ImageFilter, ImageOps
from skimage import exposure, filters, transform, util

from probing_core.images import Image

Function = Callable[[Image], Image]


@dataclass(frozen=True)
class Answer:
    """The right answer for a pipeline.

    Attributes:
        edits: accepted names of each edit, in any order.
        geometry: beginnings of the phrases that describe the geometry, in any order.
        known: whether the edits are among the candidates. Otherwise, the right answer is that they are not explained.
    """

    edits: tuple[frozenset[str], ...] = ()
    geometry: tuple[str, ...] = ()
    known: bool = True


def _is(*edits: str, geometry: tuple[str, ...] = ()) -> Answer:
    """Return an answer; alternatives for an edit are separated by slashes."""
    return Answer(tuple(frozenset(edit.split("/")) for edit in edits), geometry)


UNKNOWN = Answer(known=False)
RESIZED, CROPPED, MIRRORED, TURNED = ("resized",), ("cropped",), ("mirrored",), ("turned",)

ANSWERS: dict[str, Answer] = {
    "pillow jpeg 85": _is("jpeg"),
    "pillow jpeg 40": _is("jpeg"),
    "pillow jpeg 95 4:4:4": _is("jpeg"),
    "pillow webp 80": _is("webp"),
    "pillow webp 30": _is("webp"),
    "pillow avif 50": _is("avif"),
    "pillow gaussian 2": _is("gaussian-blur"),
    "pillow box 2": _is("box-blur/defocus-blur"),
    "pillow unsharp": _is("sharpen"),
    "pillow sharpness 3": _is("sharpen"),
    "pillow brightness 1.15": _is("brighten"),
    "pillow brightness 0.7": _is("brighten"),
    "pillow contrast 1.4": _is("contrast"),
    "pillow contrast 0.6": _is("contrast"),
    "pillow color 1.5": _is("desaturate"),
    "pillow gray": _is("desaturate"),
    "pillow posterize 3": _is("posterize-shift/posterize"),
    "pillow palette 64": _is("palette"),
    "pillow autocontrast": _is("autocontrast/contrast/brighten"),
    "pillow equalize": _is("equalize"),
    "pillow invert": _is("invert"),
    "pillow mirror": _is(geometry=MIRRORED),
    "pillow turn": _is(geometry=TURNED),
    "pillow half lanczos": _is(geometry=RESIZED),
    "pillow 224 squash": _is(geometry=RESIZED),
    "pillow nearest": _is(geometry=RESIZED),
    "pillow crop": _is(geometry=CROPPED),
    "pillow random crop": _is(geometry=("cropped", "resized")),
    "pillow shorter 160 center 144": _is(geometry=("resized", "cropped")),
    "pillow rotate 2.4": _is("rotate"),
    "pillow rotate 12": _is("rotate"),
    "opencv gaussian": _is("gaussian-blur"),
    "opencv median": _is("median"),
    "opencv gain 1.3": _is("brighten"),
    "opencv offset 30": _is("offset"),
    "opencv gamma": _is("gamma"),
    "opencv half area": _is(geometry=RESIZED),
    "opencv half linear": _is(geometry=RESIZED),
    "opencv jpeg 90": _is("jpeg"),
    "opencv webp 70": _is("webp"),
    "opencv pixelate": _is("pixelate"),
    "opencv bgr": _is("channel-swap"),
    "opencv sharpen": _is("sharpen"),
    "opencv motion": _is("motion-blur"),
    "opencv hue": _is("hue-shift"),
    "opencv sepia": _is("sepia"),
    "opencv down and up": _is("rescale"),
    "opencv caption": _is("overlay"),
    "opencv border": _is("border"),
    "skimage noise": _is("gaussian-noise"),
    "skimage salt": _is("salt-and-pepper"),
    "skimage speckle": _is("speckle"),
    "skimage poisson": _is("shot-noise"),
    "skimage gamma 1.5": _is("gamma"),
    "skimage gaussian 1.5": _is("gaussian-blur"),
    "skimage unsharp": _is("sharpen"),
    "skimage half": _is(geometry=RESIZED),
    "skimage swirl": _is("swirl"),
    "skimage rotate 5": _is("rotate"),
    "imagemagick half": _is(geometry=RESIZED),
    "imagemagick jpeg 80": _is("jpeg"),
    "imagemagick blur": _is("gaussian-blur"),
    "imagemagick unsharp": _is("sharpen"),
    "imagemagick gray": _is("desaturate"),
    "imagemagick flop": _is(geometry=MIRRORED),
    "imagemagick posterize": _is("posterize"),
    "cwebp 75": _is("webp"),
    "ffmpeg half": _is(geometry=RESIZED),
    "ffmpeg mjpeg": _is("jpeg"),
    "ffmpeg flip": _is(geometry=MIRRORED),
    "brightness, jpeg": _is("brighten", "jpeg"),
    "blur, webp": _is("gaussian-blur", "webp"),
    "half, sharpen": _is("sharpen", geometry=RESIZED),
    "color, jpeg": _is("desaturate", "jpeg"),
    "mirror, jpeg": _is("jpeg", geometry=MIRRORED),
    "crop, jpeg": _is("jpeg", geometry=CROPPED),
    "half, jpeg": _is("jpeg", geometry=RESIZED),
    "jpeg, brightness": _is("brighten", "jpeg"),
    "gray, blur": _is("desaturate", "gaussian-blur"),
    "half, noise": _is("gaussian-noise", geometry=RESIZED),
    "bilateral filter": UNKNOWN,
    "clahe": UNKNOWN,
    "vignette": UNKNOWN,
    "solarize": UNKNOWN,
    "detail enhancement": UNKNOWN,
    "edge-preserving filter": UNKNOWN,
    "non-local means": UNKNOWN,
    "elastic": UNKNOWN,
    "dither to black and white": UNKNOWN,
    "edges": UNKNOWN,
    "color temperature": UNKNOWN,
    "film grain": UNKNOWN,
    "total variation": UNKNOWN,
    "barrel distortion": UNKNOWN,
    "mode filter": UNKNOWN,
    "erosion": UNKNOWN,
}
"""Pipeline -> right answer."""


def _pil(function: Callable[[Pillow.Image], Pillow.Image]) -> Function:
    return lambda image: np.asarray(function(Pillow.fromarray(image)).convert("RGB"))


def _stored(image: Image, format: str, **options: int) -> Image:
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, format, **options)
    return np.asarray(Pillow.open(buffer).convert("RGB"))


def _cv_stored(image: Image, ending: str, *options: int) -> Image:
    data = cv2.imencode(ending, image[..., ::-1], options)[1]
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def _program(command: list[str], ending: str) -> Function:
    """Return a pipeline that runs a program; ``IN`` and ``OUT`` in the command are paths."""

    def run(image: Image) -> Image:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "in.png", Path(folder) / f"out{ending}"
            Pillow.fromarray(image).save(source)
            paths = {"IN": str(source), "OUT": str(target)}
            subprocess.run([paths.get(part, part) for part in command], check=True, capture_output=True)
            return np.asarray(Pillow.open(target).convert("RGB"))

    return run


def _magick(*options: str, ending: str = ".png") -> Function:
    return _program(["/usr/bin/convert", "IN", *options, "OUT"], ending)


def _ffmpeg(*options: str, ending: str = ".png") -> Function:
    return _program(["ffmpeg", "-y", "-i", "IN", *options, "OUT"], ending)


def _skimage(function: Callable[[np.ndarray], np.ndarray]) -> Function:
    return lambda image: skimage.img_as_ubyte(np.clip(function(skimage.img_as_float(image)), 0, 1))


def _half(image: Image, method: Pillow.Resampling = Pillow.Resampling.LANCZOS) -> Image:
    return np.asarray(Pillow.fromarray(image).resize((image.shape[1] // 2, image.shape[0] // 2), method))


def _crop(image: Image) -> Image:
    height, width = image.shape[:2]
    return image[height // 25 : height - height // 30, width // 20 : width - width // 25].copy()


def _random_crop(image: Image) -> Image:
    height, width = image.shape[:2]
    part = image[height // 9 : height // 9 + round(height * 0.7), width // 6 : width // 6 + round(width * 0.75)]
    return np.asarray(Pillow.fromarray(part).resize((128, 128), Pillow.Resampling.BILINEAR))


def _center_crop(image: Image) -> Image:
    height, width = image.shape[:2]
    scale = 160 / min(height, width)
    size = (160, int(height * scale)) if width <= height else (int(width * scale), 160)
    resized = np.asarray(Pillow.fromarray(image).resize(size, Pillow.Resampling.BILINEAR))
    top, left = round((resized.shape[0] - 144) / 2), round((resized.shape[1] - 144) / 2)
    return resized[top : top + 144, left : left + 144].copy()


def _motion(image: Image) -> Image:
    kernel = np.zeros((9, 9), np.float32)
    kernel[4] = 1 / 9
    return cv2.filter2D(image, -1, kernel)


def _hue(image: Image) -> Image:
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(int) + 15) % 180
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def _sepia(image: Image) -> Image:
    matrix = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])
    return np.clip(image @ matrix.T, 0, 255).astype(np.uint8)


def _down_and_up(image: Image) -> Image:
    small = cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)


def _pixelate(image: Image) -> Image:
    small = cv2.resize(image, (image.shape[1] // 6, image.shape[0] // 6), interpolation=cv2.INTER_LINEAR)
    return cv2.resize(small, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_NEAREST)


def _caption(image: Image) -> Image:
    height = image.shape[0]
    return cv2.putText(
        image.copy(),
        "SAMPLE",
        (10, height - 20),
        cv2.FONT_HERSHEY_SIMPLEX,
        height / 200,
        (255, 255, 255),
        2,
        cv2.LINE_AA,
    )


def _border(image: Image) -> Image:
    edge = max(2, min(image.shape[:2]) // 20)
    inner = image[edge:-edge, edge:-edge]
    return cv2.copyMakeBorder(inner, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=(20, 20, 20))


def _gamma(image: Image) -> Image:
    return cv2.LUT(image, np.array([(i / 255) ** 0.77 * 255 for i in range(256)], np.uint8))


def _noise(image: Image, mode: str, **options: float) -> Image:
    rng = int(image[::7, ::7].sum()) % 100_000
    return skimage.img_as_ubyte(util.random_noise(image, mode, rng=rng, **options))


def _clahe(image: Image) -> Image:
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(3.0, (8, 8)).apply(lab[..., 0])
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


def _vignette(image: Image) -> Image:
    y, x = (
        np.linspace(-1, 1, side)[shape] for side, shape in zip(image.shape, (np.s_[:, None], np.s_[None]), strict=False)
    )
    return (image * (1 - 0.6 * np.clip(x**2 + y**2, 0, 1))[..., None]).astype(np.uint8)


def _elastic(image: Image) -> Image:
    rng, (height, width) = np.random.default_rng(3), image.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    shifts = [cv2.GaussianBlur(rng.uniform(-1, 1, (height, width)).astype(np.float32), (0, 0), 6) * 40 for _ in "xy"]
    return cv2.remap(image, x + shifts[0], y + shifts[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def _barrel(image: Image) -> Image:
    height, width = image.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    bend = 1 + 0.25 * (x**2 + y**2)
    return cv2.remap(
        image,
        (x * bend + 1) * (width - 1) / 2,
        (y * bend + 1) * (height - 1) / 2,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )


def _grain(image: Image) -> Image:
    rng = np.random.default_rng(int(image[::7, ::7].sum()))
    noise = cv2.GaussianBlur(rng.normal(0, 1, image.shape[:2]).astype(np.float32), (0, 0), 1.2)
    return np.clip(image + (noise / noise.std() * 14)[..., None], 0, 255).astype(np.uint8)


def _after(*functions: Function) -> Function:
    def run(image: Image) -> Image:
        for function in functions:
            image = function(image)
        return image

    return run


def _enhance(kind: Callable, factor: float) -> Function:
    return _pil(lambda picture: kind(picture).enhance(factor))


def _jpeg(quality: int, **options: int) -> Function:
    return partial(_stored, format="JPEG", quality=quality, **options)


def _mirror(image: Image) -> Image:
    return image[:, ::-1].copy()


PIPELINES: dict[str, Function] = {
    "pillow jpeg 85": _jpeg(85),
    "pillow jpeg 40": _jpeg(40),
    "pillow jpeg 95 4:4:4": _jpeg(95, subsampling=0),
    "pillow webp 80": partial(_stored, format="WEBP", quality=80),
    "pillow webp 30": partial(_stored, format="WEBP", quality=30),
    "pillow avif 50": partial(_stored, format="AVIF", quality=50),
    "pillow gaussian 2": _pil(lambda picture: picture.filter(ImageFilter.GaussianBlur(2))),
    "pillow box 2": _pil(lambda picture: picture.filter(ImageFilter.BoxBlur(2))),
    "pillow unsharp": _pil(lambda picture: picture.filter(ImageFilter.UnsharpMask())),
    "pillow sharpness 3": _enhance(ImageEnhance.Sharpness, 3),
    "pillow brightness 1.15": _enhance(ImageEnhance.Brightness, 1.15),
    "pillow brightness 0.7": _enhance(ImageEnhance.Brightness, 0.7),
    "pillow contrast 1.4": _enhance(ImageEnhance.Contrast, 1.4),
    "pillow contrast 0.6": _enhance(ImageEnhance.Contrast, 0.6),
    "pillow color 1.5": _enhance(ImageEnhance.Color, 1.5),
    "pillow gray": _pil(ImageOps.grayscale),
    "pillow posterize 3": _pil(lambda picture: ImageOps.posterize(picture, 3)),
    "pillow palette 64": _pil(lambda picture: picture.quantize(64)),
    "pillow autocontrast": _pil(ImageOps.autocontrast),
    "pillow equalize": _pil(ImageOps.equalize),
    "pillow invert": _pil(ImageOps.invert),
    "pillow mirror": _pil(ImageOps.mirror),
    "pillow turn": _pil(lambda picture: picture.transpose(Pillow.Transpose.ROTATE_90)),
    "pillow half lanczos": _half,
    "pillow 224 squash": _pil(lambda picture: picture.resize((224, 224), Pillow.Resampling.BILINEAR)),
    "pillow nearest": partial(_half, method=Pillow.Resampling.NEAREST),
    "pillow crop": _crop,
    "pillow random crop": _random_crop,
    "pillow shorter 160 center 144": _center_crop,
    "pillow rotate 2.4": _pil(lambda picture: picture.rotate(2.4, Pillow.Resampling.BICUBIC)),
    "pillow rotate 12": _pil(lambda picture: picture.rotate(-12, Pillow.Resampling.BILINEAR)),
    "opencv gaussian": lambda image: cv2.GaussianBlur(image, (7, 7), 0),
    "opencv median": lambda image: cv2.medianBlur(image, 5),
    "opencv gain 1.3": lambda image: cv2.convertScaleAbs(image, alpha=1.3),
    "opencv offset 30": lambda image: cv2.convertScaleAbs(image, beta=30),
    "opencv gamma": _gamma,
    "opencv half area": lambda image: cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "opencv half linear": lambda image: cv2.resize(image, None, fx=0.5, fy=0.5),
    "opencv jpeg 90": lambda image: _cv_stored(image, ".jpg", cv2.IMWRITE_JPEG_QUALITY, 90),
    "opencv webp 70": lambda image: _cv_stored(image, ".webp", cv2.IMWRITE_WEBP_QUALITY, 70),
    "opencv pixelate": _pixelate,
    "opencv bgr": lambda image: image[..., ::-1].copy(),
    "opencv sharpen": lambda image: cv2.filter2D(
        image, -1, np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], np.float32)
    ),
    "opencv motion": _motion,
    "opencv hue": _hue,
    "opencv sepia": _sepia,
    "opencv down and up": _down_and_up,
    "opencv caption": _caption,
    "opencv border": _border,
    "skimage noise": partial(_noise, mode="gaussian", var=0.01),
    "skimage salt": partial(_noise, mode="s&p", amount=0.05),
    "skimage speckle": partial(_noise, mode="speckle", var=0.03),
    "skimage poisson": partial(_noise, mode="poisson"),
    "skimage gamma 1.5": lambda image: exposure.adjust_gamma(image, 1.5),
    "skimage gaussian 1.5": _skimage(lambda pixels: filters.gaussian(pixels, 1.5, channel_axis=2)),
    "skimage unsharp": _skimage(lambda pixels: filters.unsharp_mask(pixels, 2, 1, channel_axis=2)),
    "skimage half": _skimage(
        lambda pixels: transform.resize(pixels, (pixels.shape[0] // 2, pixels.shape[1] // 2), anti_aliasing=True)
    ),
    "skimage swirl": _skimage(lambda pixels: transform.swirl(pixels, strength=3, radius=0.6 * min(pixels.shape[:2]))),
    "skimage rotate 5": _skimage(lambda pixels: transform.rotate(pixels, 5)),
    "imagemagick half": _magick("-resize", "50%"),
    "imagemagick jpeg 80": _magick("-quality", "80", ending=".jpg"),
    "imagemagick blur": _magick("-blur", "0x2"),
    "imagemagick unsharp": _magick("-unsharp", "0x1"),
    "imagemagick gray": _magick("-colorspace", "Gray"),
    "imagemagick flop": _magick("-flop"),
    "imagemagick posterize": _magick("+dither", "-posterize", "4"),
    "cwebp 75": _program(["cwebp", "-q", "75", "IN", "-o", "OUT"], ".webp"),
    "ffmpeg half": _ffmpeg("-vf", "scale=iw/2:ih/2"),
    "ffmpeg mjpeg": _ffmpeg("-q:v", "6", ending=".jpg"),
    "ffmpeg flip": _ffmpeg("-vf", "hflip"),
    "brightness, jpeg": _after(_enhance(ImageEnhance.Brightness, 1.2), _jpeg(70)),
    "blur, webp": _after(
        _pil(lambda picture: picture.filter(ImageFilter.GaussianBlur(1))), partial(_stored, format="WEBP", quality=60)
    ),
    "half, sharpen": _after(_half, _pil(lambda picture: picture.filter(ImageFilter.UnsharpMask(1, 80, 0)))),
    "color, jpeg": _after(_enhance(ImageEnhance.Color, 1.3), _jpeg(80)),
    "mirror, jpeg": _after(_mirror, _jpeg(50)),
    "crop, jpeg": _after(_crop, _jpeg(75)),
    "half, jpeg": _after(_half, _jpeg(75)),
    "jpeg, brightness": _after(_jpeg(30), _enhance(ImageEnhance.Brightness, 1.25)),
    "gray, blur": _after(_pil(ImageOps.grayscale), lambda image: cv2.GaussianBlur(image, (0, 0), 1.5)),
    "half, noise": _after(_half, partial(_noise, mode="gaussian", var=0.004)),
    "bilateral filter": lambda image: cv2.bilateralFilter(image, 9, 75, 75),
    "clahe": _clahe,
    "vignette": _vignette,
    "solarize": _pil(lambda picture: ImageOps.solarize(picture, 128)),
    "detail enhancement": lambda image: cv2.detailEnhance(image, sigma_s=10, sigma_r=0.15),
    "edge-preserving filter": lambda image: cv2.edgePreservingFilter(image, sigma_s=60, sigma_r=0.4),
    "non-local means": lambda image: cv2.fastNlMeansDenoisingColored(image, None, 10, 10, 7, 21),
    "elastic": _elastic,
    "dither to black and white": _pil(lambda picture: picture.convert("1")),
    "edges": _pil(lambda picture: picture.filter(ImageFilter.FIND_EDGES)),
    "color temperature": lambda image: np.clip(image * np.array([1.2, 1.0, 0.75]), 0, 255).astype(np.uint8),
    "film grain": _grain,
    "total variation": _skimage(
        lambda pixels: skimage.restoration.denoise_tv_chambolle(pixels, weight=0.15, channel_axis=2)
    ),
    "barrel distortion": _barrel,
    "mode filter": _pil(lambda picture: picture.filter(ImageFilter.ModeFilter(7))),
    "erosion": lambda image: cv2.erode(image, np.ones((3, 3), np.uint8)),
}
"""Pipeline -> function."""
