from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from torchvision import transforms as tv

from probing_core.errors import BadConfig
from probing_core.models import compiled, load_embedder, zoo
from probing_core.models.weights import signs_digest, weights_digest
from probing_core.models.zoo import DEPTH, WIDTH, ViTEmbedder, init_vit, normalize
from tests.models.made import in_pytorch

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = [(128, 128), (150, 200), (301, 128), (90, 70), (128, 128)]
    small = [rng.integers(0, 256, (9, 9, 3), dtype=np.uint8) for _ in shapes]
    return [
        np.asarray(Pillow.fromarray(s).resize(shape[::-1], Pillow.Resampling.BICUBIC))
        for s, shape in zip(small, shapes, strict=True)
    ]


def test_a_seed_decides_the_weights() -> None:
    state = torch.get_rng_state()
    assert (
        weights_digest(init_vit(0).state_dict())
        == weights_digest(init_vit(0).state_dict())
        != weights_digest(init_vit(1).state_dict())
    )
    assert torch.equal(state, torch.get_rng_state())


def test_a_seed_names_the_same_network_on_every_processor(monkeypatch) -> None:
    """Other vector units give other last bits; the baseline's identity must not name the machine."""
    monkeypatch.setattr(compiled, "installed_version", lambda: "")  # nothing is embedded
    # No forward pass: PyTorch cannot make one on a processor with matrix units (AMX) that is told to do without them.
    code = (
        f"from {zoo.__name__} import CURRENT\n"
        f"from {signs_digest.__module__} import signs_digest\n"
        "for seed in (0, 1): print(signs_digest(CURRENT.init(seed)))"
    )
    digests = {"".join(f"{load_embedder(f'baseline/random-vit@seed={seed}').recipe()['weights']}\n" for seed in (0, 1))}
    units = {"ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}  # this process has what there is
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | units, capture_output=True, text=True, check=True
    )
    digests.add(done.stdout)
    assert len(digests) == 1
    assert len(set(digests.pop().split())) == 2
    one_bit_off = init_vit(0)
    with torch.no_grad():
        for parameter in one_bit_off.parameters():
            parameter.copy_(torch.nextafter(parameter, 2 * parameter))
    assert weights_digest(one_bit_off.state_dict()) != weights_digest(init_vit(0).state_dict())
    assert signs_digest(one_bit_off) == signs_digest(init_vit(0)) != signs_digest(init_vit(1))


def test_size_is_the_documented_one() -> None:
    vit = init_vit(0)
    assert 2.7e6 < sum(p.numel() for p in vit.parameters()) < 2.9e6
    assert vit.forward_features(torch.zeros(1, 3, 128, 128)).shape == (1, 64, 192)


def test_embedding_is_the_mean_token_of_the_usual_preprocessing(images) -> None:
    vit = init_vit(0)
    usual = tv.Compose(
        [
            tv.Resize(128, tv.InterpolationMode.BICUBIC),
            tv.CenterCrop(128),
            tv.ToTensor(),
            tv.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    with torch.no_grad():
        batch = torch.stack([usual(Pillow.fromarray(image)) for image in images])
        expected = vit.forward_features(batch).mean(1).numpy()
    assert np.allclose(ViTEmbedder("x", vit).embed(images), expected, atol=1e-4)


def test_normalize_agrees_with_what_embedding_does(images) -> None:
    """Training and embedding must feed the network alike."""
    vit = init_vit(0)
    pixels = torch.from_numpy(images[0].copy()).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        trained_like = vit(normalize(pixels)).numpy()
    assert np.allclose(ViTEmbedder("x", vit).embed(images[:1]), trained_like, atol=1e-4)


def test_batches_change_nothing(images) -> None:
    embedder = ViTEmbedder("x", init_vit(0))
    together = embedder.embed(images)
    embedder.batch_size = 2
    assert together.dtype == np.float32
    assert np.allclose(together, embedder.embed(images), atol=1e-5)
    assert embedder.embed([]).shape == (0, WIDTH)


def test_layers_are_the_outputs_of_blocks(images) -> None:
    vit, seen = init_vit(0), []
    for block in vit.blocks:
        block.register_forward_hook(lambda _m, _i, output: seen.append(output.mean(1).numpy()))
    embedder = ViTEmbedder("zoo/x", vit)
    in_pytorch(embedder).forward(embedder.prepare(images))  # as one batch
    outputs = seen[-DEPTH:]
    layers = in_pytorch(ViTEmbedder("zoo/x@layer=all", vit, {"layer": "all"})).embed_layers(images)
    assert list(layers) == [f"zoo/x@layer={number}" for number in range(1, DEPTH + 1)]
    for number, (name, embedding) in enumerate(layers.items(), start=1):
        assert np.allclose(embedding, outputs[number - 1], atol=1e-5)
        alone = ViTEmbedder(name, vit, {"layer": str(number)})
        assert list(alone.embed_layers(images)) == [name]
        assert np.allclose(alone.embed(images), embedding, atol=1e-5)
        assert alone.blocks == ()
        assert alone.embed_blocks(images) == {}
    blocks = embedder.embed_blocks(images)
    assert list(blocks) == list(embedder.blocks) == [f"{number}.mean" for number in range(1, DEPTH + 1)]
    for block, embedding in zip(blocks.values(), layers.values(), strict=True):
        assert np.array_equal(block, embedding)
    assert [block.shape for block in embedder.embed_blocks([]).values()] == [(0, WIDTH)] * DEPTH


@pytest.mark.parametrize(
    ("options", "told"),
    [({"layer": "7"}, "layers 1 to 6"), ({"pool": "cls"}, "no class token"), ({"seed": "1"}, "@seed=")],
)
def test_what_it_does_not_have_is_refused(options, told) -> None:
    with pytest.raises(BadConfig, match=told):
        ViTEmbedder("x", init_vit(0), options)


@pytest.mark.usefixtures("two_threads")
def test_out_of_memory_halves_the_batch(images, monkeypatch) -> None:
    vit = init_vit(0)
    embedder = ViTEmbedder("x", vit)
    embedder.run_in_pytorch()
    together, forward, sizes = embedder.embed(images), vit.forward_features, []

    def hungry(batch):
        sizes.append(len(batch))
        if len(batch) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return forward(batch)

    monkeypatch.setattr(vit, "forward_features", hungry)
    embedder.batch_size = 4
    assert np.allclose(together, embedder.embed(images), atol=1e-5)
    assert sorted(sizes) in ([1, 2, 2, 2, 3], [1, 2, 2, 4])  # on several cores, or on one
    assert embedder.batch_halved
    assert embedder.batch_size == 2


def test_bfloat16_is_close(images) -> None:
    vit = init_vit(0)
    full, half = (ViTEmbedder("x", vit, precision=p).embed(images) for p in ("float32", "bfloat16"))
    assert half.dtype == np.float32
    assert not np.array_equal(full, half)
    cosine = (full * half).sum(1) / np.linalg.norm(full, axis=1) / np.linalg.norm(half, axis=1)
    assert cosine.min() > 0.999


def test_recipe_holds_what_changes_the_embedding() -> None:
    vit = init_vit(0)
    recipes = [
        ViTEmbedder("x", vit).recipe(),
        ViTEmbedder("x", vit, {"layer": "2"}).recipe(),
        ViTEmbedder("x", vit, precision="bfloat16").recipe(),
        ViTEmbedder("x", init_vit(1)).recipe(),
    ]
    assert len({json.dumps(recipe) for recipe in recipes}) == 4


def test_listing_loads_no_framework() -> None:
    code = "import sys, probing_core.models.zoo; print([m for m in ('torch', 'timm', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
