"""Facts that the header of an image file states, without decoding pixels."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import dataclass

from PIL import Image as pillow
from PIL import ImageCms

from probing_core.images.decoding import format_of, jpeg_quality, open_header, printable

SUBSAMPLING = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (1, 2): "4:4:0", (4, 1): "4:1:1"}
"""Sampling factors of the luma of a JPEG file, if those of the chroma are 1 -> name of the chroma subsampling."""


@dataclass(frozen=True)
class FileFacts:
    """Facts about a file.

    Attributes:
        format: file format, one of `probing_core.images.FORMATS`, or ``array`` for an image in memory.
        mode: Pillow mode, such as ``RGB``, ``L`` or ``CMYK``.
        quality: estimated JPEG quality, from 1 to 100; None for other formats.
        subsampling: chroma subsampling of a JPEG file; empty for other formats.
        exif: whether the file has EXIF metadata.
        profile: description of the color profile; empty if there is none.
        frames: number of frames or pages.
    """

    format: str
    width: int
    height: int
    mode: str
    quality: int | None = None
    subsampling: str = ""
    progressive: bool = False
    exif: bool = False
    profile: str = ""
    frames: int = 1


def file_facts(data: bytes, name: str) -> FileFacts:
    """Read the facts about an encoded image.

    Raises:
        BadImage: the header is invalid, the format is not supported, or a limit is exceeded.
    """
    opened = open_header(data, name)
    kind, has_exif, frames = format_of(opened), "exif" in opened.info, 1
    with suppress(Exception):  # corrupted metadata does not affect the pixels
        has_exif = has_exif or len(opened.getexif()) > 0
    with suppress(Exception):
        frames = getattr(opened, "n_frames", 1)
    return FileFacts(
        format=kind,
        width=opened.width,
        height=opened.height,
        mode=opened.mode,
        quality=jpeg_quality(opened),
        subsampling=_subsampling(opened) if kind == "JPEG" else "",
        progressive=bool(opened.info.get("progressive") or opened.info.get("interlace")),
        exif=has_exif,
        profile=_profile(opened.info.get("icc_profile")),
        frames=frames,
    )


def _subsampling(opened: pillow.Image) -> str:
    layers: list[tuple[int, int, int, int]] = getattr(opened, "layer", [])
    if len(layers) < 3 or any(layer[1:3] != (1, 1) for layer in layers[1:]):
        return ""
    return SUBSAMPLING.get(layers[0][1:3], "")


def _profile(data: bytes | None) -> str:
    if not data:
        return ""
    try:
        return printable(ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(data))).strip())
    except Exception:  # a broken optional profile may cause any error
        return "invalid"
