"""`probing_core.transform`: one picture, in one call."""

from __future__ import annotations

import numpy as np
from PIL import Image

import probing_core
from probing_core.cli import main
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
