from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lab.pretraining.objectives import normalize
from probing_core.models import compiled
from probing_core.models.hub import signs_digest, weights_digest
from probing_core.models.zoo_input import PATCH, SIZE, WIDTH
from probing_core.models.zoo_network import (
    DESCRIPTION,
    KERNELS,
    WIDTHS,
    ZOO_DEPTH,
    ViTEmbedder,
    init_vit,
)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def photographs() -> torch.Tensor:
    """(4, 3, 128, 128), as the encoder receives them: smooth color with fine stripes."""
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    waves = [0.5 + 0.3 * np.sin(9 * x + k) * np.cos(7 * y) + 0.05 * np.sin(100 * x + k * y) for k in range(12)]
    return normalize(torch.from_numpy(np.stack(waves).reshape(4, 3, SIZE, SIZE)).float())


def test_a_seed_decides_the_weights_and_leaves_no_trace() -> None:
    state = torch.get_rng_state()
    assert weights_digest(init_vit(0).state_dict()) == weights_digest(init_vit(0).state_dict())
    assert signs_digest(init_vit(0)) != signs_digest(init_vit(1))
    assert torch.equal(state, torch.get_rng_state())


def test_size_is_the_documented_one() -> None:
    vit = init_vit(0)
    assert 1.9e6 < sum(p.numel() for p in vit.parameters()) < 2.0e6
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        assert vit.forward_features(torch.zeros(1, 3, SIZE, SIZE)).shape == (1, 64, WIDTH)
    assert 0.28e9 < counter.get_total_flops() < 0.30e9
    assert np.prod(KERNELS) == PATCH
    assert f"stem of {' and '.join(map(str, WIDTHS))} channels" in DESCRIPTION
    assert f"width {WIDTH}, depth {ZOO_DEPTH}" in DESCRIPTION


@pytest.mark.parametrize("training", [True, False])
def test_a_token_depends_on_its_own_patch_alone(training: bool) -> None:
    stem = init_vit(0).patch_embed.train(training)
    images = draw(2, 3, SIZE, SIZE)
    with torch.no_grad():
        before = stem(images)
        for y, x in ((0, 0), (47, 48), (127, 127)):
            changed = images.clone()
            changed[0, :, y, x] += 3
            differs = (stem(changed) != before).any(-1)
            assert differs.nonzero().tolist() == [[0, y // PATCH * 8 + x // PATCH]]


def test_an_embedding_does_not_depend_on_its_batch() -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8) for _ in range(6)]
    black = [np.zeros((SIZE, SIZE, 3), np.uint8)] * 5
    embedder = ViTEmbedder("x", init_vit(0))
    alone, among, beside = embedder.embed(images[:1]), embedder.embed(images), embedder.embed([images[0], *black])
    assert np.allclose(alone[0], among[0], atol=1e-5)
    assert np.allclose(alone[0], beside[0], atol=1e-5)
    assert np.abs(among[0] - among[1]).max() > 1e-2


def test_half_of_the_filters_measure_detail() -> None:
    stem = init_vit(0).patch_embed
    flat = torch.tensor([0.3, -1.0, 0.5]).view(1, 3, 1, 1).expand(1, 3, SIZE, SIZE)
    with torch.no_grad():
        response = stem.maps[0](flat)[0].abs().amax(dim=(1, 2))
    half = WIDTHS[0] // 2
    assert response[:half].max() < 1e-4
    assert (response[half:] > 1e-4).float().mean() > 0.9


def test_activations_keep_their_scale(photographs) -> None:
    """Without normalization, the initial weights alone must keep the signal from vanishing or growing."""
    stem, x, scales = init_vit(0).patch_embed, photographs, []
    with torch.no_grad():
        for layer in stem.maps[:-1]:
            x = torch.relu(layer(x))
            scales.append(float(x.square().mean().sqrt()))
        tokens = stem(photographs)
    assert max(scales) / min(scales) < 3
    assert 0.1 < tokens.std() < 3


@pytest.mark.skipif(not compiled.installed_version(), reason="there is no OpenVINO for this platform")
def test_it_is_compiled_where_others_are() -> None:
    """An operation that cannot be converted would leave the encoder to PyTorch, at two thirds of the speed."""
    assert ViTEmbedder("x", init_vit(0)).engine.startswith("OpenVINO")
