"""The zoo: small encoders that this project pretrained, alike in everything but the objective.

Weights are in ``data/zoo/<name>.safetensors``, with a model card ``<name>.md`` next to each; the facts in a file name
its architecture. ``data/zoo/seeds`` holds second trainings (``zoo/mae@seed=1``), which the package does not ship, and
``data/zoo/next`` encoders that are published and not yet listed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probing_core.errors import BadConfig, ModelUnavailable, one_line
from probing_core.models.base import Availability, EmbedderSpec, Preprocessing
from probing_core.models.names import ModelName
from probing_core.models.network import Network, NetworkEmbedder
from probing_core.models.weights import weights_digest
from probing_core.paths import data_dir, user_path

if TYPE_CHECKING:
    import torch
    from timm.models.vision_transformer import VisionTransformer
    from torch import nn

SIZE, PATCH, WIDTH, DEPTH, HEADS = 128, 16, 192, 6, 3
GRID = SIZE // PATCH
TOKENS = GRID**2

DESCRIPTION = f"ViT {SIZE} px, patch {PATCH}, width {WIDTH}, depth {DEPTH}, {HEADS} heads"

PREPROCESSING = Preprocessing(
    size=(SIZE, SIZE),
    resize="shorter",
    crop=1.0,
    interpolation="bicubic",
    mean=(0.485, 0.456, 0.406),  # of ImageNet, the field's convention for photographs
    std=(0.229, 0.224, 0.225),
)


def init_vit(seed: int) -> VisionTransformer:
    """Return an encoder with random weights; the global random state stays as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_vit(DEPTH)


def build_vit(depth: int, stem: Callable[..., nn.Module] | None = None) -> VisionTransformer:
    """Build a ViT of the zoo's size; its weights are drawn from the global random state.

    Positions start as the two-dimensional sine and cosine code of MAE (He et al. 2022) and are trained: random ones
    would cost the masked objectives much of their few steps.

    Args:
        stem: what makes tokens of pictures; None: one linear map of each patch.
    """
    import torch
    from timm.layers import PatchEmbed, build_sincos2d_pos_embed
    from timm.models.vision_transformer import VisionTransformer

    vit = VisionTransformer(
        img_size=SIZE,
        patch_size=PATCH,
        embed_dim=WIDTH,
        depth=depth,
        num_heads=HEADS,
        num_classes=0,
        class_token=False,
        global_pool="avg",
        fc_norm=False,  # tokens are normalized before the mean, so that decoders receive them normalized too
        embed_layer=stem or PatchEmbed,
    )
    vit.pos_embed = torch.nn.Parameter(build_sincos2d_pos_embed([GRID, GRID], WIDTH, interleave_sin_cos=False)[None])
    return vit


def normalize(pixels: torch.Tensor) -> torch.Tensor:
    """Return the input of the encoder: (N, 3, H, W) in [0, 1], less `PREPROCESSING`'s mean, over its std."""
    import torch

    mean = torch.tensor(PREPROCESSING.mean, device=pixels.device).view(3, 1, 1)
    std = torch.tensor(PREPROCESSING.std, device=pixels.device).view(3, 1, 1)
    return (pixels - mean) / std


class ViTEmbedder(NetworkEmbedder):
    """The zoo's encoder in memory.

    Args:
        vit: from the ``init`` of an `Architecture`, with whatever weights.
        weights: digest of the weights, where it is not that of their bytes.
        architecture: its description."""

    def __init__(
        self,
        name: str,
        vit: VisionTransformer,
        options: Mapping[str, str] | None = None,
        device: str = "cpu",
        precision: str = "float32",
        weights: str = "",
        architecture: str = DESCRIPTION,
    ) -> None:
        network = _network(vit, weights, architecture)
        super().__init__(name, network, PREPROCESSING, options or {}, device, precision)


def _network(vit: VisionTransformer, weights: str, architecture: str) -> Network:
    import timm

    def embed(batch: torch.Tensor) -> torch.Tensor:
        return vit.forward_features(batch).float().mean(1)  # summed in float32, whatever the precision

    return Network(
        module=vit,
        embed=embed,
        pooling="mean",
        features=vit.forward_features,
        blocks=list(vit.blocks),  # type: ignore[arg-type]
        weights=weights,
        details={"architecture": architecture},
        versions={"timm": timm.__version__},
    )


@dataclass(frozen=True)
class Architecture:
    """A network that an encoder of the zoo can be.

    Attributes:
        name: as the facts of a file of weights give it.
        init: seed -> the network with random weights.
        description: what it is made of, in words; part of the recipe of an embedding.
    """

    name: str
    init: Callable[[int], VisionTransformer]
    description: str


def _init_patch_stem(seed: int) -> VisionTransformer:
    from probing_core.models.patch_stem import init_patch_stem_vit  # it imports torch at once

    return init_patch_stem_vit(seed)


LINEAR_PATCH = Architecture("linear-patch", init_vit, DESCRIPTION)
PATCH_STEM = Architecture(
    "patch-stem",
    _init_patch_stem,
    "ViT 128 px, patch 16, stem of 96 and 128 channels inside the patches, width 192, depth 4, 3 heads",
)
ARCHITECTURES = {architecture.name: architecture for architecture in (LINEAR_PATCH, PATCH_STEM)}

CURRENT = PATCH_STEM
"""Architecture of the encoders in ``data/zoo``, of those that `python -m lab.pretraining` trains, and of
``baseline/random-vit``."""


def architecture_of(facts: Mapping[str, Any]) -> Architecture:
    """Return the architecture that a file's facts name; the first zoo's where they name none."""
    name = facts.get("architecture", LINEAR_PATCH.name)
    if name not in ARCHITECTURES:
        raise BadConfig(f"The architecture '{name}' is not among those of the zoo: {', '.join(ARCHITECTURES)}.")
    return ARCHITECTURES[name]


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
"""Name in the zoo -> what it was trained for, and its role in the claims: captions of those with one name no style."""


def weights_path(name: str, seed: int = 0) -> Path:
    """Return the path of the weights of the zoo's ``name``, there or not; ``seed`` 0 is the training that ships."""
    if seed:
        return data_dir() / "zoo" / "seeds" / f"{name}-seed-{seed}.safetensors"
    return data_dir() / "zoo" / f"{name}.safetensors"


def next_weights_path(name: str, seed: int = 0) -> Path:
    """Return where a training is published: that of seed 0 is to replace the one that ships."""
    return weights_path(name, seed) if seed else data_dir() / "zoo" / "next" / f"{name}.safetensors"


def load_zoo(path: Path, name: str, options: Mapping[str, str], device: str, precision: str) -> ViTEmbedder:
    """Load the encoder in the file ``path``."""
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
    """Return the digest by which runs know a model: the tower of the words counts too, in the order of its layers."""
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
