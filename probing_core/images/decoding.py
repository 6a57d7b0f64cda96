"""Validation of image files, and conversion of decoded images to 8-bit sRGB, upright and opaque."""

from __future__ import annotations

import codecs
import io
import re
import warnings
import zlib
from collections.abc import Iterator
from hashlib import blake2b
from itertools import islice, takewhile
from threading import Lock
from typing import Any

import numpy as np
from cachetools import LRUCache, cached
from PIL import (  # noqa: F401 -- registers the supported formats; otherwise, Pillow imports the code of all formats
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    ImageCms,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from PIL import Image as pillow

from probing_core.errors import BadImage

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Pillow names of the supported formats."""

MAX_PIXELS = 64_000_000
MAX_FRAMES = 1000

MAX_PARTS = 100_000
"""Maximum number of PNG chunks, GIF blocks, or JPEG segments before the pixels. A large file could contain millions."""

MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")
"""Pattern of JPEG segment markers. It does not match within scans, where FF is followed by 00 or D0 to D7 (restart)."""

START_OF_SCAN = 0xDA
"""JPEG marker before the coded pixels (ITU-T T.81, table B.1)."""

END_OF_IMAGE = 0xD9
"""JPEG marker after the last scan."""

TEMPORARY_MARKER = 0x01
"""JPEG marker for temporary private use. It is not followed by a segment length."""

READABLE = "JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF"
SAVE_AGAIN = "save it as JPEG or PNG and try again"

# Pillow warns about unusual metadata, which is harmless, and about large sizes, which are rejected below. The filters
# are global because changing them around each call is not thread-safe.
warnings.filterwarnings("ignore", module=r"PIL\.")


def open_header(data: bytes, name: str) -> pillow.Image:
    """Open an image and check its header, without decoding pixels.

    Raises:
        BadImage: the header is invalid, the format is not supported, or a limit is exceeded.
    """
    if next(islice(_parts(data), MAX_PARTS, None), None) is not None:
        raise BadImage(f"{name} consists of more than {MAX_PARTS:,} parts; {SAVE_AGAIN}.")
    try:
        opened = pillow.open(io.BytesIO(data), formats=FORMATS)
    except pillow.DecompressionBombError:
        raise BadImage(f"{name} declares a size {_too_large()}") from None
    except Exception:  # many kinds: UnidentifiedImageError, struct.error, OverflowError, ...
        raise BadImage(f"{name} {_what_arrived(data)}") from None
    width, height = opened.size
    if width * height > MAX_PIXELS:
        raise BadImage(f"{name} declares a size of {width} x {height} pixels, {_too_large()}")
    if width < 1 or height < 1:
        raise BadImage(f"{name} declares a size of {width} x {height} pixels, but the minimum is 1 x 1.")
    return opened


def format_of(opened: pillow.Image) -> str:
    """Return the file format (one of `FORMATS`).

    Multi-picture JPEG files, which Pillow reports as MPO, are treated as JPEG.
    """
    return "JPEG" if opened.format == "MPO" else str(opened.format)


def is_damaged(opened: pillow.Image, data: bytes) -> bool:
    """Return whether a JPEG or PNG file is truncated, or a PNG checksum is wrong.

    Pixels are not decoded. Other formats are not checked.
    """
    if format_of(opened) == "JPEG":
        # The end marker must follow the start of the last scan. A video or other data may follow the image.
        return data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda") and END_OF_IMAGE not in _segments(data)
    return opened.format == "PNG" and not _checksums_hold(data)


def _checksums_hold(png: bytes) -> bool:
    """Return whether all chunks up to ``IEND`` have a correct CRC. Pillow does not check pixel chunks."""
    for chunk in _chunks(png):
        if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:]):
            return False
        if chunk[4:8] == b"IEND":
            return True
    return False


def _parts(data: bytes) -> Iterator[object]:
    """Yield the parts of a file that Pillow reads one by one before decoding."""
    if data.startswith(b"\x89PNG"):
        return _chunks(data)
    if data.startswith(b"GIF8"):
        return _blocks(data)
    return takewhile(lambda marker: marker != START_OF_SCAN, _segments(data) if data.startswith(b"\xff\xd8") else ())


def _chunks(png: bytes) -> Iterator[memoryview]:
    """Yield each PNG chunk: length, type, data and CRC (W3C PNG, section 5.3). The last chunk may be truncated."""
    remaining = memoryview(png)[8:]
    while remaining:
        yield remaining[: (size := 12 + int.from_bytes(remaining[:4]))]
        remaining = remaining[size:]


def _blocks(gif: bytes) -> Iterator[int]:
    """Yield the position of each GIF extension and frame (GIF89a, sections 20 to 26)."""
    place = 13 + _palette(gif, 10)
    while gif[place : place + 1] in (b"!", b","):
        yield place
        place += 2 if gif[place] == ord("!") else 11 + _palette(gif, place + 9)
        while size := int.from_bytes(gif[place : place + 1]):
            place += 1 + size
        place += 1


def _palette(gif: bytes, flags: int) -> int:
    packed = int.from_bytes(gif[flags : flags + 1])
    return 3 * 2 ** (packed % 8 + 1) if packed & 0x80 else 0


def _segments(jpeg: bytes) -> Iterator[int]:
    place = 2
    while match := MARKER.search(jpeg, place):
        marker, place = match[1][0], match.end()
        yield marker
        if marker == END_OF_IMAGE:
            return
        place += 0 if marker == TEMPORARY_MARKER else int.from_bytes(jpeg[place : place + 2])


SEVERAL = {"TIFF": "pages", "MPO": "images"}
"""Format -> plural noun for the images in a file. For all other formats, it is "frames"."""


def frame_notes(opened: pillow.Image, data: bytes, name: str) -> list[str]:
    """Return notes about a file with several images, of which only the first is decoded.

    Raises:
        BadImage: the file contains more than `MAX_FRAMES` images.
    """
    if opened.format == "TIFF" and _has_page(data, MAX_FRAMES):
        raise BadImage(f"{name} has more than {MAX_FRAMES} pages. Save the required page as a separate file.")
    try:
        frames = getattr(opened, "n_frames", 1)
    except Exception:  # a later frame is corrupted; only the first one is read
        return ["animated: only the first frame is used; a later frame is corrupted"]
    if frames > MAX_FRAMES:
        raise BadImage(f"{name} has {frames} frames, over the limit of {MAX_FRAMES}. Save one frame separately.")
    if frames == 1:
        return []
    if opened.format in SEVERAL:
        return [f"only the first of {frames} {SEVERAL[opened.format]} is used"]
    return [f"animated: only the first of {frames} frames is used"]


def _has_page(tiff: bytes, page: int) -> bool:
    # Pillow would read all pages to count them.
    try:
        pillow.open(io.BytesIO(tiff), formats=("TIFF",)).seek(page)
    except Exception:  # EOFError, or any error caused by a corrupted page
        return False
    return True


def _too_large() -> str:
    return f"over the limit of {MAX_PIXELS // 1_000_000} million pixels. Use a smaller copy."


READ_SIGNATURES = (
    (0, b"\xff\xd8\xff", "a JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG"),
    (0, b"GIF8", "a GIF"),
    (0, b"BM", "a BMP"),
    (0, b"II*\x00", "a TIFF"),
    (0, b"MM\x00*", "a TIFF"),
    (8, b"WEBP", "a WebP"),
    (8, b"avif", "an AVIF"),
)
OTHER_SIGNATURES = (
    (8, b"heic", "a HEIC image"),
    (8, b"heix", "a HEIC image"),
    (8, b"mif1", "a HEIF image"),
    (4, b"jP  ", "a JPEG 2000 image"),
    (4, b"ftyp", "a video"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive or an office document"),
)


def _what_arrived(data: bytes) -> str:
    for offset, signature, kind in READ_SIGNATURES:
        if data.startswith(signature, offset):
            return f"begins like {kind}, but its header is corrupted, truncated or unsupported; {SAVE_AGAIN}."
    for offset, signature, kind in OTHER_SIGNATURES:
        if data.startswith(signature, offset):
            return f"is {kind}, which is not supported. Expected {READABLE}; {SAVE_AGAIN}."
    start = data[:4000].lower()
    if b"<svg" in start:
        return "is an SVG drawing, which has no pixels. Export it as PNG and try again."
    what = "text, not an image" if _is_text(start) else "not an image in a known format"
    return f"is {what}, regardless of its name. Expected {READABLE}."


def _is_text(start: bytes) -> bool:
    try:
        codecs.utf_8_decode(start)  # the last character may be truncated
    except UnicodeDecodeError:
        return False
    return b"\x00" not in start


def printable(name: str) -> str:
    """Replace non-printable characters in a file name with question marks, and shorten long names."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in name)
    return clean if len(clean) <= 120 else f"{clean[:80]}...{clean[-30:]}"


# fmt: off
LUMINANCE_TABLE = np.array([
    16, 11, 10, 16,  24,  40,  51,  61,
    12, 12, 14, 19,  26,  58,  60,  55,
    14, 13, 16, 24,  40,  57,  69,  56,
    14, 17, 22, 29,  51,  87,  80,  62,
    18, 22, 37, 56,  68, 109, 103,  77,
    24, 35, 55, 64,  81, 104, 113,  92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103,  99,
])
# fmt: on
"""Luminance quantization table (ITU-T T.81, table K.1), which libjpeg scales according to the quality."""


def jpeg_quality(opened: pillow.Image) -> int | None:
    """Estimate the JPEG quality, from 1 to 100, or return None for other formats.

    The estimate is the libjpeg quality with the most similar luminance table. libjpeg (jcparam.c) scales the standard
    table by ``5000 / q`` percent for a quality ``q`` below 50, and by ``200 - 2 q`` percent otherwise. The estimate is
    exact for files written by libjpeg.
    """
    tables = getattr(opened, "quantization", None) or {}
    if 0 not in tables:
        return None
    quality = np.arange(1, 101)
    percent = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    expected = np.clip((LUMINANCE_TABLE[None, :] * percent[:, None] + 50) // 100, 1, 255)
    return int(quality[np.abs(expected - np.asarray(tables[0])).sum(axis=1).argmin()])


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
