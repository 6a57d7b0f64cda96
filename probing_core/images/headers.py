"""Judging a picture by its header and its ends, before anything is decoded."""

from __future__ import annotations

import io
import warnings
import zlib

from PIL import Image as pillow

from probing_core.errors import BadImage

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""What can be read, as Pillow names it."""

MAX_PIXELS = 64_000_000
MAX_FRAMES = 1000

READABLE = "JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF"
SAVE_AGAIN = "save it as JPEG or PNG and try again"

# Pillow warns of odd metadata and of sizes above its own limit; odd metadata does no harm here, and sizes are
# refused below with a sentence. (Changing the filters around each call is not safe in threads.)
warnings.filterwarnings("ignore", module=r"PIL\.")


def open_header(data: bytes, name: str) -> pillow.Image:
    """The picture with its header read and judged, its pixels not yet decoded.

    Raises:
        BadImage: it is none of `FORMATS`, or is over a limit.
    """
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
        raise BadImage(f"{name} states a size of {width} x {height} pixels; a picture has at least one pixel each way.")
    return opened


def format_of(opened: pillow.Image) -> str:
    """One of `FORMATS`: Pillow calls a JPEG file that holds several pictures MPO."""
    return "JPEG" if opened.format == "MPO" else str(opened.format)


def is_damaged(opened: pillow.Image, data: bytes) -> bool:
    """Whether a file is cut off, or a PNG changed, as far as that shows without decoding."""
    if format_of(opened) == "JPEG":  # a scan has no marker inside, so an end must follow the start of the last one
        return data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")
    return opened.format == "PNG" and not _checksums_hold(data)


def _checksums_hold(png: bytes) -> bool:
    """Whether every chunk up to the last has its CRC. Pillow does not check those of the pixels."""
    place = 8
    while place < len(png):
        kind = png[place + 4 : place + 8]
        end = place + 8 + int.from_bytes(png[place : place + 4])
        if zlib.crc32(png[place + 4 : end]) != int.from_bytes(png[end : end + 4]):
            return False
        if kind == b"IEND":
            return True
        place = end + 4
    return False


SEVERAL = {"TIFF": "pages", "MPO": "pictures"}
"""What several pictures in one file are called; frames of an animation elsewhere."""


def frame_notes(opened: pillow.Image, name: str) -> list[str]:
    """Notes on a file of several pictures, of which the first is read.

    Raises:
        BadImage: there are more than `MAX_FRAMES`.
    """
    try:
        frames = getattr(opened, "n_frames", 1)
    except Exception:  # a later frame is damaged; the first one is what is read
        return ["animated: the first frame; a later one is damaged"]
    if frames > MAX_FRAMES:
        raise BadImage(f"{name} has {frames} frames, over the limit of {MAX_FRAMES}; save the frame that you mean.")
    if frames == 1:
        return []
    if opened.format in SEVERAL:
        return [f"the first of {frames} {SEVERAL[opened.format]}"]
    return [f"animated: the first of {frames} frames"]


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


def printable(name: str) -> str:
    """A file's name as data: no control characters, no line breaks, no endless names."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in name)
    return clean if len(clean) <= 120 else f"{clean[:80]}...{clean[-30:]}"
