"""Bytes or a file -> image, safely. The only decoder of the project.

Pictures from outside are hostile until they went through here: only seven decoders are on, chosen by content
and never by the file's name; bytes, pixels and frames are limited, and a header is judged before anything is
decoded. What comes out is always 8-bit RGB in sRGB, upright and opaque. What had to be changed for that, and
what already degrades the picture, is told in `Picture.notes`.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image as pillow
from PIL import ImageCms

from probing_core.errors import BadImage, one_line

Image: TypeAlias = np.ndarray
"""``uint8`` array (H, W, 3), RGB, sRGB."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""What can be read, as Pillow names it."""

MAX_BYTES = 50_000_000
MAX_PIXELS = 64_000_000
MAX_FRAMES = 1000

SMALL_SIDE = 128
"""Pictures whose shorter side is below this are called small: the default view has to magnify them."""

LOW_QUALITY = 70
"""JPEG qualities below this are told, since the compression is already visible."""

READABLE = "JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF"
SAVE_AGAIN = "save it as JPEG or PNG and try again"

# Pillow warns of odd metadata and of sizes above its own limit; odd metadata does no harm here, and sizes are
# refused below with a sentence. (Changing the filters around each call is not safe in threads.)
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True)
class Picture:
    """A decoded picture and what is worth telling about it.

    Attributes:
        name: what messages call it; a file's name without its folder.
        image: (H, W, 3) ``uint8``, upright.
        format: one of `FORMATS`.
        size_bytes: length of the encoded picture.
        jpeg_quality: estimate from the quantization table, 1 to 100; None unless a JPEG.
        notes: one phrase for each thing that was changed in reading, or that already degrades the picture.
    """

    name: str
    image: Image = field(repr=False, compare=False)
    format: str
    size_bytes: int
    jpeg_quality: int | None
    notes: tuple[str, ...]

    @property
    def width(self) -> int:
        return int(self.image.shape[1])

    @property
    def height(self) -> int:
        return int(self.image.shape[0])


def read_image(source: bytes | Path, name: str | None = None) -> Image:
    """The picture in ``source`` as (H, W, 3) ``uint8``, RGB, sRGB, upright, opaque (on white).

    Args:
        source: the encoded bytes, or the path of a file.
        name: what messages call it; by default the file's name.

    Raises:
        BadImage: it is no picture of `FORMATS`, is damaged, or is over a limit.
    """
    return inspect(source, name).image


def inspect(source: bytes | Path, name: str | None = None) -> Picture:
    """As `read_image`, with the facts about the picture.

    Raises:
        BadImage: it is no picture of `FORMATS`, is damaged, or is over a limit.
    """
    data, name = _read(source, name)
    opened = _open(data, name)
    notes = _frame_notes(opened, name)
    bits, quality = _bits(opened), _jpeg_quality(opened)
    try:
        opened.load()
        image = np.array(_upright(_to_rgb(opened, name, notes), opened, notes))
    except BadImage:
        raise
    except Exception as error:  # decoders of hostile bytes fail in many ways; all of them mean the same here
        raise BadImage(_damaged(opened, name, one_line(error))) from None
    if bits > 8:
        notes.append(f"{bits} bits a channel were reduced to 8")
    if quality is not None and quality < LOW_QUALITY:
        notes.append(f"JPEG of about quality {quality}: compression is already visible")
    if min(image.shape[:2]) < SMALL_SIDE:
        notes.append(f"small: {image.shape[1]} x {image.shape[0]} pixels")
    return Picture(name, image, _format(opened), len(data), quality, tuple(notes))


def check(data: bytes, name: str) -> None:
    """Refuses what can be refused without decoding: kind, header, limits, and a file whose end is missing.

    A picture that passes may still turn out to be damaged when it is read.

    Raises:
        BadImage: as `read_image`.
    """
    data, name = _read(data, name)
    opened = _open(data, name)
    _frame_notes(opened, name)
    if _ends_early(_format(opened), data):
        raise BadImage(_damaged(opened, name, "its end is missing"))


def read_bytes(path: Path, name: str | None = None) -> bytes:
    """The content of a picture's file, at most `MAX_BYTES` of it and not yet judged.

    Raises:
        BadImage: there is no such file, it is none, it is empty or too large.
    """
    name = _printable(name or path.name or str(path))
    try:
        if path.is_dir():
            raise BadImage(f"{name} is a folder; expected the file of a picture ({READABLE}).")
        if path.exists() and not path.is_file():  # a pipe or a device could keep its reader waiting forever
            raise BadImage(f"{name} is not a regular file; expected the file of a picture ({READABLE}).")
        with path.open("rb") as file:
            return _limit(file.read(MAX_BYTES + 1), name)
    except FileNotFoundError:
        raise BadImage(f"There is no file {name}; check the spelling and the folder.") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise BadImage(f"{name} cannot be opened ({one_line(error)}); check the file and its permissions.") from None


def encode_png(image: Image) -> bytes:
    """``image`` as PNG, lossless."""
    return _encode(image, "PNG")


def encode_jpeg(image: Image, quality: int = 90) -> bytes:
    """``image`` as JPEG, colors at full resolution (4:4:4)."""
    return _encode(image, "JPEG", quality=quality, subsampling=0)


def encode_webp(image: Image, quality: int = 90) -> bytes:
    """``image`` as lossy WebP."""
    return _encode(image, "WEBP", quality=quality)


def _encode(image: Image, format: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    pillow.fromarray(image).save(buffer, format, **options)
    return buffer.getvalue()


# --- bytes and names -------------------------------------------------------------------------------------


def _read(source: bytes | Path, name: str | None) -> tuple[bytes, str]:
    """The bytes of ``source`` and a name that is safe in a message."""
    if isinstance(source, bytes):
        return _limit(source, _printable(name or "The picture")), _printable(name or "The picture")
    return read_bytes(source, name), _printable(name or source.name or str(source))


def _limit(data: bytes, name: str) -> bytes:
    if len(data) > MAX_BYTES:
        raise BadImage(f"{name} is over the limit of {MAX_BYTES // 1_000_000} MB; send a smaller copy.")
    if not data:
        raise BadImage(f"{name} is empty (0 bytes); expected a picture ({READABLE}).")
    return data


def _printable(name: str) -> str:
    """A file's name as data: no control characters, no line breaks, no endless names."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in name)
    return clean if len(clean) <= 120 else f"{clean[:80]}...{clean[-30:]}"


# --- the header -----------------------------------------------------------------------------------------------


def _open(data: bytes, name: str) -> pillow.Image:
    """The picture with its header read and judged, its pixels not yet decoded."""
    try:
        opened = pillow.open(io.BytesIO(data), formats=FORMATS)
    except pillow.DecompressionBombError:
        raise BadImage(f"{name} states a size {_too_large()}") from None
    except Exception:  # many kinds: UnidentifiedImageError, struct.error, OverflowError, ...
        raise BadImage(f"{name} {_what_arrived(data)}") from None
    width, height = opened.size
    if width * height > MAX_PIXELS:
        raise BadImage(f"{name} states a size of {width} x {height} pixels, {_too_large()}")
    if width < 1 or height < 1:
        raise BadImage(f"{name} states a size of {width} x {height} pixels; there is nothing to look at.")
    return opened


def _ends_early(format: str, data: bytes) -> bool:
    """Whether the end that the format prescribes is missing, where that is cheap to tell."""
    if format == "JPEG":  # a scan has no marker inside, so an end must follow the start of the last one
        return data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")
    if format == "PNG":
        return b"IEND" not in data
    return format == "WEBP" and int.from_bytes(data[4:8], "little") + 8 > len(data)


def _damaged(opened: pillow.Image, name: str, how: str) -> str:
    return (
        f"{name} is a {_format(opened)} of {opened.width} x {opened.height} pixels whose data is damaged or cut off "
        f"({how}); send the complete file, or {SAVE_AGAIN}."
    )


def _too_large() -> str:
    return f"over the limit of {MAX_PIXELS // 1_000_000} million pixels; send a smaller copy."


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
    (8, b"heic", "a HEIC picture"),
    (8, b"heix", "a HEIC picture"),
    (8, b"mif1", "a HEIF picture"),
    (4, b"jP  ", "a JPEG 2000 picture"),
    (4, b"ftyp", "a film"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive or an office document"),
)


def _what_arrived(data: bytes) -> str:
    """The rest of the sentence about bytes that no decoder takes: what they are, and what to do."""
    for offset, signature, kind in READ_SIGNATURES:
        if data.startswith(signature, offset):
            return (
                f"begins like {kind}, but its header is damaged, cut off, states no size, or "
                f"is of a variety that is not read; {SAVE_AGAIN}."
            )
    for offset, signature, kind in OTHER_SIGNATURES:
        if data.startswith(signature, offset):
            return f"is {kind}, which is not read; expected {READABLE}; {SAVE_AGAIN}."
    start = data[:4000].lower()
    if b"<svg" in start:
        return "is an SVG drawing, which has no pixels; export it as PNG and try again."
    what = "text, not a picture" if _is_text(start) else "not a picture of a kind that is known"
    return f"is {what}, whatever its name says; expected {READABLE}."


def _is_text(start: bytes) -> bool:
    try:
        return b"\x00" not in start and bool(start[:-4].decode("utf-8-sig") or start)
    except UnicodeDecodeError:
        return False


# --- from what the decoder gives to 8-bit RGB -----------------------------------------------------------------

SEVERAL = {"TIFF": "pages", "MPO": "pictures"}
"""What several pictures in one file are called; frames of an animation elsewhere."""

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


def _format(opened: pillow.Image) -> str:
    """One of `FORMATS`: Pillow calls a JPEG file that holds several pictures MPO."""
    return "JPEG" if opened.format == "MPO" else str(opened.format)


def _frame_notes(opened: pillow.Image, name: str) -> list[str]:
    try:
        frames = getattr(opened, "n_frames", 1)
    except Exception:  # a later frame is damaged; the first one is what is read
        frames = 2
        return ["animated: the first frame, a later one is damaged"]
    if frames > MAX_FRAMES:
        raise BadImage(f"{name} has {frames} frames, over the limit of {MAX_FRAMES}; save the frame that you mean.")
    if frames > 1:
        kind = SEVERAL.get(str(opened.format), "frames")
        return [f"animated: the first of {frames} frames" if kind == "frames" else f"the first of {frames} {kind}"]
    return []


def _bits(opened: pillow.Image) -> int:
    """Bits of one sample as stored; only PNG and TIFF files can hold more than 8 that are read."""
    if opened.format == "PNG":
        return 16 if any("16" in str(tile[3]) for tile in getattr(opened, "tile", ())) else 8
    return max(_tiff_tag(opened, 258, (8,)))


def _tiff_tag(opened: pillow.Image, tag: int, default: Any) -> Any:
    return getattr(opened, "tag_v2", {}).get(tag, default)


def _to_rgb(opened: pillow.Image, name: str, notes: list[str]) -> pillow.Image:
    """8-bit RGB in sRGB, opaque, of a decoded picture in any of Pillow's modes."""
    alpha = None
    if opened.has_transparency_data:
        alpha = opened.convert("RGBA").getchannel("A")
        if alpha.getextrema()[0] == 255:
            alpha = None
    colors = _to_srgb(_opaque(opened, name), opened.info.get("icc_profile"), notes)
    if alpha is None:
        return colors
    notes.append("transparency was laid on white")
    white = pillow.new("RGB", colors.size, "white")
    white.paste(colors, mask=alpha)
    return white


def _opaque(opened: pillow.Image, name: str) -> pillow.Image:
    """The colors in one of the modes that color profiles speak of: L, RGB or CMYK, 8 bits each."""
    mode = opened.mode
    if mode.startswith("I;16"):
        samples = np.asarray(opened).astype(np.uint16)
        if _tiff_tag(opened, 262, 1) == 0:  # white is zero; Pillow minds it in 8 bits only
            samples = 65535 - samples
        return pillow.fromarray((samples >> 8).astype(np.uint8))
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
    """The colors in sRGB; as they stand, and said so, where the profile cannot be used."""
    if not profile:
        return colors.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        name = _printable(ImageCms.getProfileDescription(source).strip())
        if "sRGB" in name:
            return colors.convert("RGB")
        if colors.mode == "L" and source.profile.xcolor_space.strip() == "RGB":
            colors = colors.convert("RGB")
        converted = ImageCms.profileToProfile(colors, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, ImportError, OSError, ValueError, TypeError):
        notes.append("its color profile cannot be used: colors were read as sRGB")
        return colors.convert("RGB")
    notes.append(f"colors were converted from the profile '{name}' to sRGB")
    return converted or colors


def _upright(colors: pillow.Image, opened: pillow.Image, notes: list[str]) -> pillow.Image:
    """``colors`` turned as the camera noted (Pillow itself turns TIFF)."""
    try:
        orientation = opened.getexif().get(274, 1)
    except Exception:  # damaged metadata says nothing about the pixels
        return colors
    if orientation not in TRANSPOSE:
        return colors
    notes.append("turned upright as its EXIF orientation says")
    return colors.transpose(TRANSPOSE[orientation])


# --- what already degrades a picture --------------------------------------------------------------------------

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
"""ITU-T T.81, table K.1: what libjpeg scales by the quality."""


def quality_of_table(table: list[int]) -> int:
    """The libjpeg quality, 1 to 100, whose luminance table is closest to ``table`` (64 numbers, row by row).

    libjpeg's rule (jcparam.c): the standard table times ``5000 / q`` percent below 50, ``200 - 2 q`` from there.
    Exact for libjpeg's own files, an estimate for those of other encoders.
    """
    quality = np.arange(1, 101)
    percent = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    tables = np.clip((LUMINANCE_TABLE[None, :] * percent[:, None] + 50) // 100, 1, 255)
    return int(quality[np.abs(tables - np.asarray(table)).sum(axis=1).argmin()])


def _jpeg_quality(opened: pillow.Image) -> int | None:
    tables = getattr(opened, "quantization", None)
    return quality_of_table(tables[0]) if _format(opened) == "JPEG" and tables and 0 in tables else None
