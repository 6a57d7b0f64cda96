"""Steps that are tried on pictures before an embedder of pictures: they make of it what other steps inside it would."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from probing_core.compute.parity.beforehand import RESIZERS, SHOWN_IN_PICTURES, PictureSteps, Resize, resizes
from probing_core.compute.parity.steps import RESIZES, SCALES, Steps
from probing_core.models import Preprocessing
from probing_core.models.preprocessing import make_batch
from tests.conftest import scene

OWN = Preprocessing(
    size=(128, 128), crop=1.0, interpolation="bilinear", mean=SCALES["ImageNet's"][0], std=SCALES["ImageNet's"][1]
)
PILLOW = "Pillow's bilinear filter"


@pytest.fixture(scope="module")
def images():
    return [scene(i, 300)[:, :250] for i in range(3)]


def test_pictures_are_left_alone_where_nothing_is_changed(images):
    for image, made in zip(images, PictureSteps().pictures(images), strict=True):
        assert np.array_equal(image, made)
    assert PictureSteps().exact


@pytest.mark.parametrize("how", sorted(RESIZERS))
def test_a_picture_resized_beforehand_is_what_a_pipeline_makes_that_resizes_so(how, images):
    """The embedder leaves what has its own size as it is; what is left is the rounding to 8 bits and, of filters that
    overshoot, what lies beyond them."""
    steps = PictureSteps(Resize(128, False, PILLOW), resize=Resize(128, False, how))
    if how in RESIZES:
        expected = Steps(OWN, resize=how).batch(images)
    else:
        kernel = how.split()[1]
        expected = make_batch(images, replace(OWN, interpolation=kernel))
    made = make_batch(steps.pictures(images), OWN)
    assert np.median(np.abs(made - expected)) <= 0.5 / 255 / min(OWN.std) + 1e-6
    assert not steps.exact


@pytest.mark.parametrize("other", [name for name in SHOWN_IN_PICTURES if name != "ImageNet's"])
def test_values_are_moved_to_where_the_own_mean_and_deviation_make_what_others_would(other, images):
    mean, std = SCALES[other]
    images = [image[:128, :128] for image in images]  # of this size nothing is resized after values were cut off
    expected = make_batch(images, replace(OWN, mean=mean, std=std))
    made = make_batch(PictureSteps(scales=("ImageNet's", other)).pictures(images), OWN)
    lowest, highest = ((end - np.array(OWN.mean)) / OWN.std for end in (0, 1))
    inside = (expected >= lowest) & (expected <= highest)  # what 8 bits can hold
    assert inside.mean() > 0.9
    assert np.abs(made - expected)[inside].max() <= 0.5 / 255 / min(OWN.std) + 1e-5


def test_every_change_makes_other_pictures_and_is_told_apart(images):
    steps = PictureSteps(Resize(128, False, PILLOW))
    tried = list(steps.changes())
    assert len({change.words for change in tried}) == len(tried)
    assert {one.step for one in tried} == {"order of colors", "resize", "crop", "input size", "mean and deviation"}
    plain = steps.pictures(images[:1])[0]
    for change in tried:
        (made,) = change.steps.pictures(images[:1])
        assert made.dtype == np.uint8
        assert made.shape != plain.shape or not np.array_equal(made, plain), change.words
    assert {one.step for one in PictureSteps().changes()} == {"order of colors", "mean and deviation"}
    (squeezed,) = (one.steps for one in tried if one.step == "crop")
    assert squeezed.pictures(images[:1])[0].shape == (128, 128, 3)


def test_the_own_resize_of_a_pipeline_leaves_its_own_result(images):
    for resize in resizes():
        if resize.side == 160:
            once = np.clip(np.rint(resize.apply(images[0])), 0, 255).astype(np.uint8)
            assert np.abs(resize.apply(once) - once).max() < 1e-3, resize
