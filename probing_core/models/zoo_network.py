"""The network of the zoo's encoders: a small ViT after a stem of maps and rectifiers inside each 16 px patch.

One linear map of 16 x 16 pixels averages texture away before a nonlinearity can measure it. The stem maps cells of
4 x 4 pixels, then joins 2 x 2 cells, then 2 x 2 of those. Its kernels do not overlap, so that a token depends on its
own patch alone, as masked objectives need. It has no normalization, so that an embedding depends neither on other
pictures nor on how much of a picture is visible; the initial weights set the scale of the activations.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError, safe_open
from timm.layers import build_sincos2d_pos_embed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from probing_core.errors import ModelUnavailable, one_line
from probing_core.models.hub import weights_digest
from probing_core.models.network import NetworkEmbedder
from probing_core.models.network_facts import Network
from probing_core.models.zoo_input import GRID, PATCH, PREPROCESSING, SIZE, WIDTH

ARCHITECTURE = "patch-stem"
"""Name of the network in the facts of a file of weights."""

DESCRIPTION = "ViT 128 px, patch 16, stem of 96 and 128 channels inside the patches, width 192, depth 4, 3 heads"

DEPTH, HEADS = 4, 3
KERNELS = (4, 2, 2)
"""Sides of the cells that a map joins: pixels, then cells of the map before. Their product is the patch."""

WIDTHS = (96, 128)
"""Channels between the maps; the last map gives the token."""

RECTIFIER_GAIN = math.sqrt(2 / (1 - 1 / math.pi))
"""Keeps the variance of a rectifier's output over random weights (Brock et al. 2021, NF-ResNets)."""

DETAIL_GAIN, LEVEL_GAIN = 4.0, 0.5
"""Scales of the first map's filters without and with a response to constant color. Neighboring pixels of photographs
are nearly equal: filters of equal norm would respond to detail about a tenth as strongly as to color."""


class PatchStem(nn.Module):
    """Pictures -> one token per patch; called by timm's `VisionTransformer` as its ``embed_layer``."""

    def __init__(self, img_size: int = SIZE, patch_size: int = PATCH, embed_dim: int = WIDTH, **_: Any) -> None:
        super().__init__()
        self.num_patches = (img_size // patch_size) ** 2
        inputs, outputs = (3, *WIDTHS), (*WIDTHS, embed_dim)
        triples = zip(inputs, outputs, KERNELS, strict=True)
        self.maps = nn.ModuleList(nn.Conv2d(c, width, kernel, kernel) for c, width, kernel in triples)

    def forward(self, images: Tensor) -> Tensor:
        """Return the tokens (N, 64, D) of pictures (N, 3, 128, 128)."""
        x = images
        for position, layer in enumerate(self.maps):
            x = layer(nn.functional.relu_(x) if position else x)
        return x.flatten(2).transpose(1, 2)  # OpenVINO has no rule for .mT


def build_vit(depth: int, stem: Callable[..., nn.Module]) -> VisionTransformer:
    """Build a ViT of the zoo's size; its weights are drawn from the global random state.

    Positions start as the two-dimensional sine and cosine code of MAE (He et al. 2022) and are trained: random ones
    would cost the masked objectives much of their few steps.

    Args:
        stem: makes tokens of pictures.
    """
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
        embed_layer=stem,
    )
    vit.pos_embed = nn.Parameter(build_sincos2d_pos_embed([GRID, GRID], WIDTH, interleave_sin_cos=False)[None])
    return vit


def init_vit(seed: int) -> VisionTransformer:
    """Return an encoder with random weights; the global random state is restored."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vit = build_vit(DEPTH, PatchStem)
        init_maps(vit.patch_embed.maps)
    return vit


@torch.no_grad()
def init_maps(maps: Sequence[nn.Conv2d], gain: float = RECTIFIER_GAIN) -> None:
    """Initialize random filters of equal norm, scaled so that variance is the same from map to map.

    In half of them the weights of a channel sum to 0: they measure detail, where random filters measure mean color.

    Args:
        gain: of the function between the maps.
    """
    for position, layer in enumerate(maps):
        weight = layer.weight
        weight.normal_()
        half = len(weight) // 2
        weight[:half] -= weight[:half].mean(dim=(2, 3), keepdim=True)
        weight /= weight.pow(2).sum(dim=(1, 2, 3), keepdim=True).sqrt()
        if position:
            weight *= gain
        else:
            weight[:half] *= DETAIL_GAIN
            weight[half:] *= LEVEL_GAIN
        if layer.bias is not None:
            layer.bias.zero_()


class ViTEmbedder(NetworkEmbedder):
    """An encoder of the zoo in memory.

    Args:
        vit: of `init_vit`, with any weights.
        weights: digest of the weights, where it is not that of their bytes.
    """

    def __init__(
        self,
        name: str,
        vit: VisionTransformer,
        options: Mapping[str, str] | None = None,
        device: str = "cpu",
        precision: str = "float32",
        weights: str = "",
    ) -> None:
        def embed(batch: Tensor) -> Tensor:
            return vit.forward_features(batch).float().mean(1)  # summed in float32, whatever the precision

        network = Network(
            module=vit,
            embed=embed,
            pooling="mean",
            features=vit.forward_features,
            blocks=list(vit.blocks),  # type: ignore[arg-type]
            weights=weights,
            details={"architecture": DESCRIPTION},
            versions={"timm": timm.__version__},
        )
        super().__init__(name, network, PREPROCESSING, options or {}, device, precision)


def load_zoo(path: Path, name: str, options: Mapping[str, str], device: str, precision: str) -> ViTEmbedder:
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {})["facts"])
            weights = {key: file.get_tensor(key).to(torch.float32, copy=True) for key in file.keys()}  # noqa: SIM118, not a dict
        if (architecture := facts.get("architecture")) != ARCHITECTURE:
            raise ValueError(f"its network is '{architecture}', and that of this version is '{ARCHITECTURE}'")
        with torch.device("meta"):  # no weights are drawn, since the file has all of them
            vit = init_vit(0)
        encoder = {key.removeprefix("encoder."): weights[key] for key in weights if key.startswith("encoder.")}
        vit.load_state_dict(encoder, assign=True)
    except (OSError, SafetensorError, RuntimeError, KeyError, ValueError) as error:
        raise ModelUnavailable(f"'{path}' holds no encoder of the zoo that can be read: {one_line(error)}.") from error
    return ViTEmbedder(name, vit, options, device, precision, _digest(weights, vit))


def _digest(weights: Mapping[str, torch.Tensor], vit: nn.Module) -> str:
    """Return the digest by which runs know a model: the text tower counts too, in the order of its layers."""
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
