"""Images stored with every mode, bit depth, color profile and orientation, and the pixels that they show.

Files and color profiles are written byte by byte, because Pillow cannot write all of them. The expected pixels are
computed with NumPy from the definitions.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image as pillow

# --- color profiles (ICC.1:2010, sections 7 to 10) --------------------------------------------------------------

SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
DISPLAY_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
"""XYZ of red, green and blue, adapted to D50."""

D50 = (0.96420, 1.0, 0.82491)

ADOBE_GAMMA = 563 / 256

INKS = np.array([(-25, -30, -20), (-30, 45, -5), (-5, -15, 25), (-40, 0, 0)])
"""Change of Lab by full cyan, magenta, yellow and black. Every interpolation preserves this affine model.

All inks together are neutral black, the black of sRGB.
"""


def srgb_to_linear(values: np.ndarray) -> np.ndarray:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(values: np.ndarray) -> np.ndarray:
    values = np.clip(values, 0, 1)
    return np.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055)


def fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def gamma_curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))


LINEAR_CURVE = b"curv" + bytes(4) + struct.pack(">I", 0)
SRGB_CURVE = b"para" + bytes(4) + struct.pack(">HH", 3, 0) + fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def icc(space: bytes, connection: bytes, name: str, **tags: bytes) -> bytes:
    """Write an input profile (class ``scnr``) with the data color space ``space``."""
    text = name.encode() + b"\0"
    described = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)
    contents = {"desc": described, "wtpt": b"XYZ " + bytes(4) + fixed(*D50)} | tags
    table, data = b"", b""
    for signature, content in contents.items():
        table += struct.pack(">4sII", signature.encode(), 132 + 12 * len(contents) + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    body = struct.pack(">I", len(contents)) + table + data
    header = struct.pack(">I4sI4s4s4s", 128 + len(body), bytes(4), 0x02400000, b"scnr", space, connection)
    header += bytes(12) + b"acsp" + bytes(28) + fixed(*D50)
    return header.ljust(128, b"\0") + body


def rgb_profile(name: str, colorants: tuple[tuple[float, float, float], ...], curve: bytes) -> bytes:
    tags = {f"{letter}XYZ": b"XYZ " + bytes(4) + fixed(*xyz) for letter, xyz in zip("rgb", colorants, strict=True)}
    return icc(b"RGB ", b"XYZ ", name, **tags, **{f"{letter}TRC": curve for letter in "rgb"})


def cmyk_profile(name: str) -> bytes:
    corners = np.stack(np.meshgrid(*[[0, 1]] * 4, indexing="ij"), axis=-1).reshape(16, 4)
    encoded = (lab_of_inks(corners) + np.array((0, 128, 128))) * [65280 / 100, 256, 256]  # ICC.1:2001, 16-bit Lab
    identity = fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    table = b"mft2" + bytes(4) + struct.pack(">4B", 4, 3, 2, 0) + identity + struct.pack(">HH", 2, 2)
    line = struct.pack(">HH", 0, 65535)
    grid = np.rint(encoded).clip(0, 65535).astype(">u2").tobytes()
    return icc(b"CMYK", b"Lab ", name, A2B0=table + 4 * line + grid + 3 * line)


def lab_of_inks(inks: np.ndarray) -> np.ndarray:
    return np.array((100.0, 0, 0)) + inks @ INKS


def lab_to_srgb(lab: np.ndarray) -> np.ndarray:
    """Convert CIE Lab (D50) to sRGB values from 0 to 1."""
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    return xyz_to_srgb(np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * D50)


def xyz_to_srgb(xyz: np.ndarray) -> np.ndarray:
    return linear_to_srgb(xyz @ np.linalg.inv(np.array(SRGB)))


def in_space(
    colorants: tuple[tuple[float, float, float], ...], to_linear: Callable[[np.ndarray], np.ndarray]
) -> Callable[[np.ndarray], np.ndarray]:
    return lambda values: xyz_to_srgb(to_linear(values) @ np.array(colorants))


@dataclass(frozen=True)
class Profile:
    """A color profile: its bytes, and the conversion of values from 0 to 1 to sRGB."""

    name: str
    data: bytes
    to_srgb: Callable[[np.ndarray], np.ndarray]


RGB_PROFILES = (
    # The names of the first three say the opposite of what the profiles do.
    Profile("Linear sRGB", rgb_profile("Linear sRGB", SRGB, LINEAR_CURVE), in_space(SRGB, lambda v: v)),
    Profile("sRGB wide", rgb_profile("sRGB wide", DISPLAY_P3, SRGB_CURVE), in_space(DISPLAY_P3, srgb_to_linear)),
    Profile("Camera 7", rgb_profile("Camera 7", SRGB, SRGB_CURVE), lambda v: v),
    Profile("Display P3", rgb_profile("Display P3", DISPLAY_P3, SRGB_CURVE), in_space(DISPLAY_P3, srgb_to_linear)),
    Profile(
        "Adobe RGB (1998)",
        rgb_profile("Adobe RGB (1998)", ADOBE_RGB, gamma_curve(ADOBE_GAMMA)),
        in_space(ADOBE_RGB, lambda v: v**ADOBE_GAMMA),
    ),
)
GRAY_PROFILES = (
    Profile("sRGB gray", icc(b"GRAY", b"XYZ ", "sRGB gray", kTRC=LINEAR_CURVE), linear_to_srgb),
    Profile("Dot gain", icc(b"GRAY", b"XYZ ", "Dot gain", kTRC=SRGB_CURVE), lambda v: v),
    Profile("Gamma 1.5", icc(b"GRAY", b"XYZ ", "Gamma 1.5", kTRC=gamma_curve(1.5)), lambda v: linear_to_srgb(v**1.5)),
)
CMYK_PROFILES = (Profile("sRGB inks", cmyk_profile("sRGB inks"), lambda v: lab_to_srgb(lab_of_inks(v))),)

# --- files ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layout:
    """Channels of a stored image.

    Attributes:
        mode: Pillow mode of an 8-bit image with these channels.
        bits: bits per channel.
        inverted: whether zero is white.
    """

    mode: str
    bits: int = 8
    inverted: bool = False

    @property
    def channels(self) -> int:
        return len(pillow.new(self.mode, (1, 1)).getbands())


GRAY, GRAY_16, RGB, RGB_16 = Layout("L"), Layout("L", 16), Layout("RGB"), Layout("RGB", 16)
GRAY_ALPHA, GRAY_ALPHA_16, RGBA, RGBA_16 = Layout("LA"), Layout("LA", 16), Layout("RGBA"), Layout("RGBA", 16)
CMYK, CMYK_16, LAB, PALETTE = Layout("CMYK"), Layout("CMYK", 16), Layout("LAB"), Layout("P")
WHITE_IS_ZERO = Layout("L", inverted=True)

LAYOUTS = {
    "PNG": (GRAY, GRAY_16, RGB, RGB_16, GRAY_ALPHA, GRAY_ALPHA_16, RGBA, RGBA_16, PALETTE),
    "TIFF": (GRAY, GRAY_16, WHITE_IS_ZERO, RGB, RGB_16, RGBA, RGBA_16, CMYK, CMYK_16, LAB),
    "TIFF, big-endian": (GRAY, GRAY_16, RGB, RGB_16, RGBA_16, CMYK, CMYK_16, LAB),
    "TIFF, compressed": (GRAY, GRAY_16, RGB, RGB_16, RGBA, CMYK, LAB),
    "JPEG": (GRAY, RGB, CMYK),
    "WEBP": (RGB, RGBA),
    "AVIF": (RGB, RGBA),
}


def profiles_for(layout: Layout) -> tuple[Profile, ...]:
    return {
        "L": (*GRAY_PROFILES, *RGB_PROFILES),
        "LA": (*GRAY_PROFILES, *RGB_PROFILES) if layout.bits == 8 else RGB_PROFILES,  # Pillow reads LA;16 as RGBA
        "CMYK": CMYK_PROFILES,
        "LAB": (),
    }.get(layout.mode, RGB_PROFILES)


PALETTE_COLORS = np.random.default_rng(0).integers(0, 256, (16, 3), dtype=np.uint8)


def drawn(layout: Layout, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Draw random values (H, W, C)."""
    most = len(PALETTE_COLORS) if layout.mode == "P" else 1 << layout.bits
    return rng.integers(0, most, (height, width, layout.channels)).astype(np.uint8 if layout.bits == 8 else np.uint16)


def encoded(container: str, layout: Layout, values: np.ndarray, profile: bytes, orientation: int) -> bytes:
    """Encode the values (H, W, C) with a color profile (or none, if empty) and an orientation (or none, if 0)."""
    format, _, variant = container.partition(", ")
    if format == "PNG":
        return _png(layout, values, profile, orientation)
    if format == "TIFF":
        return _tiff(layout, values, profile, orientation, variant)
    exif = pillow.Exif()
    if orientation:
        exif[274] = orientation
    options = {"lossless": True} if format == "WEBP" else {"quality": 100, "subsampling": "4:4:4"}
    image, buffer = pillow.fromarray(values.squeeze(), layout.mode), io.BytesIO()
    image.save(buffer, format, icc_profile=profile or None, exif=exif, **options)
    return buffer.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png(layout: Layout, values: np.ndarray, profile: bytes, orientation: int) -> bytes:
    height, width = values.shape[:2]
    color_type = {"L": 0, "RGB": 2, "P": 3, "LA": 4, "RGBA": 6}[layout.mode]
    chunks = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, layout.bits, color_type, 0, 0, 0))]
    if profile:
        chunks.append(chunk(b"iCCP", b"profile\0\0" + zlib.compress(profile)))
    if orientation:
        chunks.append(
            chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHH", 274, 3, 1, orientation, 0) + bytes(4))
        )
    if layout.mode == "P":
        chunks.append(chunk(b"PLTE", PALETTE_COLORS.tobytes()))
    rows = b"".join(b"\0" + row.astype(f">u{layout.bits // 8}").tobytes() for row in values)
    return b"".join([b"\x89PNG\r\n\x1a\n", *chunks, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")])


def _tiff(layout: Layout, values: np.ndarray, profile: bytes, orientation: int, variant: str) -> bytes:
    order = ">" if variant == "big-endian" else "<"
    (height, width, channels), compressed = values.shape, variant == "compressed"
    pixels = values.astype(f"{order}u{layout.bits // 8}").tobytes()
    pixels = zlib.compress(pixels) if compressed else pixels
    photometric = {"L": 0 if layout.inverted else 1, "RGB": 2, "RGBA": 2, "CMYK": 5, "LAB": 8}[layout.mode]
    short, long, undefined = "H", "I", "B"
    fields = {
        256: (long, [width]),
        257: (long, [height]),
        258: (short, [layout.bits] * channels),
        259: (short, [8 if compressed else 1]),
        262: (short, [photometric]),
        273: (long, [8]),
        274: (short, [orientation or 1]),
        277: (short, [channels]),
        278: (long, [height]),
        279: (long, [len(pixels)]),
        338: (short, [2] if layout.mode == "RGBA" else []),
        34675: (undefined, list(profile)),
    }
    fields = {tag: field for tag, field in fields.items() if field[1] and (tag != 274 or orientation)}
    start = 8 + len(pixels) + len(pixels) % 2
    extra_at, entries, extra = start + 2 + 12 * len(fields) + 4, b"", b""
    for tag, (kind, numbers) in fields.items():
        content = struct.pack(f"{order}{len(numbers)}{kind}", *numbers)
        code = {short: 3, long: 4, undefined: 7}[kind]
        if len(content) > 4:
            place = struct.pack(f"{order}I", extra_at + len(extra))
            extra += content + bytes(len(content) % 2)
        else:
            place = content.ljust(4, b"\0")
        entries += struct.pack(f"{order}HHI", tag, code, len(numbers)) + place
    head = (b"MM\0*" if order == ">" else b"II*\0") + struct.pack(f"{order}I", start)
    directory = struct.pack(f"{order}H", len(fields)) + entries + bytes(4)
    return head + pixels.ljust(start - 8, b"\0") + directory + extra


# --- expected pixels --------------------------------------------------------------------------------------------


def expected(layout: Layout, values: np.ndarray, profile: Profile | None, orientation: int) -> np.ndarray:
    """Compute the pixels (H, W, 3), from 0 to 255 and not rounded, that an image shows on white."""
    if layout.inverted:
        values = np.iinfo(values.dtype).max - values
    channels, alpha = values, None
    if layout.mode in ("LA", "RGBA"):
        channels, alpha = values[..., :-1], _eighth(values[..., -1:]) / 255
    colors = 255 * _colors(layout, channels, profile)
    if alpha is not None:
        colors = np.rint(colors) * alpha + 255 * (1 - alpha)
    return _upright(np.broadcast_to(colors, (*colors.shape[:2], 3)), orientation)


def _eighth(values: np.ndarray) -> np.ndarray:
    """Reduce 16-bit values to their upper 8 bits, as Pillow does when it reads colors."""
    return values >> 8 if values.dtype == np.uint16 else values


def _colors(layout: Layout, values: np.ndarray, profile: Profile | None) -> np.ndarray:
    if layout == GRAY_16 and profile in GRAY_PROFILES and profile.to_srgb(np.array(0.5)) != 0.5:
        return profile.to_srgb(values / 65535)
    unit = _eighth(values) / 255
    if layout.mode == "LAB":
        a_b = values[..., 1:].astype(np.int8)
        return lab_to_srgb(np.concatenate([values[..., :1] / 2.55, a_b], axis=-1))
    if layout.mode == "P":
        unit = PALETTE_COLORS[values[..., 0]] / 255
    if profile in RGB_PROFILES:
        unit = np.broadcast_to(unit, (*unit.shape[:2], 3))
    if profile is not None:
        return profile.to_srgb(unit)
    return (1 - unit[..., :3]) * (1 - unit[..., 3:]) if layout.mode == "CMYK" else unit


def _upright(image: np.ndarray, orientation: int) -> np.ndarray:
    turned = image.swapaxes(0, 1)
    return {
        2: image[:, ::-1],
        3: image[::-1, ::-1],
        4: image[::-1],
        5: turned,
        6: turned[:, ::-1],
        7: turned[::-1, ::-1],
        8: turned[::-1],
    }.get(orientation, image)
