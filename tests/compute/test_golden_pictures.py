"""Golden pictures: files that are always the same, and decode to what their kind says."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as pillow

from probing_core.corpora.golden_pictures import EXTREME, ORIENTATION, PHOTOGRAPH, PHOTOGRAPH_SIZES, golden_pictures


@pytest.fixture(scope="module")
def pictures():
    return {picture.name: picture for picture in golden_pictures()}


def test_about_forty_pictures_of_every_kind_that_pipelines_stumble_over(pictures):
    kinds = [picture.kind for picture in pictures.values()]
    assert 40 <= len(pictures) <= 50
    assert kinds.count(PHOTOGRAPH) == len(PHOTOGRAPH_SIZES)
    wanted = {"gradient", "text", "edges", "noise", "color", "alpha", "EXIF", "gray", "16 bit", "JPEG", "extreme size"}
    assert wanted <= set(kinds)
    assert [picture.data for picture in golden_pictures.__wrapped__()] == [one.data for one in pictures.values()]


def test_photographs_have_the_sizes_that_are_stated_and_are_stored_without_loss(pictures):
    for kind, sizes in ((PHOTOGRAPH, PHOTOGRAPH_SIZES), ("extreme-size", EXTREME)):
        for name, size in sizes.items():
            picture = pictures[f"{kind}-{name}.png"]
            assert picture.decode().shape == (*size, 3)
            with pillow.open(io.BytesIO(picture.data)) as opened:
                assert np.array_equal(np.asarray(opened), picture.decode())


def test_files_are_what_their_kind_says(pictures):
    for picture in pictures.values():
        with pillow.open(io.BytesIO(picture.data)) as opened:
            orientation, mode, alpha = opened.getexif().get(ORIENTATION, 1), opened.mode, opened.has_transparency_data
        assert (picture.kind == "EXIF") == (orientation != 1)
        assert (picture.kind == "alpha") == alpha
        assert (picture.kind == "CMYK") == (mode == "CMYK")
        if picture.kind == "gray":
            assert np.ptp(picture.decode().astype(int), axis=2).max() == 0
