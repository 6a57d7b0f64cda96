"""Every kind of picture, made here, and every kind of bad file: an image or one sentence, never anything else."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from PIL import Image as pillow

from probing_core import images
from probing_core.errors import BadImage
from probing_core.images import to_image
from tests.conftest import scene

# Damaged metadata makes Pillow warn; outside of pytest, which resets the filters, `images` silences that.
pytestmark = pytest.mark.filterwarnings("ignore:::PIL")

LOSSLESS = {"PNG": {}, "WEBP": {"lossless": True}, "BMP": {}, "TIFF": {}}
LOSSY = {"JPEG": {"quality": 95}, "AVIF": {"quality": 95}, "GIF": {}}


def smooth(height: int = 150, width: int = 200) -> np.ndarray:
    """A picture without symmetry that codecs keep well."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, 255 - (x + y) * 255 // (height + width)], axis=2).astype(
        np.uint8
    )


def encoded(picture: pillow.Image | np.ndarray, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    (pillow.fromarray(picture) if isinstance(picture, np.ndarray) else picture).save(buffer, format, **options)
    return buffer.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def made_png(width: int, height: int, rows: bytes, color: int = 2, depth: int = 8, *extra: bytes) -> bytes:
    """A PNG with this header, whatever its rows hold."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def difference(a: np.ndarray, b: np.ndarray) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(float) - b).mean())


# --- kinds ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", images.FORMATS)
def test_every_format_is_read_by_content_whatever_the_name_says(format: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.txt"
    path.write_bytes(encoded(smooth(), format, **(LOSSLESS | LOSSY)[format]))
    picture = images.inspect(path)
    assert (picture.name, picture.width, picture.height) == ("picture.txt", 200, 150)
    assert picture.image.dtype == np.uint8
    assert picture.image.flags.c_contiguous
    assert difference(picture.image, smooth()) <= (0 if format in LOSSLESS else 5)
    assert picture.notes == ()
    assert np.array_equal(images.read_image(path.read_bytes()), picture.image)


def test_other_decoders_of_pillow_stay_off() -> None:
    for format in ("ICO", "PPM", "TGA", "PCX", "JPEG2000"):
        with pytest.raises(BadImage):
            images.read_image(encoded(smooth(), format))


STORED = {
    "PNG": ("1", "L", "P", "LA", "RGBA", "I;16"),
    "JPEG": ("1", "L", "CMYK", "YCbCr"),
    "TIFF": ("1", "L", "P", "LA", "RGBA", "CMYK", "YCbCr", "I;16"),
    "GIF": ("1", "L", "P"),
    "WEBP": ("L", "P", "RGBA"),
    "BMP": ("1", "L", "P"),
    "AVIF": ("L", "LA", "RGBA"),
}


@pytest.mark.parametrize(("format", "mode"), [(format, mode) for format in STORED for mode in STORED[format]])
def test_every_mode_that_a_format_stores(format: str, mode: str) -> None:
    rgb = pillow.fromarray(smooth())
    if mode == "I;16":
        source, expected = pillow.fromarray(np.asarray(rgb.convert("L")).astype(np.uint16) * 257), rgb.convert("L")
    else:
        source = expected = rgb.convert(mode)
    image = images.read_image(encoded(source, format, **(LOSSLESS | LOSSY)[format]))
    assert difference(image, np.asarray(expected.convert("RGB"))) < 6


def test_lab_is_converted() -> None:
    assert images.read_image(encoded(pillow.new("LAB", (200, 150), (255, 128, 128)), "TIFF")).min() > 250


def test_sixteen_bits_are_reduced_and_said() -> None:
    ramp = np.linspace(0, 65535, 200 * 150).reshape(150, 200).astype(np.uint16)
    expected = np.repeat((ramp >> 8).astype(np.uint8)[..., None], 3, axis=2)
    for format in ("PNG", "TIFF"):
        picture = images.inspect(encoded(pillow.fromarray(ramp), format))
        assert np.array_equal(picture.image, expected)
        assert picture.notes == ("16 bits per channel were reduced to 8",)
    color = np.stack([ramp, ramp[::-1], ramp[:, ::-1]], axis=2)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in color)
    picture = images.inspect(made_png(200, 150, rows, 2, 16))
    assert np.array_equal(picture.image, (color >> 8).astype(np.uint8))
    assert picture.notes == ("16 bits per channel were reduced to 8",)


def test_white_is_zero_in_some_tiffs() -> None:
    ramp = np.linspace(0, 65535, 200 * 150).reshape(150, 200).astype(np.uint16)
    data = bytearray(encoded(pillow.fromarray(ramp), "TIFF"))
    entry = data.index(struct.pack("<HHIH", 262, 3, 1, 1))
    data[entry + 8] = 0
    assert np.array_equal(images.read_image(bytes(data))[..., 0], (65535 - ramp) >> 8)


def test_a_transparent_gray_of_16_bits_is_read_without_its_transparency() -> None:
    rows = (b"\0" + np.full(200, 40000, ">u2").tobytes()) * 150
    data = made_png(200, 150, rows, 0, 16, chunk(b"tRNS", struct.pack(">H", 7)))
    assert (images.read_image(data) == 40000 >> 8).all()


@pytest.mark.parametrize("mode", ["I", "F"])
def test_numbers_without_a_known_range_are_refused(mode: str) -> None:
    with pytest.raises(BadImage, match="unknown range"):
        images.read_image(encoded(pillow.new(mode, (200, 150)), "TIFF"))


@pytest.mark.parametrize("format", ["PNG", "WEBP", "AVIF", "TIFF"])
def test_transparency_is_laid_on_white(format: str) -> None:
    alpha = np.zeros((150, 200), np.uint8)
    alpha[:, 100:] = 255
    alpha[:, 50:100] = 128
    data = encoded(
        np.dstack([np.full((150, 200, 3), (200, 40, 0), np.uint8), alpha]),
        format,
        **({"lossless": True} if format == "WEBP" else {"quality": 100} if format == "AVIF" else {}),
    )
    picture = images.inspect(data)
    assert difference(picture.image[:, :45], np.full((150, 45, 3), 255)) < 2
    assert difference(picture.image[:, 105:], np.broadcast_to((200, 40, 0), (150, 95, 3))) < 2
    assert difference(picture.image[:, 55:95], np.broadcast_to((227, 147, 127), (150, 40, 3))) < 2
    assert picture.notes == ("transparency was replaced with white",)


def test_transparency_of_palettes_gray_and_single_colors() -> None:
    palette = pillow.fromarray(smooth()).convert("P", palette=pillow.Palette.ADAPTIVE)
    first = np.asarray(palette) == 0
    for format in ("PNG", "GIF"):
        image = images.read_image(encoded(palette, format, transparency=0))
        assert (image[first] == 255).all()
    gray = pillow.new("LA", (200, 150), (0, 51))
    assert (images.read_image(encoded(gray, "PNG")) == 204).all()
    green = pillow.new("RGB", (200, 150), (0, 255, 0))
    assert (images.read_image(encoded(green, "PNG", transparency=(0, 255, 0))) == 255).all()


def test_an_alpha_channel_that_hides_nothing_is_not_worth_a_note() -> None:
    assert images.inspect(encoded(pillow.fromarray(smooth()).convert("RGBA"), "PNG")).notes == ()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_orientation_is_applied_as_pillow_does_it(orientation: int, format: str) -> None:
    exif = pillow.Exif()
    exif[274] = orientation
    data = encoded(smooth(), format, exif=exif, **(LOSSLESS | LOSSY)[format])
    expected = np.asarray(ImageOps.exif_transpose(pillow.open(io.BytesIO(data))).convert("RGB"))
    assert np.array_equal(images.read_image(data), expected)
    assert expected.shape == ((200, 150, 3) if orientation > 4 else (150, 200, 3))


def test_damaged_exif_does_no_harm() -> None:
    data = encoded(smooth(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12")
    assert images.read_image(data).shape == (150, 200, 3)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "AVIF", "TIFF", "MPO"])
def test_the_first_of_several_pictures_is_read_and_said(format: str) -> None:
    frames = [pillow.fromarray(np.full((150, 200, 3), 80 * i, np.uint8)) for i in range(3)]
    picture = images.inspect(encoded(frames[0], format, save_all=True, append_images=frames[1:]))
    assert (picture.image == 0).all()
    (note,) = [note for note in picture.notes if "first of 3" in note]
    assert note.startswith("animated") == (format not in ("TIFF", "MPO"))


def test_an_animation_that_breaks_later_still_shows_its_first_frame() -> None:
    frames = [pillow.fromarray(smooth()), pillow.fromarray(smooth()[::-1])]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert images.read_image(data[:-300]).shape == (150, 200, 3)


# --- color profiles -------------------------------------------------------------------------------------------


def adobe_rgb() -> bytes:
    """The Adobe RGB profile of a photograph that scikit-image ships."""
    (folder,) = importlib.util.find_spec("skimage").submodule_search_locations
    return pillow.open(Path(folder, "data", "rocket.jpg")).info["icc_profile"]


def adobe_to_srgb(color: tuple[int, int, int]) -> np.ndarray:
    """By the definitions: Adobe RGB (1998) section 4.3, IEC 61966-2-1; both have the white point D65."""
    linear = (np.array(color) / 255) ** 2.19921875
    to_xyz = np.array([[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]])
    to_srgb = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    values = np.clip(to_srgb @ to_xyz @ linear, 0, 1)
    return 255 * np.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("color", [(100, 150, 100), (200, 120, 90), (30, 60, 160), (128, 128, 128)])
def test_colors_of_another_profile_become_srgb(color: tuple[int, int, int]) -> None:
    picture = images.inspect(encoded(pillow.new("RGB", (200, 150), color), "PNG", icc_profile=adobe_rgb()))
    assert difference(picture.image, np.broadcast_to(adobe_to_srgb(color), (150, 200, 3))) < 1.5
    assert picture.notes == ("colors were converted from the profile 'Adobe RGB (1998)' to sRGB",)


def test_a_gray_picture_may_carry_a_color_profile() -> None:
    picture = images.inspect(encoded(pillow.new("L", (200, 150), 128), "PNG", icc_profile=adobe_rgb()))
    assert difference(picture.image, np.broadcast_to(adobe_to_srgb((128, 128, 128)), (150, 200, 3))) < 1.5


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_a_profile_that_cannot_be_used_is_said(mode: str) -> None:
    profile = b"not a profile" if mode == "RGB" else adobe_rgb()
    picture = images.inspect(encoded(pillow.fromarray(smooth()).convert(mode), "JPEG", quality=95, icc_profile=profile))
    assert picture.notes == ("invalid color profile: colors were interpreted as sRGB",)
    assert difference(picture.image, smooth()) < 6


# --- arrays ---------------------------------------------------------------------------------------------------


def test_arrays_are_images_or_one_sentence_that_says_how_to_mend_them() -> None:
    image = smooth()
    assert images.as_image(image) is image
    gray = image[..., 0]
    assert np.array_equal(images.as_image(gray), np.dstack([gray] * 3))
    assert np.array_equal(images.as_image(pillow.fromarray(image)), image)
    for wrong, mend in (
        (image[None], r"\(1, 150, 200, 3\)"),
        (image[:0], r"\(0, 200, 3\)"),
        ("cat.jpg", r"shape \(\)"),
        (image.astype(complex), "complex128"),
    ):
        with pytest.raises(BadImage, match=mend) as caught:
            images.as_image(wrong)
        assert str(caught.value).startswith("An image array must be uint8 with shape (height, width, 3)")


@pytest.mark.parametrize("dtype", ["bool", "int8", "int16", "int64", "uint16", "uint32", "float16", "float64"])
def test_as_image_states_a_conversion_that_works(dtype: str) -> None:
    expected = smooth() >> 7 if dtype in ("int8", "bool") else smooth()
    white = {"bool": 1, "uint16": 257, "float16": 1 / 255, "float64": 1 / 255}.get(dtype, 1)
    image = (expected * np.array(white, "float64" if "float" in dtype else "int64")).astype(dtype)
    factor = 255 if dtype == "bool" else 1
    assert np.array_equal(images.as_image(_as_stated(image)), factor * expected)


def test_as_image_states_an_order_of_axes_that_works() -> None:
    image = smooth()
    for wrong in (image.transpose(2, 0, 1), np.dstack([image, image[..., 0]])):
        assert np.array_equal(images.as_image(_as_stated(wrong)), image)
    for wrong in (image[..., :1], image[..., 0][None]):
        gray = _as_stated(wrong)
        assert np.array_equal(images.as_image(gray if gray.ndim == 2 else _as_stated(gray)), image[..., [0, 0, 0]])


def _as_stated(image: np.ndarray) -> np.ndarray:
    """Convert ``image`` by the expression in the error message."""
    with pytest.raises(BadImage) as caught:
        images.as_image(image)
    expression = re.search(r"(?:pass|Pass|:) ([^:]*image.*)\.$", str(caught.value))
    assert expression, str(caught.value)
    return eval(expression[1], {"image": image})


# --- what already degrades a picture --------------------------------------------------------------------------


def test_jpeg_quality_is_read_from_the_tables() -> None:
    for quality in range(1, 101):
        notes = images.inspect(images.encode_jpeg(smooth(), quality)).notes
        said = (f"JPEG quality of about {quality}: compression is already visible",)
        assert notes == (said if quality < images.LOW_QUALITY else ())


def test_small_pictures_are_said() -> None:
    assert images.inspect(images.encode_png(smooth(90, 300))).notes == ("small: 300 x 90 pixels",)


def test_encoders_round_trip() -> None:
    assert np.array_equal(images.read_image(images.encode_png(smooth())), smooth())
    for encode in (images.encode_jpeg, images.encode_webp):
        assert difference(images.read_image(encode(smooth(), 95)), smooth()) < 3
        assert len(encode(smooth(), 20)) < len(encode(smooth(), 95))


# --- bad files ------------------------------------------------------------------------------------------------

SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect/></svg>'

BAD = {
    "empty.png": (b"", "empty (0 bytes)"),
    "truncated.jpg": (images.encode_jpeg(smooth())[:2000], "JPEG of 200 x 150 pixels with corrupted or truncated"),
    "truncated.png": (images.encode_png(smooth())[:-200], "PNG of 200 x 150 pixels with corrupted or truncated"),
    "truncated.webp": (images.encode_webp(smooth())[:500], "WebP"),
    "text.jpg": (b"These are not the pixels that you look for.\n" * 50, "text.jpg is text, not an image"),
    "utf8.jpg": ("Bilder, die keine sind: äöü – ".encode() * 50, "text, not an image"),
    "cut_letter.jpg": (("ab" + "привет " * 400).encode(), "text, not an image"),
    "short.jpg": ("äb".encode(), "text, not an image"),
    "huge.png": (made_png(30000, 30000, b"\0"), "limit of 64 million pixels"),
    "large.png": (made_png(8001, 8000, b"\0"), "8001 x 8000 pixels, over the limit of 64 million pixels"),
    "drawing.svg": (SVG, "SVG drawing"),
    "drawing.png": (SVG, "SVG drawing"),
    "zero.png": (made_png(0, 0, b""), "begins like a PNG"),
    "lying.png": (made_png(3000, 3000, b"\0" + b"\x55" * 300), "PNG of 3000 x 3000 pixels with corrupted"),
    "header.png": (images.encode_png(smooth())[:20], "begins like a PNG, but its header is corrupted"),
    "phone.heic": (b"\0\0\0\x18ftypheic" + bytes(50), "HEIC"),
    "paper.pdf": (b"%PDF-1.7\n" + bytes(50), "PDF document"),
    "noise.jpg": (bytes(range(256)) * 4, "not an image in a known format"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_gets_one_clear_sentence(name: str, tmp_path: Path) -> None:
    data, expected = BAD[name]
    (tmp_path / name).write_bytes(data)
    for source in (data, tmp_path / name):
        with pytest.raises(BadImage) as caught:
            images.read_image(source, name if isinstance(source, bytes) else None)
        message = str(caught.value)
        assert message.startswith(name)
        assert expected in message
        assert message.endswith(".")
        assert "\n" not in message
        assert str(tmp_path) not in message


def test_paths_that_are_no_pictures(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, expected in (
        (tmp_path, "is a folder"),
        (tmp_path / "gone.png", "The file gone.png does not exist"),
        (tmp_path / "pipe", "not a regular file"),
        (Path("/dev/zero"), "not a regular file"),
        (Path("null\0.png"), "does not exist|cannot be opened"),
        (tmp_path / ("x" * 5000), "cannot be opened"),
    ):
        with pytest.raises(BadImage, match=expected):
            images.read_image(path)


def test_limits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = images.encode_png(smooth())
    (tmp_path / "a.png").write_bytes(data)
    monkeypatch.setattr(images, "MAX_BYTES", len(data) - 1)
    for source in (data, tmp_path / "a.png"):
        with pytest.raises(BadImage, match="exceeds the limit"):
            images.read_image(source)
    monkeypatch.setattr(images, "MAX_BYTES", len(data))
    assert images.read_image(data).shape == (150, 200, 3)


def test_too_many_frames_are_refused_without_decoding_them() -> None:
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    assert images.read_image(head + frame * images.MAX_FRAMES + b";").shape == (1, 1, 3)
    with pytest.raises(BadImage, match="1001 frames, over the limit of 1000"):
        images.read_image(head + frame * (images.MAX_FRAMES + 1) + b";")
    entries = ((256, 3, 1), (257, 3, 1), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (278, 3, 1), (279, 4, 1))
    page = struct.pack("<H", 8) + b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    pages = b"".join(page + struct.pack("<I", 16 + (i + 1) * (len(page) + 4)) for i in range(images.MAX_FRAMES))
    head = b"II*\0" + struct.pack("<I", 16) + b"\x7f" + bytes(7)
    assert images.read_image(head + pages[:-4] + bytes(4)).shape == (1, 1, 3)
    with pytest.raises(BadImage, match="more than 1000 pages"):
        images.read_image(head + pages + page + bytes(4))


def test_names_are_data() -> None:
    for name in ("a\nerror: b\x1b[31m", "\u202egnp.exe", "x" * 4000, "\udcff"):
        with pytest.raises(BadImage) as caught:
            images.read_image(b"x", name)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 400


def huge_headers() -> dict[str, bytes]:
    """Small files that state pictures of gigabytes."""
    jpeg = bytearray(images.encode_jpeg(smooth()))
    start = jpeg.index(b"\xff\xc0")
    jpeg[start + 5 : start + 9] = b"\xfd\xe8\xfd\xe8"
    bmp = bytearray(encoded(smooth(), "BMP"))
    bmp[18:26] = struct.pack("<ii", 60000, 60000)
    gif = bytearray(encoded(smooth(), "GIF"))
    gif[6:10] = b"\xff\xff\xff\xff"
    tiff = encoded(smooth(), "TIFF")
    for tag, size in ((256, 200), (257, 150)):
        for kind, code in ((3, "<HHIH"), (4, "<HHII")):
            tiff = tiff.replace(struct.pack(code, tag, kind, 1, size), struct.pack(code, tag, kind, 1, 60000))
    webp = bytearray(
        encoded(
            pillow.fromarray(smooth()).convert("RGBA"),
            "WEBP",
            save_all=True,
            append_images=[pillow.fromarray(smooth()[::-1])],
        )
    )
    webp[24:30] = b"\xfe\x3f\0\xfe\x3f\0"
    return {
        "png": made_png(30000, 30000, b"\0"),
        "jpg": bytes(jpeg),
        "bmp": bytes(bmp),
        "gif": bytes(gif),
        "tiff": tiff,
        "webp": bytes(webp),
        "lying": made_png(8000, 8000, b"\0"),
    }


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc")
def test_stated_gigabytes_take_no_memory(tmp_path: Path) -> None:
    for name, data in huge_headers().items():
        (tmp_path / name).write_bytes(data)
    script = (
        "import sys; from pathlib import Path; from probing_core import images\n"
        "from probing_core.errors import BadImage\n"
        # getrusage would begin with the peak of the process that started this one
        "status = lambda: Path('/proc/self/status').read_text().split('VmHWM:')[1]\n"
        "peak = lambda: int(status().split()[0]) // 1024\n"
        "before = peak()\n"
        "for path in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    try: images.read_image(path); print('read', path.name)\n"
        "    except BadImage as error: print(error, file=sys.stderr)\n"
        "print(peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 60, done.stdout
    assert len(done.stderr.splitlines()) == len(huge_headers())


# --- hostile bytes --------------------------------------------------------------------------------------------

SEEDS = [
    encoded(smooth(40, 30), "JPEG", exif=pillow.Exif().tobytes(), icc_profile=adobe_rgb()),
    encoded(smooth(40, 30), "JPEG", progressive=True),
    encoded(smooth(40, 30), "PNG", icc_profile=adobe_rgb()),
    encoded(pillow.fromarray(smooth(40, 30)).convert("P"), "PNG", transparency=0),
    encoded(smooth(40, 30), "WEBP"),
    encoded(pillow.fromarray(smooth(40, 30)).convert("RGBA"), "WEBP", lossless=True),
    encoded(smooth(40, 30), "GIF", save_all=True, append_images=[pillow.fromarray(smooth(40, 30)[::-1])]),
    encoded(smooth(40, 30), "BMP"),
    encoded(smooth(40, 30), "TIFF"),
    encoded(smooth(40, 30), "TIFF", compression="tiff_lzw"),
    encoded(smooth(40, 30), "TIFF", compression="jpeg"),
    encoded(smooth(40, 30), "AVIF"),
    encoded(pillow.new("CMYK", (40, 30)), "JPEG"),
]


def image_or_sentence(data: bytes) -> None:
    try:
        image = images.read_image(data, "fuzz")
    except BadImage as error:
        sentence = str(error)
    else:
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[2] == 3
        assert 0 < image.shape[0] * image.shape[1] <= images.MAX_PIXELS
        return
    assert sentence.isprintable()
    assert len(sentence) < 600


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes(data: bytes) -> None:
    image_or_sentence(data)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SEEDS), st.floats(0, 1))
def test_truncations(data: bytes, fraction: float) -> None:
    image_or_sentence(data[: int(len(data) * fraction)])


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.one_of(st.integers(0, 120), st.integers(0, 10**6)), st.integers(0, 255)), max_size=8),
)
def test_changed_bytes(data: bytes, changes: list[tuple[int, int]]) -> None:
    changed = bytearray(data)
    for place, value in changes:
        changed[place % len(changed)] = value
    image_or_sentence(bytes(changed))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(
        [
            b"\xff\xd8\xff",
            b"\x89PNG\r\n\x1a\n",
            b"GIF89a",
            b"BM",
            b"II*\0",
            b"RIFF\xff\0\0\0WEBPVP8X",
            b"\0\0\0\x1cftypavif",
        ]
    ),
    st.binary(max_size=200),
)
def test_signatures_before_random_bytes(signature: bytes, data: bytes) -> None:
    image_or_sentence(signature + data)


def test_what_is_cut_off_is_refused_without_decoding() -> None:
    for seed in SEEDS:
        images.check(seed, "whole")
    for format in ("JPEG", "PNG", "WEBP"):
        data = encoded(smooth(), format)
        for missing in (1, 20, len(data) // 100, len(data) // 2):
            with pytest.raises(BadImage, match=r"corrupted(,| or) truncated"):
                images.check(data[:-missing], "cut")


def test_what_stands_behind_a_jpeg_does_not_damage_it() -> None:
    """Phones append a film, in which any marker may occur."""
    data = images.encode_jpeg(smooth())
    for behind in (b"film \xff\xda film", b"\xff\xd8\xff\xda"):
        assert np.array_equal(images.read_image(data + behind), images.read_image(data))
        with pytest.raises(BadImage, match="corrupted or truncated"):
            images.read_image(data[:-2] + behind)


def test_too_many_parts_are_refused_before_they_are_read() -> None:
    jpeg, png = images.encode_jpeg(smooth()), made_png(1, 1, b"\0\x7f", 0)
    gif = encoded(smooth(), "GIF")
    start = 13 + 3 * 2 ** (gif[10] % 8 + 1)
    segment, note, remark = b"\xff\xe5\0\2", chunk(b"noTe", b""), b"!\xfe\0"
    for head, part, rest in (
        (jpeg[:2], segment, jpeg[2:]),
        (png[:33], note, png[33:]),
        (gif[:start], remark, gif[start:]),
    ):
        images.read_image(head + 100 * part + rest)
        with pytest.raises(BadImage, match="more than 100,000 parts"):
            images.read_image(head + 100_000 * part + rest)


def test_a_png_whose_pixels_were_changed_is_refused_although_it_decodes() -> None:
    data = bytearray(images.encode_png(smooth()))
    place = data.index(b"IDAT") + 200
    data[place] ^= 1
    with pytest.raises(BadImage, match="a checksum is wrong"):
        images.read_image(bytes(data))


def test_threads_read_the_same() -> None:
    with ThreadPoolExecutor(8) as pool:
        for seed in SEEDS:
            results = list(pool.map(images.read_image, [seed] * 16))
            assert all(np.array_equal(result, results[0]) for result in results)


def test_every_form_of_a_picture_is_the_same_array(tmp_path):
    torch = pytest.importorskip("torch")
    pixels = scene(0, 40)
    picture = Image.fromarray(pixels)
    picture.save(tmp_path / "a.png")
    encoded = io.BytesIO()
    picture.save(encoded, "png")
    chw = torch.from_numpy(pixels).permute(2, 0, 1)
    for form in (
        pixels,
        picture,
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
        encoded.getvalue(),
        {"bytes": encoded.getvalue(), "path": None},
        chw,
        chw.float() / 255,
    ):
        assert np.array_equal(to_image(form), pixels), type(form)


def test_gray_and_transparent_pictures_become_rgb():
    torch = pytest.importorskip("torch")
    gray = scene(0, 40)[..., 0]
    for form in (gray, Image.fromarray(gray), torch.from_numpy(gray)[None]):
        assert np.array_equal(to_image(form), np.repeat(gray[..., None], 3, axis=2))
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert (to_image(clear) == 255).all(), "replaced with white"


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "float8_e4m3fn"])
@pytest.mark.parametrize("channels", [1, 3])
def test_to_image_accepts_tensors_of_every_floating_type(dtype, channels):
    torch = pytest.importorskip("torch")
    exact = torch.rand(channels, 5, 7, generator=torch.Generator().manual_seed(0))
    tensor = exact.to(getattr(torch, dtype)).requires_grad_()
    expected = torch.round(tensor.detach().double() * 255).permute(1, 2, 0).numpy()
    assert np.abs(to_image(tensor) - expected).max() <= 1e-4


def test_to_image_refuses_tensors_that_are_no_images():
    torch = pytest.importorskip("torch")
    for tensor in (
        torch.zeros(3, 0, 5),
        torch.zeros(0, 4, 4),
        torch.zeros(3, 4, 0, dtype=torch.uint8),
        torch.zeros(0),
        torch.zeros(()),
        torch.zeros(3, 4, 4, dtype=torch.bool),
        torch.zeros(3, 4, 4, dtype=torch.complex64),
        torch.zeros(3, 4, 4).to_sparse(),
        torch.zeros(3, 4, 4, device="meta"),
        torch.full((3, 4, 4), float("inf"), dtype=torch.bfloat16),
    ):
        with pytest.raises(BadImage):
            to_image(tensor)


def test_to_images_distinguishes_one_image_from_several(tmp_path):
    torch = pytest.importorskip("torch")
    pixels = scene(0, 40)
    path, data = tmp_path / "a.png", images.encode_png(pixels)
    path.write_bytes(data)
    tensor = torch.from_numpy(pixels).permute(2, 0, 1).to(torch.bfloat16) / 255
    picture = pillow.fromarray(pixels)
    for one in (pixels, pixels[..., 0], picture, path, str(path), data, {"path": str(path)}, tensor, tensor[:1]):
        (alone,) = images.to_images(one)
        assert alone.shape == (40, 40, 3)
        assert images.is_one_image(one)
        for several in ([one, one], (one, one), iter([one, one])):
            assert not images.is_one_image(several)
            assert all(np.array_equal(image, alone) for image in images.to_images(several))
    paths = [str(path)] * 2
    for several in (np.stack([pixels] * 2), torch.stack([tensor] * 2), np.array(paths), np.array(paths, dtype=object)):
        assert [image.shape for image in images.to_images(several)] == [(40, 40, 3)] * 2
    for none in ([], (), np.zeros((0, 4, 4, 3), np.uint8), torch.zeros(0, 3, 4, 4)):
        assert list(images.to_images(none)) == []


def test_to_images_names_the_position_of_an_image_that_cannot_be_read():
    with pytest.raises(BadImage, match=r"float64.*\(image 1\)\.$"):
        list(images.to_images([scene(0, 40), scene(0, 40) / 255]))
    for wrong in ([[1, 2], [3]], np.zeros((2, 2, 4, 4, 3), np.uint8), np.zeros(5, np.uint8), [None], None, 5):
        with pytest.raises(BadImage):
            list(images.to_images(wrong))


def test_what_is_no_picture_is_refused_in_one_sentence():
    torch = pytest.importorskip("torch")
    for form, message in (
        (torch.zeros(40, 40), r"shape \(3, H, W\) or \(1, H, W\); got \(40, 40\)"),
        (torch.full((3, 4, 4), -1.5), "got -1.5 to -1.5. Pass the image before normalization"),
        (torch.full((3, 4, 4), float("nan")), "values from 0 to 1"),
        (np.zeros((4, 4, 3)), "uint8"),
        (None, "uint8"),
        ("no-file.png", "no-file.png"),
    ):
        with pytest.raises(BadImage, match=message):
            to_image(form)
