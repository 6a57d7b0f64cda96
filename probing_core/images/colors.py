"""Conversion of any of Pillow's modes to 8-bit RGB in sRGB, upright and opaque."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image as pillow
from PIL import ImageChops, ImageCms

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
"""EXIF orientation -> what makes the picture upright (EXIF 2.3, tag 274)."""


def stored_bits(opened: pillow.Image) -> int:
    """Return the bits of one sample in the file; of the formats read, only PNG and TIFF can hold more than 8."""
    if opened.format == "PNG":
        return 16 if any("16" in str(tile[3]) for tile in getattr(opened, "tile", ())) else 8
    return max(_tiff_tag(opened, 258, (8,)))


def to_rgb(opened: pillow.Image, name: str, bits: int, notes: list[str]) -> pillow.Image:
    """Convert a decoded picture to 8-bit RGB in sRGB, upright and opaque; add to ``notes`` what was changed.

    Raises:
        BadImage: it is unknown which of its numbers are black and white.
    """
    colors = _to_srgb(_opaque(opened, name, bits), opened.info.get("icc_profile"), notes)
    if bits > 8:
        notes.append(f"{bits} bits a channel were reduced to 8")
    if opened.has_transparency_data and not opened.mode.startswith("I;16"):
        alpha = opened.getchannel("A") if "A" in opened.getbands() else opened.convert("RGBA").getchannel("A")
        if alpha.getextrema() != (255, 255):
            notes.append("transparency was laid on white")
            colors.paste((255, 255, 255), mask=ImageChops.invert(alpha))
    return _upright(colors, opened, notes)


def _opaque(opened: pillow.Image, name: str, bits: int) -> pillow.Image:
    mode = opened.mode
    if mode.startswith("I;16"):
        samples = np.asarray(opened).astype(np.uint16)
        if _tiff_tag(opened, 262, 1) == 0:  # white is zero; Pillow inverts it in 8 bits only
            samples = (1 << bits) - 1 - samples
        return pillow.fromarray((samples >> (bits - 8)).astype(np.uint8))
    if mode in ("I", "F"):
        raise BadImage(
            f"{name} holds {'32-bit whole' if mode == 'I' else 'floating-point'} numbers, whose black and white are "
            f"not known; save it with 8 or 16 bits a channel."
        )
    if mode in ("1", "L", "LA", "La"):
        return opened.convert("L")
    if mode in ("RGB", "CMYK"):
        return opened
    return opened.convert("RGBA").convert("RGB") if mode in ("RGBa", "PA") else opened.convert("RGB")


def _to_srgb(colors: pillow.Image, profile: bytes | None, notes: list[str]) -> pillow.Image:
    """Convert to sRGB; where the profile cannot be used, leave the colors unchanged and add a note."""
    if not profile:
        return _rgb(colors)
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        name = printable(ImageCms.getProfileDescription(source).strip())
        if "sRGB" in name:
            return _rgb(colors)
        if colors.mode == "L" and source.profile.xcolor_space.strip() == "RGB":
            colors = _rgb(colors)
        converted = ImageCms.profileToProfile(colors, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except Exception:  # profiles are optional, and both they and the library that reads them may be broken in any way
        notes.append("its color profile cannot be used: colors were read as sRGB")
        return _rgb(colors)
    notes.append(f"colors were converted from the profile '{name}' to sRGB")
    return converted or colors


def _rgb(colors: pillow.Image) -> pillow.Image:
    return colors if colors.mode == "RGB" else colors.convert("RGB")


def _upright(colors: pillow.Image, opened: pillow.Image, notes: list[str]) -> pillow.Image:
    """Apply the orientation that the camera noted (Pillow itself applies that of TIFF)."""
    try:
        orientation = opened.getexif().get(274, 1)
    except Exception:  # damaged metadata does not concern the pixels
        return colors
    if orientation not in TRANSPOSE:
        return colors
    notes.append("turned upright as its EXIF orientation says")
    return colors.transpose(TRANSPOSE[orientation])


def _tiff_tag(opened: pillow.Image, tag: int, default: Any) -> Any:
    return getattr(opened, "tag_v2", {}).get(tag, default)
