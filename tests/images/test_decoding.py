"""Pixels of every kind of stored image, compared with NumPy and, where it is installed, with ImageMagick."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as pillow
from PIL import ImageCms

from probing_core.errors import BadImage
from probing_core.images import inspect, to_image
from tests.images import stored
from tests.images.stored import LAYOUTS, Layout, Profile

# Corrupted metadata makes Pillow warn. Outside of pytest, which resets the filters, `images` silences these warnings.
pytestmark = pytest.mark.filterwarnings("ignore:::PIL")

MAX_ERROR = {"LAB": 50, "CMYK": 16, "RGBA": 2.5, "LA": 2.5}
"""Maximum error for values from 0 to 255, by mode. Little CMS interpolates in a coarse table of Lab and CMYK colors."""

CASES = [
    (container, layout, profile)
    for container, layouts in LAYOUTS.items()
    for layout in layouts
    for profile in (None, *stored.profiles_for(layout))
]


def forms(data: bytes, path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the same stored image in every form in which it may be passed."""
    path.write_bytes(data)
    yield "path", path
    yield "bytes", data
    with pillow.open(path) as opened:
        yield "opened", opened
        yield "passed twice", opened
    # Not from a path: Pillow itself would scramble some TIFF images (see `probing_core.images.decoding.load`).
    loaded = pillow.open(io.BytesIO(data))
    loaded.load()
    yield "loaded", loaded
    yield "copied", pillow.open(io.BytesIO(data)).copy()


def in_every_form(data: bytes, path: Path) -> np.ndarray:
    images = {form: to_image(picture) for form, picture in forms(data, path)}
    for form, image in images.items():
        assert np.array_equal(image, images["bytes"]), form
    return images["bytes"]


def stored_values(container: str, layout: Layout, values: np.ndarray, data: bytes) -> np.ndarray:
    """Return the values in a file. Lossy formats do not store exactly what was encoded."""
    if container not in ("JPEG", "AVIF"):
        return values
    return np.asarray(pillow.open(io.BytesIO(data))).reshape(values.shape)


def check(container: str, layout: Layout, profile: Profile | None, orientation: int, seed: int, path: Path) -> None:
    values = stored.drawn(layout, 5, 9, np.random.default_rng(seed))
    data = stored.encoded(container, layout, values, profile.data if profile else b"", orientation)
    image = in_every_form(data, path)
    expected = stored.expected(layout, stored_values(container, layout, values, data), profile, orientation)
    assert image.shape == expected.shape
    errors = np.abs(image - expected)
    assert errors.max() <= MAX_ERROR.get(layout.mode, 1.5)
    assert errors.mean() <= 4


def selected_cases() -> list[Any]:
    """Return every layout of every container, with every color profile in PNG and TIFF, and with one elsewhere."""
    cases = []
    for number, (container, layout, profile) in enumerate(CASES):
        if container in ("PNG", "TIFF") or profile is None or profile == stored.profiles_for(layout)[0]:
            name = f"{container}-{layout.mode}-{layout.bits}-{profile.name if profile else 'no profile'}"
            cases.append(pytest.param(container, layout, profile, number % 9, id=name))
    return cases


@pytest.mark.parametrize(("container", "layout", "profile", "orientation"), selected_cases())
def test_to_image_converts_every_kind_of_image(container, layout, profile, orientation, tmp_path):
    check(container, layout, profile, orientation, 0, tmp_path / "image")


@settings(max_examples=60)
@given(st.sampled_from(CASES), st.integers(0, 8), st.integers(0, 10**6))
def test_to_image_converts_every_combination(tmp_path_factory, case, orientation, seed):
    check(*case, orientation, seed, tmp_path_factory.getbasetemp() / "image")


@pytest.mark.skipif(shutil.which("magick") is None, reason="ImageMagick 7 is not installed")
@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS["TIFF"] if layout.mode != "LAB"], ids=str)
def test_to_image_agrees_with_imagemagick(layout, tmp_path):
    srgb = tmp_path / "srgb.icc"
    srgb.write_bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    values = stored.drawn(layout, 5, 9, np.random.default_rng(1))
    for profile in (None, stored.profiles_for(layout)[-1]):
        path = tmp_path / "image.tif"
        path.write_bytes(stored.encoded("TIFF", layout, values, profile.data if profile else b"", 6))
        converted = ["-profile", str(srgb)] if profile else ["-colorspace", "sRGB"]
        flattened = ["-auto-orient", "-background", "white", "-alpha", "remove", "-alpha", "off"]
        command = ["magick", str(path), *converted, *flattened, "-depth", "8", "rgb:-"]
        output = subprocess.run(command, capture_output=True, check=True).stdout
        expected = np.frombuffer(output, np.uint8).reshape(9, 5, 3).astype(int)
        assert np.abs(to_image(path) - expected).max() <= MAX_ERROR.get(layout.mode, 2)


@pytest.mark.parametrize("profile", [stored.RGB_PROFILES[0], stored.RGB_PROFILES[2]], ids=lambda profile: profile.name)
def test_inspect_notes_only_profiles_that_change_colors(profile):
    values = stored.drawn(stored.RGB, 5, 9, np.random.default_rng(0))
    picture = inspect(stored.encoded("PNG", stored.RGB, values, profile.data, 0))
    changes = not np.array_equal(picture.image, values)
    assert any(profile.name in note for note in picture.notes) == changes == (profile.name == "Linear sRGB")


def test_to_image_reads_both_kinds_of_gray_with_alpha():
    plain = pillow.fromarray(np.random.default_rng(0).integers(0, 256, (6, 7, 2), dtype=np.uint8), "LA")
    assert np.abs(to_image(plain.convert("La")).astype(int) - to_image(plain)).max() <= 1


def test_to_image_makes_the_transparent_gray_of_16_bits_white():
    values = stored.drawn(stored.GRAY_16, 5, 9, np.random.default_rng(0))
    values[0, 0], values[0, 1] = 4000, 4001
    header, rest = stored.encoded("PNG", stored.GRAY_16, values, b"", 0).split(b"IDAT", 1)
    data = header[:-4] + stored.chunk(b"tRNS", (4000).to_bytes(2)) + header[-4:] + b"IDAT" + rest
    for picture in (data, pillow.open(io.BytesIO(data)).copy()):
        image = to_image(picture)
        assert (image[0, 0] == 255).all()
        assert (image[0, 1] == 4001 >> 8).all()


def test_to_image_leaves_its_input():
    picture = pillow.new("RGB", (6, 4), (10, 20, 30))
    picture.info["transparency"] = (10, 20, 30)
    assert (to_image(picture) == 255).all()
    assert picture.getpixel((0, 0)) == (10, 20, 30)


@settings(max_examples=150)
@given(
    st.sampled_from([*pillow.MODES, "La", "LA", "PA", "RGBa", "RGBX", "I;16B", "I;16L", "I;16N"]),
    st.tuples(st.integers(0, 6), st.integers(0, 6)),
    st.fixed_dictionaries(
        {},
        optional={
            "transparency": st.none()
            | st.integers(-9, 70000)
            | st.binary(max_size=9)
            | st.tuples(*[st.integers()] * 3),
            "icc_profile": st.none()
            | st.text(max_size=3)
            | st.binary(max_size=200)
            | st.just(stored.RGB_PROFILES[3].data),
            "exif": st.none() | st.text(max_size=3) | st.binary(max_size=40),
            "xmp": st.binary(max_size=9) | st.just(b'tiff:Orientation="6"'),
        },
    ),
)
def test_to_image_converts_every_pillow_image_or_raises_a_bad_image(mode, size, info):
    picture = pillow.new(mode, size)
    picture.info.update(info)
    try:
        image = to_image(picture)
    except BadImage:
        return
    assert image.dtype == np.uint8
    assert image.shape in ((size[1], size[0], 3), (size[0], size[1], 3))
    assert image.size


def test_to_image_names_the_cause_for_images_that_cannot_be_decoded(tmp_path):
    path = tmp_path / "cut.bmp"
    pillow.new("RGB", (60, 60)).save(path)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(BadImage, match="corrupted or truncated"):
        to_image(pillow.open(path))
    with pillow.open(path) as closed:
        pass
    with pytest.raises(BadImage, match="closed"):
        to_image(closed)
