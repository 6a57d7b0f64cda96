"""Conversion of decoded images to 8-bit sRGB, upright and opaque."""

from __future__ import annotations

import io
from hashlib import blake2b
from threading import Lock
from typing import Any

import numpy as np
from cachetools import LRUCache, cached
from PIL import Image as pillow
from PIL import ImageCms, ImageFile

from probing_core.errors import BadImage
from probing_core.images.headers import printable

TRANSPOSE = {
    2: pillow.Transpose.FLIP_LEFT_RIGHT,
    3: pillow.Transpose.ROTATE_180,
    4: pillow.Transpose.FLIP_TOP_BOTTOM,
    5: pillow.Transpose.TRANSPOSE,
    6: pillow.Transpose.ROTATE_270,
    7: pillow.Transpose.TRANSVERSE,
    8: pillow.Transpose.ROTATE_90,
}
"""EXIF orientation (EXIF 2.3, tag 274) -> Pillow operation that makes the image upright."""

BITS_PER_SAMPLE = 258
PHOTOMETRIC_INTERPRETATION = 262
WHITE_IS_ZERO = 0

ALPHA_LAST = ("LA", "La", "PA", "RGBA", "RGBa")
"""Pillow modes whose last channel is the opacity."""

MAX_ROUNDING = 1
"""Maximum difference to sRGB, for values from 0 to 255, up to which a color profile is considered to be sRGB."""


def load(opened: pillow.Image) -> None:
    """Decode the pixels of ``opened`` in place, if this has not been done yet.

    Raises:
        BadImage: the file was closed before.
    """
    if not isinstance(opened, ImageFile.ImageFile):
        opened.load()
        return
    if opened.tile and (opened.fp is None or getattr(opened.fp, "closed", False)):
        raise BadImage("The file of an image was closed before its pixels were read. Load the image before closing it.")
    # Pillow maps uncompressed files into memory if it knows their names. It then confuses the width and the height of
    # TIFF images with an orientation from 5 to 8 (Pillow 11 to 13).
    name, opened.filename = opened.filename, ""
    try:
        opened.load()
    finally:
        opened.filename = name


def to_rgb(decoded: pillow.Image, name: str, notes: list[str]) -> pillow.Image:
    """Convert an image after `load`, and append the conversions to ``notes``.

    Before `load`, the mode, the orientation and the metadata of an image are not final.

    Raises:
        BadImage: the range of values is unknown.
    """
    grayscale_or_color = _opaque(decoded, name)
    # Lab colors are already independent of a device.
    profile = None if decoded.mode == "LAB" else decoded.info.get("icc_profile")
    colors = _to_srgb(grayscale_or_color, profile, notes)
    alpha = _alpha(decoded)
    if alpha is not None and alpha.getextrema() != (255, 255):
        notes.append("transparency was replaced with white")
        colors = pillow.composite(colors, pillow.new("RGB", colors.size, "white"), alpha)
    return _upright(colors, decoded, notes)


def stored_bits(opened: pillow.Image) -> int:
    """Return the number of bits per channel in the file of an image that has not been loaded yet.

    More than 8 bits are detected only for PNG and TIFF.
    """
    if opened.format == "PNG":
        return 16 if any("16" in str(tile[3]) for tile in getattr(opened, "tile", ())) else 8
    return max(_tiff_tag(opened, BITS_PER_SAMPLE, (8,)))


def _opaque(decoded: pillow.Image, name: str) -> pillow.Image:
    """Return the image without opacity, in the mode L, I;16, RGB or CMYK."""
    mode = decoded.mode
    if mode.startswith("I;16"):
        return pillow.fromarray(_samples(decoded))
    if mode in ("I", "F"):
        raise BadImage(
            f"{name} contains {'32-bit integer' if mode == 'I' else 'floating-point'} values with an unknown range. "
            f"Save the image with 8 or 16 bits per channel."
        )
    if mode == "La":  # Pillow converts it only to LA
        return decoded.convert("LA").convert("L")
    if mode in ("1", "L", "LA"):
        return decoded.convert("L")
    if mode in ("RGB", "CMYK"):
        return decoded
    return decoded.convert("RGBA").convert("RGB") if mode in ("RGBa", "PA") else decoded.convert("RGB")


def _samples(decoded: pillow.Image) -> np.ndarray:
    """Return the values (H, W) ``uint16`` of a grayscale image, from 0 (black) to 65535 (white)."""
    samples = np.asarray(decoded).astype(np.uint16)
    bits = max(_tiff_tag(decoded, BITS_PER_SAMPLE, (16,)))  # 12 or 16
    if _tiff_tag(decoded, PHOTOMETRIC_INTERPRETATION, None) == WHITE_IS_ZERO:  # Pillow inverts only 8-bit images
        samples = (1 << bits) - 1 - samples
    return samples << (16 - bits)


def _alpha(decoded: pillow.Image) -> pillow.Image | None:
    """Return the opacity in the mode L, or None for images without transparency."""
    if not decoded.has_transparency_data:
        return None
    if decoded.mode in ALPHA_LAST:
        return decoded.getchannel(len(decoded.getbands()) - 1)
    if decoded.mode.startswith("I;16"):
        opaque = np.asarray(decoded) != decoded.info["transparency"]
        return pillow.fromarray(opaque.astype(np.uint8) * 255)
    return decoded.convert("RGBA").getchannel("A")


def _to_srgb(colors: pillow.Image, profile: bytes | None, notes: list[str]) -> pillow.Image:
    """Convert ``colors`` to sRGB. If the color profile is invalid, leave the colors unchanged and add a note."""
    if not profile:
        return _rgb(colors)
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if colors.mode in ("L", "I;16") and source.profile.xcolor_space.strip() == "RGB":
            colors = _rgb(colors)
        name = printable(ImageCms.getProfileDescription(source).strip())
        converted = _converted(colors, source, profile)
    except Exception:  # a broken optional profile may cause any error
        notes.append("invalid color profile: colors were interpreted as sRGB")
        return _rgb(colors)
    if converted is None:
        return _rgb(colors)
    notes.append(f"colors were converted from the profile '{name}' to sRGB")
    return converted


def _converted(colors: pillow.Image, source: ImageCms.ImageCmsProfile, profile: bytes) -> pillow.Image | None:
    """Convert ``colors`` to sRGB with the profile ``source``, or return None if the profile describes sRGB.

    The name of a profile does not tell whether it describes sRGB: "Linear sRGB" does not, and "uRGB" does.
    """
    if colors.mode in ("L", "I;16"):
        values = np.arange(1 << (16 if colors.mode == "I;16" else 8))[None]
        ramp = pillow.fromarray(values.astype(np.uint16 if colors.mode == "I;16" else np.uint8))
        # Without optimization, Little CMS is slow, but otherwise dark values can be off by 10 of 255 levels.
        table = _applied(_transform(source, colors.mode, ImageCms.Flags.NOOPTIMIZE), ramp)
        if _differ_only_by_rounding(table, np.asarray(_rgb(ramp))):
            return None
        return pillow.fromarray(table[0][np.asarray(colors)])
    if colors.mode == "RGB" and _is_srgb(profile):
        return None
    return pillow.fromarray(_applied(_transform(source, colors.mode), colors))


# The key is a digest, because a profile may be as large as an image. Building a transform takes several milliseconds.
@cached(LRUCache(maxsize=64), key=lambda profile: blake2b(profile, digest_size=16).digest(), lock=Lock())
def _is_srgb(profile: bytes) -> bool:
    """Return whether an RGB profile maps a grid of all colors to the same values in sRGB."""
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    transform = _transform(ImageCms.ImageCmsProfile(io.BytesIO(profile)), "RGB")
    return _differ_only_by_rounding(_applied(transform, pillow.fromarray(grid)), grid)


def _transform(
    source: ImageCms.ImageCmsProfile, mode: str, flags: ImageCms.Flags = ImageCms.Flags.NONE
) -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB", flags=flags)


def _applied(transform: ImageCms.ImageCmsTransform, colors: pillow.Image) -> np.ndarray:
    return np.asarray(transform.apply(colors))


def _differ_only_by_rounding(first: np.ndarray, second: np.ndarray) -> bool:
    return bool(np.abs(first.astype(np.int16) - second).max() <= MAX_ROUNDING)


def _rgb(colors: pillow.Image) -> pillow.Image:
    """Convert to RGB without a color profile. 16-bit values are reduced to their upper 8 bits, as Pillow does."""
    if colors.mode == "I;16":
        colors = pillow.fromarray((np.asarray(colors) >> 8).astype(np.uint8))
    return colors if colors.mode == "RGB" else colors.convert("RGB")


def _upright(colors: pillow.Image, decoded: pillow.Image, notes: list[str]) -> pillow.Image:
    """Apply the EXIF orientation. Pillow has already applied the orientation of TIFF files."""
    try:
        orientation = decoded.getexif().get(274, 1)
    except Exception:  # corrupted metadata does not affect the pixels
        return colors
    if orientation not in TRANSPOSE:
        return colors
    notes.append("rotated or flipped according to its EXIF orientation")
    return colors.transpose(TRANSPOSE[orientation])


def _tiff_tag(opened: pillow.Image, tag: int, default: Any) -> Any:
    return getattr(opened, "tag_v2", {}).get(tag, default)
