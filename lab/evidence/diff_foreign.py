"""Pipelines made with other libraries and programs, for developing `probing_core.diff`.

``ANSWERS`` was written and committed before the pipelines were run for the first time. Limits and candidates were
changed after that run, so that rates on these pipelines are optimistic. ``diff_evaluation.py`` has other pipelines.
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
        optional: names of edits of which one may be named in addition.
    """

    edits: tuple[frozenset[str], ...] = ()
    geometry: tuple[str, ...] = ()
    known: bool = True
    optional: frozenset[str] = frozenset()


def expected(*edits: str, geometry: tuple[str, ...] = (), optional: str = "") -> Answer:
    """Return an answer; alternatives for an edit are separated by slashes."""
    alternatives = tuple(frozenset(edit.split("/")) for edit in edits)
    return Answer(alternatives, geometry, optional=frozenset(optional.split("/")) if optional else frozenset())


UNKNOWN = Answer(known=False)
RESIZED, CROPPED, MIRRORED, TURNED = ("resized",), ("cropped",), ("mirrored",), ("turned",)

ANSWERS: dict[str, Answer] = {
    "pillow jpeg 85": expected("jpeg"),
    "pillow jpeg 40": expected("jpeg"),
    "pillow jpeg 95 4:4:4": expected("jpeg"),
    "pillow webp 80": expected("webp"),
    "pillow webp 30": expected("webp"),
    "pillow avif 50": expected("avif"),
    "pillow gaussian 2": expected("gaussian-blur"),
    "pillow box 2": expected("box-blur/defocus-blur"),
    "pillow unsharp": expected("sharpen"),
    "pillow sharpness 3": expected("sharpen"),
    "pillow brightness 1.15": expected("brighten"),
    "pillow brightness 0.7": expected("brighten"),
    "pillow contrast 1.4": expected("contrast"),
    "pillow contrast 0.6": expected("contrast"),
    "pillow color 1.5": expected("desaturate"),
    "pillow gray": expected("desaturate"),
    "pillow posterize 3": expected("posterize-shift/posterize"),
    "pillow palette 64": expected("palette"),
    "pillow autocontrast": expected("autocontrast/contrast/brighten"),
    "pillow equalize": expected("equalize"),
    "pillow invert": expected("invert"),
    "pillow mirror": expected(geometry=MIRRORED),
    "pillow turn": expected(geometry=TURNED),
    "pillow half lanczos": expected(geometry=RESIZED),
    "pillow 224 squash": expected(geometry=RESIZED),
    "pillow nearest": expected(geometry=RESIZED),
    "pillow crop": expected(geometry=CROPPED),
    "pillow random crop": expected(geometry=("cropped", "resized")),
    "pillow shorter 160 center 144": expected(geometry=("resized", "cropped")),
    "pillow rotate 2.4": expected("rotate"),
    "pillow rotate 12": expected("rotate"),
    "opencv gaussian": expected("gaussian-blur"),
    "opencv median": expected("median"),
    "opencv gain 1.3": expected("brighten"),
    "opencv offset 30": expected("offset"),
    "opencv gamma": expected("gamma"),
    "opencv half area": expected(geometry=RESIZED),
    "opencv half linear": expected(geometry=RESIZED),
    "opencv jpeg 90": expected("jpeg"),
    "opencv webp 70": expected("webp"),
    "opencv pixelate": expected("pixelate"),
    "opencv bgr": expected("channel-swap"),
    "opencv sharpen": expected("sharpen"),
    "opencv motion": expected("motion-blur"),
    "opencv hue": expected("hue-shift"),
    "opencv sepia": expected("sepia"),
    "opencv down and up": expected("rescale"),
    "opencv caption": expected("overlay"),
    "opencv border": expected("border"),
    "skimage noise": expected("gaussian-noise"),
    "skimage salt": expected("salt-and-pepper"),
    "skimage speckle": expected("speckle"),
    "skimage poisson": expected("shot-noise"),
    "skimage gamma 1.5": expected("gamma"),
    "skimage gaussian 1.5": expected("gaussian-blur"),
    "skimage unsharp": expected("sharpen"),
    "skimage half": expected(geometry=RESIZED),
    "skimage swirl": expected("swirl"),
    "skimage rotate 5": expected("rotate"),
    "imagemagick half": expected(geometry=RESIZED),
    "imagemagick jpeg 80": expected("jpeg"),
    "imagemagick blur": expected("gaussian-blur"),
    "imagemagick unsharp": expected("sharpen"),
    "imagemagick gray": expected("desaturate"),
    "imagemagick flop": expected(geometry=MIRRORED),
    "imagemagick posterize": expected("posterize"),
    "cwebp 75": expected("webp"),
    "ffmpeg half": expected(geometry=RESIZED),
    "ffmpeg mjpeg": expected("jpeg"),
    "ffmpeg flip": expected(geometry=MIRRORED),
    "brightness, jpeg": expected("brighten", "jpeg"),
    "blur, webp": expected("gaussian-blur", "webp"),
    "half, sharpen": expected("sharpen", geometry=RESIZED),
    "color, jpeg": expected("desaturate", "jpeg"),
    "mirror, jpeg": expected("jpeg", geometry=MIRRORED),
    "crop, jpeg": expected("jpeg", geometry=CROPPED),
    "half, jpeg": expected("jpeg", geometry=RESIZED),
    "jpeg, brightness": expected("brighten", "jpeg"),
    "gray, blur": expected("desaturate", "gaussian-blur"),
    "half, noise": expected("gaussian-noise", geometry=RESIZED),
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


def pil(function: Callable[[Pillow.Image], Pillow.Image]) -> Function:
    return lambda image: np.asarray(function(Pillow.fromarray(image)).convert("RGB"))


def stored(image: Image, format: str, **options: int) -> Image:
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, format, **options)
    return np.asarray(Pillow.open(buffer).convert("RGB"))


def cv_stored(image: Image, ending: str, *options: int) -> Image:
    data = cv2.imencode(ending, image[..., ::-1], options)[1]
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def program(command: list[str], ending: str) -> Function:
    """Return a pipeline that runs a program; ``IN`` and ``OUT`` in the command are paths."""

    def run(image: Image) -> Image:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "in.png", Path(folder) / f"out{ending}"
            Pillow.fromarray(image).save(source)
            paths = {"IN": str(source), "OUT": str(target)}
            subprocess.run([paths.get(part, part) for part in command], check=True, capture_output=True)
            return np.asarray(Pillow.open(target).convert("RGB"))

    return run


def magick(*options: str, ending: str = ".png") -> Function:
    return program(["/usr/bin/convert", "IN", *options, "OUT"], ending)


def ffmpeg(*options: str, ending: str = ".png") -> Function:
    return program(["ffmpeg", "-y", "-i", "IN", *options, "OUT"], ending)


def of_skimage(function: Callable[[np.ndarray], np.ndarray]) -> Function:
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


def noise(image: Image, mode: str, **options: float) -> Image:
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


def after(*functions: Function) -> Function:
    def run(image: Image) -> Image:
        for function in functions:
            image = function(image)
        return image

    return run


def enhance(kind: Callable, factor: float) -> Function:
    return pil(lambda picture: kind(picture).enhance(factor))


def jpeg(quality: int, **options: int) -> Function:
    return partial(stored, format="JPEG", quality=quality, **options)


def _mirror(image: Image) -> Image:
    return image[:, ::-1].copy()


PIPELINES: dict[str, Function] = {
    "pillow jpeg 85": jpeg(85),
    "pillow jpeg 40": jpeg(40),
    "pillow jpeg 95 4:4:4": jpeg(95, subsampling=0),
    "pillow webp 80": partial(stored, format="WEBP", quality=80),
    "pillow webp 30": partial(stored, format="WEBP", quality=30),
    "pillow avif 50": partial(stored, format="AVIF", quality=50),
    "pillow gaussian 2": pil(lambda picture: picture.filter(ImageFilter.GaussianBlur(2))),
    "pillow box 2": pil(lambda picture: picture.filter(ImageFilter.BoxBlur(2))),
    "pillow unsharp": pil(lambda picture: picture.filter(ImageFilter.UnsharpMask())),
    "pillow sharpness 3": enhance(ImageEnhance.Sharpness, 3),
    "pillow brightness 1.15": enhance(ImageEnhance.Brightness, 1.15),
    "pillow brightness 0.7": enhance(ImageEnhance.Brightness, 0.7),
    "pillow contrast 1.4": enhance(ImageEnhance.Contrast, 1.4),
    "pillow contrast 0.6": enhance(ImageEnhance.Contrast, 0.6),
    "pillow color 1.5": enhance(ImageEnhance.Color, 1.5),
    "pillow gray": pil(ImageOps.grayscale),
    "pillow posterize 3": pil(lambda picture: ImageOps.posterize(picture, 3)),
    "pillow palette 64": pil(lambda picture: picture.quantize(64)),
    "pillow autocontrast": pil(ImageOps.autocontrast),
    "pillow equalize": pil(ImageOps.equalize),
    "pillow invert": pil(ImageOps.invert),
    "pillow mirror": pil(ImageOps.mirror),
    "pillow turn": pil(lambda picture: picture.transpose(Pillow.Transpose.ROTATE_90)),
    "pillow half lanczos": _half,
    "pillow 224 squash": pil(lambda picture: picture.resize((224, 224), Pillow.Resampling.BILINEAR)),
    "pillow nearest": partial(_half, method=Pillow.Resampling.NEAREST),
    "pillow crop": _crop,
    "pillow random crop": _random_crop,
    "pillow shorter 160 center 144": _center_crop,
    "pillow rotate 2.4": pil(lambda picture: picture.rotate(2.4, Pillow.Resampling.BICUBIC)),
    "pillow rotate 12": pil(lambda picture: picture.rotate(-12, Pillow.Resampling.BILINEAR)),
    "opencv gaussian": lambda image: cv2.GaussianBlur(image, (7, 7), 0),
    "opencv median": lambda image: cv2.medianBlur(image, 5),
    "opencv gain 1.3": lambda image: cv2.convertScaleAbs(image, alpha=1.3),
    "opencv offset 30": lambda image: cv2.convertScaleAbs(image, beta=30),
    "opencv gamma": _gamma,
    "opencv half area": lambda image: cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "opencv half linear": lambda image: cv2.resize(image, None, fx=0.5, fy=0.5),
    "opencv jpeg 90": lambda image: cv_stored(image, ".jpg", cv2.IMWRITE_JPEG_QUALITY, 90),
    "opencv webp 70": lambda image: cv_stored(image, ".webp", cv2.IMWRITE_WEBP_QUALITY, 70),
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
    "skimage noise": partial(noise, mode="gaussian", var=0.01),
    "skimage salt": partial(noise, mode="s&p", amount=0.05),
    "skimage speckle": partial(noise, mode="speckle", var=0.03),
    "skimage poisson": partial(noise, mode="poisson"),
    "skimage gamma 1.5": lambda image: exposure.adjust_gamma(image, 1.5),
    "skimage gaussian 1.5": of_skimage(lambda pixels: filters.gaussian(pixels, 1.5, channel_axis=2)),
    "skimage unsharp": of_skimage(lambda pixels: filters.unsharp_mask(pixels, 2, 1, channel_axis=2)),
    "skimage half": of_skimage(
        lambda pixels: transform.resize(pixels, (pixels.shape[0] // 2, pixels.shape[1] // 2), anti_aliasing=True)
    ),
    "skimage swirl": of_skimage(lambda pixels: transform.swirl(pixels, strength=3, radius=0.6 * min(pixels.shape[:2]))),
    "skimage rotate 5": of_skimage(lambda pixels: transform.rotate(pixels, 5)),
    "imagemagick half": magick("-resize", "50%"),
    "imagemagick jpeg 80": magick("-quality", "80", ending=".jpg"),
    "imagemagick blur": magick("-blur", "0x2"),
    "imagemagick unsharp": magick("-unsharp", "0x1"),
    "imagemagick gray": magick("-colorspace", "Gray"),
    "imagemagick flop": magick("-flop"),
    "imagemagick posterize": magick("+dither", "-posterize", "4"),
    "cwebp 75": program(["cwebp", "-q", "75", "IN", "-o", "OUT"], ".webp"),
    "ffmpeg half": ffmpeg("-vf", "scale=iw/2:ih/2"),
    "ffmpeg mjpeg": ffmpeg("-q:v", "6", ending=".jpg"),
    "ffmpeg flip": ffmpeg("-vf", "hflip"),
    "brightness, jpeg": after(enhance(ImageEnhance.Brightness, 1.2), jpeg(70)),
    "blur, webp": after(
        pil(lambda picture: picture.filter(ImageFilter.GaussianBlur(1))), partial(stored, format="WEBP", quality=60)
    ),
    "half, sharpen": after(_half, pil(lambda picture: picture.filter(ImageFilter.UnsharpMask(1, 80, 0)))),
    "color, jpeg": after(enhance(ImageEnhance.Color, 1.3), jpeg(80)),
    "mirror, jpeg": after(_mirror, jpeg(50)),
    "crop, jpeg": after(_crop, jpeg(75)),
    "half, jpeg": after(_half, jpeg(75)),
    "jpeg, brightness": after(jpeg(30), enhance(ImageEnhance.Brightness, 1.25)),
    "gray, blur": after(pil(ImageOps.grayscale), lambda image: cv2.GaussianBlur(image, (0, 0), 1.5)),
    "half, noise": after(_half, partial(noise, mode="gaussian", var=0.004)),
    "bilateral filter": lambda image: cv2.bilateralFilter(image, 9, 75, 75),
    "clahe": _clahe,
    "vignette": _vignette,
    "solarize": pil(lambda picture: ImageOps.solarize(picture, 128)),
    "detail enhancement": lambda image: cv2.detailEnhance(image, sigma_s=10, sigma_r=0.15),
    "edge-preserving filter": lambda image: cv2.edgePreservingFilter(image, sigma_s=60, sigma_r=0.4),
    "non-local means": lambda image: cv2.fastNlMeansDenoisingColored(image, None, 10, 10, 7, 21),
    "elastic": _elastic,
    "dither to black and white": pil(lambda picture: picture.convert("1")),
    "edges": pil(lambda picture: picture.filter(ImageFilter.FIND_EDGES)),
    "color temperature": lambda image: np.clip(image * np.array([1.2, 1.0, 0.75]), 0, 255).astype(np.uint8),
    "film grain": _grain,
    "total variation": of_skimage(
        lambda pixels: skimage.restoration.denoise_tv_chambolle(pixels, weight=0.15, channel_axis=2)
    ),
    "barrel distortion": _barrel,
    "mode filter": pil(lambda picture: picture.filter(ImageFilter.ModeFilter(7))),
    "erosion": lambda image: cv2.erode(image, np.ones((3, 3), np.uint8)),
}
"""Pipeline -> function."""
