"""The steps from a file to the input of a network, and the ways in which pipelines are known to differ in them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import cv2
import numpy as np
from PIL import Image as pillow

from probing_core.images import Image, as_image
from probing_core.models.base import Preprocessing
from probing_core.models.preprocessing import crop_corner, resize_and_crop, scaled_size


def _by_opencv(image: Image, size: tuple[int, int], how: int) -> np.ndarray:
    return cv2.resize(image, size[::-1], interpolation=how)


def _as_tensor(image: Image, size: tuple[int, int], how: str, antialias: bool) -> np.ndarray:
    import torch

    tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))[None]).float()
    resized = torch.nn.functional.interpolate(tensor, size, mode=how, align_corners=False, antialias=antialias)
    return resized[0].numpy().transpose(1, 2, 0)


RESIZES: Mapping[str, Callable[[Image, tuple[int, int]], np.ndarray]] = {
    "OpenCV's bilinear interpolation, without antialiasing": partial(_by_opencv, how=cv2.INTER_LINEAR),
    "OpenCV's bicubic interpolation, without antialiasing": partial(_by_opencv, how=cv2.INTER_CUBIC),
    "OpenCV's nearest pixel, without antialiasing": partial(_by_opencv, how=cv2.INTER_NEAREST),
    "OpenCV's mean of areas": partial(_by_opencv, how=cv2.INTER_AREA),
    "PyTorch's bilinear interpolation, without antialiasing": partial(_as_tensor, how="bilinear", antialias=False),
    "PyTorch's bicubic interpolation, without antialiasing": partial(_as_tensor, how="bicubic", antialias=False),
    "PyTorch's bilinear interpolation of tensors": partial(_as_tensor, how="bilinear", antialias=True),
    "PyTorch's bicubic interpolation of tensors": partial(_as_tensor, how="bicubic", antialias=True),
}
"""Ways of resizing that are not Pillow's: image, (height, width) -> (height, width, 3), in units of 255."""

KERNELS = {
    "bilinear": "",
    "bicubic": "",
    "lanczos": "",
    "nearest": ", without antialiasing",
    "box": "",
}
"""Filters of Pillow that are tried -> what a reader must know besides."""

SCALES: Mapping[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "ImageNet's": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "CLIP's": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "0.5 and 0.5, values from −1 to 1": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "none, values from 0 to 1": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "none, values from 0 to 255": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
}
"""Means and deviations in use, in units of [0, 1]."""

SIDES = (112, 128, 160, 192, 224, 240, 256, 288, 299, 320, 336, 384, 448)
"""Sides of inputs in use, in pixels."""

CHANNELS: Mapping[str, Callable[[Image], Image]] = {
    "RGB": lambda image: image,
    "BGR": lambda image: np.ascontiguousarray(image[..., ::-1]),
    "gray": lambda image: as_image(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)),
}

COLOR_ORDERS = {"BGR": "the channels are in the order BGR", "gray": "pictures are made gray"}
"""Name in `CHANNELS` of an order that is tried -> its description."""


class AnySteps(Protocol):
    """Steps that may be changed: `Steps`, or those of an embedder that takes pictures alone."""

    def changes(self) -> Iterator[Change]:
        """Yield every change of one step that is tried."""


@dataclass(frozen=True)
class Change:
    """One way in which a pipeline may differ from known steps.

    Attributes:
        step: which step, in a word or two.
        words: what is done instead.
        steps: that do so.
    """

    step: str
    words: str
    steps: AnySteps


@dataclass(frozen=True)
class Steps:
    """Steps from a decoded picture to the input of a network, as they may differ.

    Attributes:
        preprocessing: the network's.
        channels: one of `CHANNELS`.
        resize: one of `RESIZES`; empty for Pillow's, by ``preprocessing.interpolation``.
    """

    preprocessing: Preprocessing
    channels: str = "RGB"
    resize: str = ""

    def batch(self, images: Sequence[Image]) -> np.ndarray:
        """Return the input of the network, (N, H, W, 3) ``float32``."""
        mean, std = (np.array(part, np.float32) for part in (self.preprocessing.mean, self.preprocessing.std))
        colored = (CHANNELS[self.channels](image) for image in images)
        return np.stack([(self._resized(image) / np.float32(255) - mean) / std for image in colored])

    def _resized(self, image: Image) -> np.ndarray:
        if not self.resize:
            return resize_and_crop(image, self.preprocessing)
        scaled = scaled_size(image.shape[:2], self.preprocessing)
        resized = RESIZES[self.resize](image, scaled)
        (top, left), (height, width) = crop_corner(scaled, self.preprocessing), self.preprocessing.size
        return resized[top : top + height, left : left + width]

    def changes(self) -> Iterator[Change]:
        """Yield every change of one step that is tried."""
        own = self.preprocessing
        if self.channels == "RGB":
            for channels, words in COLOR_ORDERS.items():
                yield Change("order of colors", words, replace(self, channels=channels))
        if own.resize != "none":
            yield from _resizes(self, own)
        for name, (mean, std) in SCALES.items():
            if not np.allclose([*mean, *std], [*own.mean, *own.std], atol=1e-3):
                scaled = replace(self, preprocessing=replace(own, mean=mean, std=std))
                yield Change("mean and deviation", f"mean and deviation are {name}", scaled)


def _resizes(steps: Steps, own: Preprocessing) -> Iterator[Change]:
    for kernel, plain in KERNELS.items():
        if kernel != own.interpolation:
            other = replace(steps, resize="", preprocessing=replace(own, interpolation=kernel))
            yield Change("resize", f"pictures are resized by Pillow's {kernel} filter{plain}", other)
    for words in RESIZES:
        yield Change("resize", f"pictures are resized by {words}", replace(steps, resize=words))
    if own.resize == "shorter":
        squashed = replace(own, resize="squash", crop=1.0)
        yield Change(
            "crop", "pictures are squeezed into the size and not cropped", replace(steps, preprocessing=squashed)
        )
    for crop in (1.0, 0.9, 0.875):
        if abs(crop - own.crop) > 0.005:
            cropped = replace(own, resize="shorter", crop=crop)
            words = f"the shorter side is resized to the size over {crop:g}, and the center cropped"
            yield Change("crop", words, replace(steps, preprocessing=cropped))
    for side in SIDES:
        if (side, side) != own.size:
            sized = replace(own, size=(side, side))
            yield Change("input size", f"the input has {side} x {side} pixels", replace(steps, preprocessing=sized))


def _opened(data: bytes) -> pillow.Image:
    return pillow.open(io.BytesIO(data))


def _not_turned(data: bytes) -> Image:
    return np.asarray(_opened(data).convert("RGB"))


def _without_alpha(data: bytes) -> Image:
    return np.asarray(_opened(data).convert("RGBA").convert("RGB"))


def _on_black(data: bytes) -> Image:
    opened = _opened(data).convert("RGBA")
    black = pillow.new("RGBA", opened.size, (0, 0, 0, 255))
    return np.asarray(pillow.alpha_composite(black, opened).convert("RGB"))


def _deep(data: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert image is not None  # golden pictures are whole
    return np.ascontiguousarray(image[..., ::-1]) if image.ndim == 3 else image


def _clipped(data: bytes) -> Image:
    return as_image(np.minimum(_deep(data), 255).astype(np.uint8))


def _low_bits(data: bytes) -> Image:
    return as_image((_deep(data) & 255).astype(np.uint8))


DECODINGS: Mapping[str, Mapping[str, Callable[[bytes], Image]]] = {
    "EXIF": {"the EXIF orientation is ignored": _not_turned},
    "alpha": {
        "transparency is dropped, so that hidden colors show": _without_alpha,
        "transparency is laid on black in place of white": _on_black,
    },
    "16 bit": {
        "values above 255 are clipped, so that 16 bits become white": _clipped,
        "of 16 bits the lower 8 are kept": _low_bits,
    },
}
"""Kind of golden picture -> what other programs do with it -> how."""
