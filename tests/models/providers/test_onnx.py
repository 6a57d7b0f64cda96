"""``onnx:PATH``: exported networks beside what they were exported from."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict

import numpy as np
import pytest

from probing_core.errors import ModelUnavailable, ProbingError
from probing_core.models import Preprocessing, load_embedder
from probing_core.models.preprocessing import make_batch
from probing_core.transforms.bank.style import STYLE_ENCODER, STYLE_SIDE, style_vector, weights_path
from tests.conftest import scene

PREPROCESSING = Preprocessing(size=(STYLE_SIDE, STYLE_SIDE), interpolation="lanczos")
SMALL = Preprocessing(size=(24, 24), mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2))


@pytest.fixture
def style(tmp_path):
    """The style encoder that a dependency ships as ONNX, with the preprocessing that the product gives it."""
    shutil.copy(weights_path(STYLE_ENCODER), tmp_path / "style.onnx")
    (tmp_path / "style.json").write_text(json.dumps(asdict(PREPROCESSING)))
    return tmp_path / "style.onnx"


def test_an_onnx_file_embeds_as_the_product_runs_the_same_network(style):
    images = [scene(i, 300) for i in range(3)]
    mine = load_embedder(f"onnx:{style}")
    assert mine.dim == 100
    theirs = np.array([style_vector(image).ravel() for image in images])
    assert np.abs(mine.embed(images) - theirs).max() < 1e-3 * np.abs(theirs).max()
    assert mine.embed([]).shape == (0, 100)
    assert mine.recipe()["preprocessing"]["size"] == [256, 256]
    with pytest.raises(ModelUnavailable, match=r"cannot embed a batch of shape \(1, 64, 64, 3\)"):
        mine._pass(np.zeros((1, 64, 64, 3), np.float32))


def test_what_cannot_be_used_is_told_in_one_sentence(style, tmp_path):
    facts = style.with_suffix(".json")
    facts.write_text(json.dumps(asdict(PREPROCESSING) | {"size": [128, 128]}))
    with pytest.raises(ModelUnavailable, match="requires images of 256 x 256 pixels, but its preprocessing yields 128"):
        load_embedder(f"onnx:{style}")
    facts.write_text('{"mean": [0, 0, 0]}')
    with pytest.raises(ModelUnavailable, match="is not a valid preprocessing"):
        load_embedder(f"onnx:{style}")
    facts.unlink()
    with pytest.raises(ModelUnavailable, match=r"Create style\.json in the same folder, with JSON such as \{"):
        load_embedder(f"onnx:{style}")
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    (tmp_path / "bad.json").write_text(json.dumps(asdict(PREPROCESSING)))
    with pytest.raises(ModelUnavailable, match="is not a readable ONNX network"):
        load_embedder(f"onnx:{tmp_path / 'bad.onnx'}")
    with pytest.raises(ProbingError, match="does not exist"):
        load_embedder(f"onnx:{tmp_path / 'none.onnx'}")
    shutil.copy(weights_path("arbitrary_transform"), tmp_path / "two.onnx")
    (tmp_path / "two.json").write_text(json.dumps(asdict(PREPROCESSING)))
    with pytest.raises(ModelUnavailable, match="with one input"):
        load_embedder(f"onnx:{tmp_path / 'two.onnx'}")


@pytest.mark.parametrize("free", [True, False], ids=["any batch", "batch of 2"])
def test_a_network_of_pytorch_gives_the_same_after_export(free, tmp_path):
    pytest.importorskip("onnx")
    import torch

    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, stride=2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    ).eval()
    path = tmp_path / "small.onnx"
    axes = {"x": {0: "n"}, "y": {0: "n"}} if free else None
    names = {"input_names": ["x"], "output_names": ["y"]}
    torch.onnx.export(module, (torch.zeros(2, 3, 24, 24),), path, dynamo=False, dynamic_axes=axes, **names)
    (tmp_path / "small.json").write_text(json.dumps(asdict(SMALL)))
    images = [scene(i, 60) for i in range(5)]
    embedder = load_embedder(f"onnx:{path}")
    with torch.inference_mode():
        expected = module(torch.from_numpy(make_batch(images, SMALL)).permute(0, 3, 1, 2)).numpy()
    assert embedder.embed(images) == pytest.approx(expected, abs=1e-5)
