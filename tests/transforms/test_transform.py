"""`probing_core.transform`: one picture, in one call."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import probing_core
from probing_core.cli import main
from probing_core.errors import BadConfig, BadImage, UnknownName
from tests.conftest import scene


def test_it_is_what_the_command_makes(tmp_path):
    image = scene(0, 60)
    Image.fromarray(image).save(tmp_path / "a.png")
    command = ["transform", str(tmp_path / "a.png"), "--name", "fog", "--seed", "3", "--out", str(tmp_path / "b.png")]
    assert main(command) == 0
    made = probing_core.transform(tmp_path / "a.png", "fog", seed=3)
    assert np.array_equal(made, np.asarray(Image.open(tmp_path / "b.png")))
    assert np.array_equal(made, probing_core.transform(image, "fog", seed=3))
    assert not np.array_equal(made, probing_core.transform(image, "fog"))


def test_a_strength_is_in_the_unit_of_the_transformation():
    image = scene(0, 60)
    entry = probing_core.transforms.resolve("gaussian-blur")
    weak, strong = (probing_core.transform(image, "gaussian-blur", s) for s in (entry.weakest, entry.strongest))
    apart = [np.abs(made.astype(int) - image).mean() for made in (weak, strong)]
    assert 0 < apart[0] < apart[1]


def test_what_cannot_be_transformed_is_told_in_one_sentence():
    image = scene(0, 60)
    with pytest.raises(BadConfig, match=r"of 'gaussian-blur' is .* got 99"):
        probing_core.transform(image, "gaussian-blur", 99)
    with pytest.raises(UnknownName, match="no transformation called 'fogg'. Did you mean 'fog'"):
        probing_core.transform(image, "fogg")
    with pytest.raises(BadImage, match="uint8"):
        probing_core.transform(image / 255, "fog")
    with pytest.raises(BadImage, match="needs 8 pixels along each side to be transformed; got 60 x 4"):
        probing_core.transform(image[:4], "fog")
