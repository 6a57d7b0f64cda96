from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open

from lab.pretraining.loop import Facts, export
from lab.pretraining.objectives import Objective
from lab.pretraining.publish import MAX_BYTES, MAX_BYTES_WITH_TEXT, WITH_TEXT
from lab.pretraining.recipe import load_recipe, recipe_names
from lab.pretraining.run import build
from probing_core.errors import BadConfig, ModelUnavailable
from probing_core.models import zoo
from probing_core.models.names import parse
from probing_core.models.weights import weights_digest
from probing_core.models.zoo import SPECS, load_zoo, weights_path

pytestmark = pytest.mark.slow

ROWS = pd.DataFrame({"label": ["horse", "dog"] * 4, "style": ["photo", "sketch"] * 4})
IMAGES = [np.full((140, 160, 3), value, np.uint8) for value in (10, 200)]


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


def test_there_are_nine_one_for_each_recipe() -> None:
    assert {spec.name for spec in SPECS} == {f"zoo/{name}" for name in recipe_names()}
    assert len(SPECS) == 9
    for spec in SPECS:
        assert spec.dim == 192
        assert spec.license


def test_what_is_missing_says_why(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(zoo, "data_dir", lambda: tmp_path)
    (tmp_path / "zoo").mkdir()
    save("mae", weights_path("mae"))
    availability = {spec.name: spec.check() for spec in SPECS}
    assert [name for name, there in availability.items() if there.available] == ["zoo/mae"]
    assert "python -m lab.pretraining can" in availability["zoo/can"].why_not


def test_half_precision_is_all_that_is_lost(tmp_path: Path) -> None:
    objective = save("can", tmp_path / "x")
    embedder = load_zoo(tmp_path / "x", "zoo/can", {}, "cpu", "float32")
    halved = objective.encoder.half().float()
    assert embedder.recipe()["weights"] == weights_digest(halved.state_dict())
    embeddings = embedder.embed(IMAGES)
    assert embeddings.shape == (2, 192)
    assert np.isfinite(embeddings).all()


def test_the_words_of_a_training_count_in_the_digest_and_nowhere_else(tmp_path: Path) -> None:
    """As two networks in one module list their tensors, which is what runs of before have recorded."""
    objective = save("clip", tmp_path / "x")
    both = torch.nn.ModuleDict({"encoder": objective.encoder, "text": objective.text}).half().float()
    embedder = load_zoo(tmp_path / "x", "zoo/clip", {}, "cpu", "float32")
    assert embedder.recipe()["weights"] == weights_digest(both.state_dict())


def test_a_file_of_ones_own_can_be_named(tmp_path: Path) -> None:
    save("mae", tmp_path / "mine.safetensors")
    spec = next(spec for spec in SPECS if spec.name == "zoo/mae")
    name = f"zoo/mae@layer=2@weights={tmp_path}/mine.safetensors"
    embedder = spec.loader(spec, parse(name).options, "cpu", "float32")
    assert embedder.name == name
    assert embedder.embed(IMAGES).shape == (2, 192)
    with pytest.raises(BadConfig, match="'@weights=' or '@seed=', not both"):
        spec.loader(spec, {"seed": "1", "weights": f"{tmp_path}/mine.safetensors"}, "cpu", "float32")


def test_a_further_training_is_named_by_its_seed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(zoo, "data_dir", lambda: tmp_path)
    (tmp_path / "zoo" / "seeds").mkdir(parents=True)
    save("mae", weights_path("mae"))
    spec = next(spec for spec in SPECS if spec.name == "zoo/mae")
    with pytest.raises(
        ModelUnavailable, match="no training of 'zoo/mae' with seed 1: .*mae-seed-1.safetensors' is missing"
    ):
        spec.loader(spec, {"seed": "1"}, "cpu", "float32")
    save("can", weights_path("mae", 1))
    first, second = (spec.loader(spec, options, "cpu", "float32") for options in ({}, {"seed": "1"}))
    assert (first.name, second.name) == ("zoo/mae", "zoo/mae@seed=1")
    assert np.array_equal(first.embed(IMAGES), second.embed(IMAGES)), "both were saved from the same start"


@pytest.mark.parametrize("content", [b"", b"junk" * 100])
def test_a_damaged_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ModelUnavailable, match="no encoder of the zoo"):
        load_zoo(tmp_path / "x", "zoo/mae", {}, "cpu", "float32")


def test_another_networks_weights_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"encoder.head": torch.zeros(3)}, tmp_path / "x", {"facts": "{}"})
    with pytest.raises(ModelUnavailable, match="Missing key"):
        load_zoo(tmp_path / "x", "zoo/mae", {}, "cpu", "float32")
    with pytest.raises(ModelUnavailable, match="no encoder of the zoo"):
        load_zoo(tmp_path / "absent", "zoo/mae", {}, "cpu", "float32")


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_what_ships_is_whole(spec) -> None:
    name = spec.name.removeprefix("zoo/")
    content = weights_path(name).read_bytes()
    assert len(content) <= (MAX_BYTES_WITH_TEXT if name in WITH_TEXT else MAX_BYTES)
    card = weights_path(name).with_suffix(".md").read_text()
    assert hashlib.sha256(content).hexdigest() in card
    assert "The gate asks for" in card
    with safe_open(weights_path(name), "pt") as file:
        dtypes = {file.get_tensor(key).dtype for key in file.keys()}  # noqa: SIM118, not a dict
    assert dtypes == {torch.float16}
    embedder = spec.loader(spec, {}, "cpu", "auto")
    embeddings = embedder.embed(IMAGES)
    assert embeddings.shape == (2, 192)
    assert np.isfinite(embeddings).all()
