"""The zoo: small encoders that this project pretrained, alike in everything but the objective.

Weights lie in ``data/zoo/<name>.safetensors``, with a model card ``<name>.md`` beside each. A training's own
``encoder.safetensors`` has the same form: ``zoo/mae@weights=PATH`` embeds with it. The facts in a file name its
architecture. ``data/zoo/seeds`` holds further trainings, ``zoo/mae@seed=1``, alike in everything but the seed of
weights, order and views; they are in the repository and not in the package. ``data/zoo/next`` holds encoders that are
published and not yet listed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from probing_core.errors import BadConfig, ModelUnavailable, one_line
from probing_core.models.base import Availability, EmbedderSpec
from probing_core.models.names import ModelName
from probing_core.models.weights import weights_digest
from probing_core.models.zoo.architectures import architecture_of
from probing_core.models.zoo.sizes import SIZE, WIDTH
from probing_core.models.zoo.vit import ViTEmbedder
from probing_core.paths import data_dir, user_path

if TYPE_CHECKING:
    import torch
    from torch import nn


DATA = "13,069 pictures of Caltech-101 and PACS"
LICENSE = "research use: trained on Caltech-101 (CC BY 4.0) and PACS, whose pictures state no license"

ENCODERS = {
    "supervised": ("supervised", "supervised"),
    "simclr": ("SimCLR", "SimCLR"),
    "mae": ("MAE", "MAE"),
    "can": ("CAN", "CAN"),
    "clip": ("CLIP-style", ""),
    "align": ("ALIGN-style", ""),
    "simclr-matched": ("SimCLR, views of crop and flip alone", ""),
    "clip-plain": ("CLIP-style, captions without style", "CLIP"),
    "align-plain": ("ALIGN-style, captions without style", "ALIGN"),
}
"""Name in the zoo -> what it was trained for, and its role in the claims. What is claimed
of image-text models is tested on the encoders whose captions never name a style."""


def weights_path(name: str, seed: int = 0) -> Path:
    """Return where the weights of the zoo's ``name`` lie, whether they are there or not.

    Args:
        seed: of the training; 0 is the one that ships.
    """
    if seed:
        return data_dir() / "zoo" / "seeds" / f"{name}-seed-{seed}.safetensors"
    return data_dir() / "zoo" / f"{name}.safetensors"


def next_weights_path(name: str, seed: int = 0) -> Path:
    """Return where the weights of a training are published: those of seed 0 are to replace those of `weights_path`."""
    return weights_path(name, seed) if seed else data_dir() / "zoo" / "next" / f"{name}.safetensors"


def load_zoo(path: Path, name: str, options: Mapping[str, str], device: str, precision: str) -> ViTEmbedder:
    """Load the encoder in the file ``path``.

    Raises:
        ModelUnavailable: the file is missing, damaged, or not of the zoo.
    """
    import torch
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {})["facts"])
            weights = {key: file.get_tensor(key).to(torch.float32, copy=True) for key in file.keys()}  # noqa: SIM118, not a dict
        architecture = architecture_of(facts)
        with torch.device("meta"):  # no weights are drawn, since the file has all of them
            vit = architecture.init(0)
        vit.load_state_dict(_under("encoder.", weights), assign=True)
    except (OSError, SafetensorError, RuntimeError, KeyError, ValueError, BadConfig) as error:
        raise ModelUnavailable(f"'{path}' holds no encoder of the zoo that can be read: {one_line(error)}.") from error
    return ViTEmbedder(name, vit, options, device, precision, _digest(weights, vit), architecture.description)


def _under(prefix: str, weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key.removeprefix(prefix): tensor for key, tensor in weights.items() if key.startswith(prefix)}


def _digest(weights: Mapping[str, torch.Tensor], vit: nn.Module) -> str:
    """Return the digest of an encoder's weights. Where it learned with captions, the tower of the words counts too, in
    the order of its layers: models of runs are known by it."""
    words = [key for key in weights if key.startswith("text.")]
    if not words:
        return weights_digest(vit.state_dict())

    def place(key: str) -> tuple:
        layer = key.removesuffix("weight").removesuffix("bias")
        _, part, *inner = layer.split(".")
        first = ("positions", "words", "blocks", "project").index(part)
        return first, inner[:2], "self_attn" not in inner, "out_proj" in inner, layer, key.endswith("bias")

    encoder = {f"encoder.{key}": tensor for key, tensor in vit.state_dict().items()}
    return weights_digest(encoder | {key: weights[key] for key in sorted(words, key=place)})


def _load(spec: EmbedderSpec, options: Mapping[str, str], device: str, precision: str) -> ViTEmbedder:
    short, seed = spec.name.removeprefix("zoo/"), int(options.get("seed", 0))
    if "weights" in options and "seed" in options:
        raise BadConfig(f"'{spec.name}' takes '@weights=' or '@seed=', not both: a file of weights is one training.")
    path = user_path(options["weights"]) if "weights" in options else weights_path(short, seed)
    if seed and not path.is_file():
        raise ModelUnavailable(
            f"There is no training of '{spec.name}' with seed {seed}: '{path}' is missing; a clone of the repository "
            f"holds the second trainings that there are, and an installed package does not."
        )
    others = {name: value for name, value in options.items() if name != "seed"}
    return load_zoo(path, ModelName(spec.name, options).full, others, device, precision)


def _check(name: str) -> Availability:
    path = weights_path(name)
    if path.is_file():
        return Availability(True)
    return Availability(
        False,
        f"its weights are not in '{path}'; they come with the project, "
        f"or train them with `python -m lab.pretraining {name} --corpus C --out DIR` in a clone and copy "
        f"encoder.safetensors there",
    )


SPECS = tuple(
    EmbedderSpec(
        name=f"zoo/{name}",
        family="ViT",
        objective=objective,
        dim=WIDTH,
        license=LICENSE,
        weights="in the project",
        data=DATA,
        input_size=SIZE,
        role=role,
        loader=_load,
        check=partial(_check, name),
    )
    for name, (objective, role) in ENCODERS.items()
)
