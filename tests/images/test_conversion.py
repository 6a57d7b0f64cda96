from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from probing_core.errors import BadImage
from probing_core.images import to_image
from tests.conftest import scene


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
    assert (to_image(clear) == 255).all(), "laid on white"


def test_what_is_no_picture_is_refused_in_one_sentence():
    torch = pytest.importorskip("torch")
    for form, message in (
        (torch.zeros(40, 40), r"shape \(3, H, W\); the picture has the shape \(40, 40\)"),
        (torch.full((3, 4, 4), -1.5), "from -1.5 to -1.5: leave the normalization to the encoder"),
        (torch.full((3, 4, 4), float("nan")), "values from 0 to 1"),
        (np.zeros((4, 4, 3)), "uint8"),
        (None, "uint8"),
        ("no-file.png", "no-file.png"),
    ):
        with pytest.raises(BadImage, match=message):
            to_image(form)
