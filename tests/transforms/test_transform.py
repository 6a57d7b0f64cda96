"""`probing_core.transform`: one picture, in one call."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import probing_core
from probing_core.cli import main
from probing_core.errors import BadImage
from probing_core.transforms import bank
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


@given(st.sampled_from([entry.name for entry in bank()]), st.integers(1, 12), st.integers(1, 12), st.integers(0, 1000))
@settings(max_examples=60)
def test_transform_keeps_the_size_or_names_the_smallest(name, height, width, seed):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    if min(height, width) < 8:
        with pytest.raises(BadImage, match="at least 8 pixels"):
            probing_core.transform(image, name, seed=seed)
    else:
        assert probing_core.transform(image, name, seed=seed).shape == image.shape


def test_transform_accepts_tensors_of_every_floating_type():
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(scene(0, 60)).permute(2, 0, 1) / 255
    expected = probing_core.transform(tensor, "fog").astype(int)
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        assert np.abs(probing_core.transform(tensor.to(dtype), "fog") - expected).max() <= 2
    for empty in (tensor[:, :0], tensor[:0], tensor[..., :0].bfloat16()):
        with pytest.raises(BadImage, match="shape"):
            probing_core.transform(empty, "fog")
