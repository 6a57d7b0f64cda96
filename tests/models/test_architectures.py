from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from probing_core.errors import BadConfig, ModelUnavailable
from probing_core.models import load_embedder
from probing_core.models.zoo import (
    ARCHITECTURES,
    CURRENT,
    LINEAR_PATCH,
    PATCH_STEM,
    Architecture,
    architecture_of,
    load_zoo,
)

IMAGES = [np.full((140, 160, 3), value, np.uint8) for value in (10, 200)]


def save(architecture: Architecture, path: Path, facts: str) -> None:
    weights = {f"encoder.{name}": tensor.half() for name, tensor in architecture.init(3).state_dict().items()}
    save_file(weights, path, {"facts": facts})


def test_facts_without_an_architecture_are_of_the_first_zoo() -> None:
    assert architecture_of({}) is LINEAR_PATCH
    for name, architecture in ARCHITECTURES.items():
        assert architecture_of({"architecture": name}) is architecture
    with pytest.raises(BadConfig, match=r"'perceiver' is not among .*: linear-patch, patch-stem"):
        architecture_of({"architecture": "perceiver"})


@pytest.mark.parametrize(
    ("architecture", "facts"),
    [
        (LINEAR_PATCH, "{}"),
        (LINEAR_PATCH, '{"architecture": "linear-patch"}'),
        (PATCH_STEM, '{"architecture": "patch-stem"}'),
    ],
)
def test_a_file_decides_its_architecture(architecture: Architecture, facts: str, tmp_path: Path) -> None:
    save(architecture, tmp_path / "x", facts)
    embedder = load_embedder(f"zoo/mae@weights={tmp_path}/x", precision="float32")
    assert embedder.recipe()["architecture"] == architecture.description
    vit = architecture.init(3).eval()
    assert embedder.recipe()["layers"] == len(vit.blocks)
    with torch.no_grad():
        batch = embedder.prepare(IMAGES)
        expected = vit.forward_features(batch).mean(1).numpy()
    assert np.allclose(embedder.embed(IMAGES), expected, atol=2e-2)


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    save(PATCH_STEM, tmp_path / "x", "{}")
    with pytest.raises(ModelUnavailable, match="Missing key"):
        load_zoo(tmp_path / "x", "zoo/mae", {}, "cpu", "float32")
    save(PATCH_STEM, tmp_path / "y", '{"architecture": "perceiver"}')
    with pytest.raises(ModelUnavailable, match="perceiver"):
        load_zoo(tmp_path / "y", "zoo/mae", {}, "cpu", "float32")


def test_the_untrained_baseline_is_of_the_shipped_architecture() -> None:
    embedder = load_embedder("baseline/random-vit@seed=2", precision="float32")
    assert embedder.recipe()["architecture"] == CURRENT.description
    with torch.no_grad():
        expected = CURRENT.init(2).eval().forward_features(embedder.prepare(IMAGES)).mean(1).numpy()
    assert np.allclose(embedder.embed(IMAGES), expected, atol=1e-4)
    assert LINEAR_PATCH.description == "ViT 128 px, patch 16, width 192, depth 6, 3 heads"  # in the keys of old runs
