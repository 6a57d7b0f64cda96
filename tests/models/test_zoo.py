from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image as Pillow
from safetensors import safe_open
from safetensors.torch import save as to_bytes
from torchvision import transforms as tv

from lab.pretraining.loop import Facts, export
from lab.pretraining.objectives import Objective, build, normalize
from lab.pretraining.publish import MAX_BYTES, MAX_BYTES_WITH_TEXT, WITH_TEXT
from lab.pretraining.recipe import load_recipe, recipe_names
from probing_core.errors import BadConfig, ModelUnavailable
from probing_core.models import compiled, load_embedder, zoo
from probing_core.models.hub import signs_digest, weights_digest
from probing_core.models.model_names import parse
from probing_core.models.zoo import SPECS, weights_path
from probing_core.models.zoo_input import WIDTH
from probing_core.models.zoo_network import DESCRIPTION, ZOO_DEPTH, ViTEmbedder, init_vit, load_zoo
from tests.models.made import in_pytorch, pictures

pytestmark = pytest.mark.slow

ROWS = pd.DataFrame({"label": ["horse", "dog"] * 4, "style": ["photo", "sketch"] * 4})
IMAGES = pictures()


def save(name: str, path: Path) -> Objective:
    """An untrained encoder in the form of a trained one."""
    recipe = load_recipe(name)
    objective = build(recipe, ROWS, 0).eval()
    facts = Facts(
        recipe=recipe.to_json(),
        architecture="patch-stem",
        seed=0,
        steps=1,
        batch=8,
        flops_per_step=1,
        precision="float32",
        device="cpu",
        threads=1,
        pictures=8,
        pictures_digest="",
        torch=torch.__version__,
    )
    path.write_bytes(export(objective, facts))
    return objective


def test_what_is_missing_says_why(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(zoo, "data_dir", lambda: tmp_path)
    (tmp_path / "zoo").mkdir()
    save("mae", weights_path("mae"))
    availability = {spec.name: spec.check() for spec in SPECS}
    assert [name for name, there in availability.items() if there.available] == ["zoo/mae"]
    assert "python -m lab.pretraining can" in availability["zoo/can"].hint


@pytest.mark.parametrize("name", ["can", "clip"])
def test_half_precision_is_all_that_is_lost(name: str, tmp_path: Path) -> None:
    """The words of a training count in the digest, as two networks in one module list their tensors."""
    objective = save(name, tmp_path / "x")
    counted = objective.encoder
    if name == "clip":
        counted = torch.nn.ModuleDict({"encoder": objective.encoder, "text": objective.text})
    embedder = load_zoo(tmp_path / "x", f"zoo/{name}", {}, "cpu", "float32")
    assert embedder.recipe()["weights"] == weights_digest(counted.half().float().state_dict())
    embeddings = embedder.embed(IMAGES)
    assert embeddings.shape == (3, 192)
    assert np.isfinite(embeddings).all()


def test_a_file_of_ones_own_can_be_named(tmp_path: Path) -> None:
    save("mae", tmp_path / "mine.safetensors")
    spec = next(spec for spec in SPECS if spec.name == "zoo/mae")
    name = f"zoo/mae@layer=2@weights={tmp_path}/mine.safetensors"
    embedder = spec.loader(parse(name), "cpu", "float32")
    assert embedder.name == name
    assert embedder.embed(IMAGES).shape == (3, 192)
    with pytest.raises(BadConfig, match="'@weights=' or '@seed=', not both"):
        spec.loader(parse(f"zoo/mae@seed=1@weights={tmp_path}/mine.safetensors"), "cpu", "float32")


def test_a_further_training_is_named_by_its_seed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(zoo, "data_dir", lambda: tmp_path)
    (tmp_path / "zoo" / "seeds").mkdir(parents=True)
    save("mae", weights_path("mae"))
    spec = next(spec for spec in SPECS if spec.name == "zoo/mae")
    with pytest.raises(
        ModelUnavailable, match="no training run of 'zoo/mae' with seed 1: .*mae-seed-1.safetensors' is missing"
    ):
        spec.loader(parse("zoo/mae@seed=1"), "cpu", "float32")
    save("can", weights_path("mae", 1))
    first, second = (spec.loader(parse(name), "cpu", "float32") for name in ("zoo/mae", "zoo/mae@seed=1"))
    assert (first.name, second.name) == ("zoo/mae", "zoo/mae@seed=1")
    assert np.array_equal(first.embed(IMAGES), second.embed(IMAGES)), "both were saved from the same start"


def of_network(facts: str, **tensors: torch.Tensor) -> bytes:
    return to_bytes({f"encoder.{name}": tensor for name, tensor in tensors.items()}, {"facts": facts})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (lambda: None, "is not a readable zoo encoder"),
        (lambda: b"", "is not a readable zoo encoder"),
        (lambda: b"junk" * 100, "is not a readable zoo encoder"),
        (lambda: of_network('{"architecture": "patch-stem"}', head=torch.zeros(3)), "Missing key"),
        (lambda: of_network("{}", **init_vit(3).half().state_dict()), "but this version requires 'patch-stem'"),
        (
            lambda: of_network('{"architecture": "perceiver"}', **init_vit(3).half().state_dict()),
            "its architecture is 'perceiver', but this version requires 'patch-stem'",
        ),
    ],
)
def test_what_is_no_encoder_of_the_zoo_is_refused(content, told: str, tmp_path: Path) -> None:
    if (written := content()) is not None:
        (tmp_path / "x").write_bytes(written)
    with pytest.raises(ModelUnavailable, match=told):
        load_zoo(tmp_path / "x", "zoo/mae", {}, "cpu", "float32")


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_what_ships_is_whole(spec) -> None:
    name = spec.name.removeprefix("zoo/")
    assert name in recipe_names()
    content = weights_path(name).read_bytes()
    assert len(content) <= (MAX_BYTES_WITH_TEXT if name in WITH_TEXT else MAX_BYTES)
    card = weights_path(name).with_suffix(".md").read_text()
    assert hashlib.sha256(content).hexdigest() in card
    assert "The gate requires" in card
    with safe_open(weights_path(name), "pt") as file:
        dtypes = {file.get_tensor(key).dtype for key in file.keys()}  # noqa: SIM118, not a dict
    assert dtypes == {torch.float16}
    embedder = spec.loader(parse(spec.name), "cpu", "auto")
    embeddings = embedder.embed(IMAGES)
    assert embeddings.shape == (3, 192)
    assert np.isfinite(embeddings).all()


def test_a_seed_names_the_same_network_on_every_processor(monkeypatch) -> None:
    """Other vector units give other last bits; the baseline's identity must not name the machine."""
    monkeypatch.setattr(compiled, "installed_version", lambda: "")  # nothing is embedded
    # No forward pass: PyTorch cannot make one on a processor with matrix units (AMX) that is told to do without them.
    code = (
        f"from {init_vit.__module__} import init_vit\n"
        f"from {signs_digest.__module__} import signs_digest\n"
        "for seed in (0, 1): print(signs_digest(init_vit(seed)))"
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


def test_the_untrained_baseline_gives_the_mean_token_of_the_usual_preprocessing() -> None:
    vit, embedder = init_vit(2), load_embedder("baseline/random-vit@seed=2", precision="float32")
    assert embedder.recipe()["architecture"] == DESCRIPTION == load_embedder("zoo/mae").recipe()["architecture"]
    usual = tv.Compose(
        [
            tv.Resize(128, tv.InterpolationMode.BICUBIC),
            tv.CenterCrop(128),
            tv.ToTensor(),
            tv.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    with torch.no_grad():
        batch = torch.stack([usual(Pillow.fromarray(image)) for image in IMAGES])
        expected = vit.forward_features(batch).mean(1).numpy()
    assert np.allclose(embedder.embed(IMAGES), expected, atol=1e-4)


def test_normalize_agrees_with_what_embedding_does() -> None:
    """Training and embedding must feed the network alike."""
    vit = init_vit(0)
    pixels = torch.from_numpy(IMAGES[1].copy()).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        trained_like = vit(normalize(pixels)).numpy()
    assert np.allclose(ViTEmbedder("x", vit).embed(IMAGES[1:2]), trained_like, atol=1e-4)


def test_layers_are_the_outputs_of_blocks() -> None:
    vit, seen = init_vit(0), []
    for block in vit.blocks:
        block.register_forward_hook(lambda _m, _i, output: seen.append(output.mean(1).numpy()))
    embedder = ViTEmbedder("zoo/x", vit)
    in_pytorch(embedder).forward(embedder.prepare(IMAGES))  # as one batch
    outputs = seen[-ZOO_DEPTH:]
    layers = in_pytorch(ViTEmbedder("zoo/x@layer=all", vit, {"layer": "all"})).embed_layers(IMAGES)
    assert list(layers) == [f"zoo/x@layer={number}" for number in range(1, ZOO_DEPTH + 1)]
    for number, (name, embedding) in enumerate(layers.items(), start=1):
        assert np.allclose(embedding, outputs[number - 1], atol=1e-5)
        alone = ViTEmbedder(name, vit, {"layer": str(number)})
        assert list(alone.embed_layers(IMAGES)) == [name]
        assert np.allclose(alone.embed(IMAGES), embedding, atol=1e-5)
        assert alone.blocks == ()
        assert alone.embed_blocks(IMAGES) == {}
    blocks = embedder.embed_blocks(IMAGES)
    assert list(blocks) == list(embedder.blocks) == [f"{number}.mean" for number in range(1, ZOO_DEPTH + 1)]
    for block, embedding in zip(blocks.values(), layers.values(), strict=True):
        assert np.array_equal(block, embedding)
    assert [block.shape for block in embedder.embed_blocks([]).values()] == [(0, WIDTH)] * ZOO_DEPTH


@pytest.mark.parametrize(
    ("options", "told"),
    [({"layer": "5"}, "layer from 1 to 4"), ({"pool": "cls"}, "no class token"), ({"seed": "1"}, "@seed=")],
)
def test_what_it_does_not_have_is_refused(options, told) -> None:
    with pytest.raises(BadConfig, match=told):
        ViTEmbedder("x", init_vit(0), options)


def test_recipe_holds_what_changes_the_embedding() -> None:
    vit = init_vit(0)
    recipes = [
        ViTEmbedder("x", vit).recipe(),
        ViTEmbedder("x", vit, {"layer": "2"}).recipe(),
        ViTEmbedder("x", vit, precision="bfloat16").recipe(),
        ViTEmbedder("x", init_vit(1)).recipe(),
    ]
    assert len({json.dumps(recipe) for recipe in recipes}) == 4
