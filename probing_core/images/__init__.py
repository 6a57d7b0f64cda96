"""Safe decoding of images from bytes or files.

Seven formats are supported and detected by content, not by file name. The numbers of bytes, pixels and frames are
limited, and headers are checked before decoding. The result is always 8-bit sRGB, upright and opaque. `Picture.notes`
lists the conversions.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image as pillow

from probing_core.errors import BadImage, one_line
from probing_core.images.decoding import (
    FORMATS,
    MAX_FRAMES,
    MAX_PIXELS,
    READABLE,
    SAVE_AGAIN,
    format_of,
    frame_notes,
    is_damaged,
    jpeg_quality,
    load,
    open_header,
    printable,
    stored_bits,
    to_rgb,
)

__all__ = [
    "COMPRESSED",
    "FORMATS",
    "MAX_BYTES",
    "MAX_FRAMES",
    "MAX_PIXELS",
    "Image",
    "Picture",
    "as_image",
    "check",
    "check_size",
    "encode_jpeg",
    "encode_png",
    "encode_webp",
    "inspect",
    "is_one_image",
    "read_bytes",
    "read_image",
    "to_image",
    "to_images",
]

Image: TypeAlias = np.ndarray
"""``uint8`` array (H, W, 3) in sRGB."""

MAX_BYTES = 50_000_000

COMPRESSED = "compression is already visible"
"""Text of the note about low JPEG quality."""

SMALL_SIDE = 128
"""Shorter side in pixels below which a note is added, because the image is upsampled for the default view size."""

LOW_QUALITY = 70
"""JPEG quality below which a note is added."""

TYPE_HINTS = {
    "f": "If 1 is white, pass (255 * image).round().clip(0, 255).astype('uint8')",
    "b": "If True is white, pass 255 * image.astype('uint8')",
    "i": "If 255 is white, pass image.astype('uint8')",
    "u": "If 255 is white, pass image.astype('uint8')",
    "uint16": "If 65535 is white, pass (image >> 8).astype('uint8')",
}
"""Name or kind of an unsupported data type -> how to convert the array to ``uint8``."""


@dataclass(frozen=True)
class Picture:
    """A decoded image with notes on its conversion and quality.

    Attributes:
        name: name for messages; by default, the file name without its folder.
        notes: phrases about conversions, unused frames, low JPEG quality and a small size.
    """

    name: str
    image: Image = field(repr=False, compare=False)
    notes: tuple[str, ...]

    @property
    def width(self) -> int:
        return int(self.image.shape[1])

    @property
    def height(self) -> int:
        return int(self.image.shape[0])


def read_image(source: bytes | str | Path, name: str | None = None) -> Image:
    """Read an image as (H, W, 3) ``uint8``, in sRGB, upright and opaque (on white).

    Args:
        source: encoded bytes or a file path.
        name: name for messages; by default, the file name.

    Raises:
        BadImage: the file cannot be read, or the image is corrupted, exceeds a limit, or is not in one of `FORMATS`.
    """
    return inspect(source, name).image


def inspect(source: bytes | str | Path, name: str | None = None) -> Picture:
    """Read an image as in `read_image`, and return it with notes."""
    data, name = _read(source, name)
    opened, notes = _open_checked(data, name)
    with _damage_as_bad_image(opened, name):
        bits, quality = stored_bits(opened), jpeg_quality(opened)
        image = _pixels(opened, name, notes)
    if bits > 8:
        notes.append(f"{bits} bits per channel were reduced to 8")
    if quality is not None and quality < LOW_QUALITY:
        notes.append(f"JPEG quality of about {quality}: {COMPRESSED}")
    if min(image.shape[:2]) < SMALL_SIDE:
        notes.append(f"small: {image.shape[1]} x {image.shape[0]} pixels")
    return Picture(name, image, tuple(notes))


def _pixels(opened: pillow.Image, name: str, notes: list[str]) -> Image:
    load(opened)
    return as_image(np.array(to_rgb(opened, name, notes)))


@contextmanager
def _damage_as_bad_image(opened: pillow.Image, name: str) -> Iterator[None]:
    """Return a context manager that converts errors of decoders, which may raise anything for malicious input."""
    try:
        yield
    except BadImage:
        raise
    except Exception as error:
        raise BadImage(_damaged(opened, name, one_line(error))) from None


def as_image(array: object) -> Image:
    """Return a ``uint8`` array (H, W, 3) unchanged, or convert a grayscale array (H, W) to RGB.

    Raises:
        BadImage: the array has an unsupported shape or type.
    """
    try:
        pixels = np.asarray(array)
    except Exception as error:  # nested lists of different lengths, or tensors that NumPy cannot read
        raise BadImage(f"{type(array).__name__} cannot be converted to an image array ({one_line(error)}).") from None
    if pixels.dtype == np.uint8 and pixels.ndim == 2 and pixels.size:
        return np.repeat(pixels[..., None], 3, axis=2)
    if pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.size:
        return pixels
    raise BadImage(
        f"An image array must be uint8 with shape (height, width, 3), or (height, width) for grayscale; got "
        f"{pixels.dtype} with shape {pixels.shape}. {_array_hint(pixels)}."
    )


def _array_hint(pixels: np.ndarray) -> str:
    """Return how to convert an array with an unsupported shape or type to an image."""
    if not pixels.size:
        return "It has no pixels"
    if pixels.dtype != np.uint8:
        return TYPE_HINTS.get(pixels.dtype.name) or TYPE_HINTS.get(pixels.dtype.kind, "Pass an array of numbers")
    if pixels.ndim == 3 and pixels.shape[2] in (1, 4):
        return "Pass image[..., 0]" if pixels.shape[2] == 1 else "Remove the alpha channel: image[..., :3]"
    if pixels.ndim == 3 and pixels.shape[0] in (1, 3):
        return "Move the channels to the last axis: image.transpose(1, 2, 0)"
    return "Pass one image with these axes"


def to_image(picture: Any) -> Image:
    """Convert ``picture`` to (H, W, 3) ``uint8``, in sRGB, upright and opaque (on white).

    Args:
        picture: an array (H, W, 3) or (H, W) ``uint8``; a Pillow image; a tensor (C, H, W), ``uint8`` or floating
            point from 0 to 1; the path or the bytes of an encoded image; or a dict with ``path`` or ``bytes``.

    Raises:
        BadImage: ``picture`` cannot be read, or has an unsupported type or shape.
    """
    if isinstance(picture, dict):
        picture = picture.get("bytes") or picture.get("path")
    if isinstance(picture, bytes | str | Path):
        return read_image(picture)
    if isinstance(picture, pillow.Image):
        with _damage_as_bad_image(picture, "The image"):
            return _pixels(picture, "The image", [])
    if hasattr(picture, "detach"):
        return _of_tensor(picture)
    return as_image(picture)


def to_images(pictures: Any) -> Iterator[Image]:
    """Yield one image or several images, converted with `to_image`.

    Args:
        pictures: an image in any form that `to_image` accepts; an iterable of images; or an array (N, H, W, 3) or a
            tensor (N, C, H, W).

    Raises:
        BadImage: an image cannot be read. The message contains its position if there are several.
    """
    if is_one_image(pictures):
        yield to_image(pictures)
        return
    for position, picture in enumerate(pictures):
        try:
            yield to_image(picture)
        except BadImage as error:
            raise BadImage(f"{str(error).rstrip('.')} (image {position}).") from None


def is_one_image(pictures: Any) -> bool:
    """Return whether ``pictures`` is a single image in a form that `to_image` accepts, and not several images."""
    if isinstance(pictures, bytes | str | Path | pillow.Image | dict):
        return True
    if not hasattr(pictures, "__iter__") and not hasattr(pictures, "__getitem__"):
        return True  # no image, as `to_image` reports
    return getattr(pictures, "ndim", 1) in (0, 2, 3)  # arrays and tensors; a batch has four axes, a list of paths one


def _of_tensor(tensor: Any) -> Image:
    if tensor.ndim != 3 or tensor.shape[0] not in (1, 3) or not tensor.numel():
        raise BadImage(f"An image tensor must have the shape (3, H, W) or (1, H, W); got {tuple(tensor.shape)}.")
    if tensor.is_floating_point():
        tensor = tensor.float()  # NumPy does not support all types
    try:
        values = tensor.detach().cpu().numpy()
    except Exception as error:  # for example, sparse and quantized tensors
        raise BadImage(f"An image tensor cannot be converted to an array ({one_line(error)}).") from None
    if values.dtype.kind == "f":
        if not (values.min() >= 0 and values.max() <= 1):
            raise BadImage(
                f"A {values.dtype} image tensor must have values from 0 to 1; got {values.min():.3g} to "
                f"{values.max():.3g}. Pass the image before normalization."
            )
        values = np.rint(values * 255).astype(np.uint8)
    elif values.dtype != np.uint8:
        raise BadImage(
            f"An image tensor must be uint8 with values from 0 to 255, or floating point with values from 0 to 1; got "
            f"{values.dtype}."
        )
    pixels = np.ascontiguousarray(values.transpose(1, 2, 0))
    return as_image(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def check(data: bytes, name: str) -> None:
    """Check an encoded image without decoding its pixels.

    Raises:
        BadImage: the image is corrupted, exceeds a limit, or is not in one of `FORMATS`.
    """
    data, name = _read(data, name)
    _open_checked(data, name)


def read_bytes(path: Path, name: str | None = None) -> bytes:
    """Read the bytes of an image file without validating them.

    Raises:
        BadImage: the file cannot be read, is empty, or exceeds `MAX_BYTES`.
    """
    name = printable(name or path.name or str(path))
    try:
        if path.is_dir():
            raise BadImage(f"{name} is a folder. Expected an image file ({READABLE}).")
        if path.exists() and not path.is_file():  # reading a pipe or a device could block forever
            raise BadImage(f"{name} is not a regular file. Expected an image file ({READABLE}).")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise BadImage(f"The file {name} does not exist. Check the spelling and the folder.") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise BadImage(f"{name} cannot be opened ({one_line(error)}). Check the file and its permissions.") from None
    check_size(len(data), name)
    return data


def encode_png(image: Image, level: int = 6) -> bytes:
    """Encode ``image`` as PNG, with a compression level from 0 (fast) to 9 (small)."""
    return _encode(image, "PNG", compress_level=level)


def encode_jpeg(image: Image, quality: int = 90) -> bytes:
    """Encode ``image`` as JPEG without chroma subsampling (4:4:4)."""
    return _encode(image, "JPEG", quality=quality, subsampling=0)


def encode_webp(image: Image, quality: int = 90, effort: int = 4) -> bytes:
    """Encode an image in WebP format.

    Args:
        effort: 0 (fastest) to 6 (smallest).
    """
    return _encode(image, "WEBP", quality=quality, method=effort)


def _encode(image: Image, format: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    pillow.fromarray(image).save(buffer, format, **options)
    return buffer.getvalue()


def _read(source: bytes | str | Path, name: str | None) -> tuple[bytes, str]:
    if isinstance(source, bytes):
        name = printable(name or "The image")
        check_size(len(source), name)
        return source, name
    source = Path(source)
    return read_bytes(source, name), printable(name or source.name or str(source))


def check_size(size: int, name: str) -> None:
    """Raise `BadImage` if a file size in bytes is 0 or exceeds `MAX_BYTES`."""
    if size > MAX_BYTES:
        raise BadImage(f"{name} exceeds the limit of {MAX_BYTES // 1_000_000} MB. Use a smaller copy.")
    if not size:
        raise BadImage(f"{name} is empty (0 bytes). Expected an image ({READABLE}).")


def _open_checked(data: bytes, name: str) -> tuple[pillow.Image, list[str]]:
    opened = open_header(data, name)
    notes = frame_notes(opened, data, name)
    if is_damaged(opened, data):
        raise BadImage(_damaged(opened, name, "the end is missing or a checksum is wrong"))
    return opened, notes


def _damaged(opened: pillow.Image, name: str, reason: str) -> str:
    kind = "an image" if opened.format is None else f"a {format_of(opened)}"
    return (
        f"{name} is {kind} of {opened.width} x {opened.height} pixels with corrupted or truncated data "
        f"({reason}). Use the complete file, or {SAVE_AGAIN}."
    )
