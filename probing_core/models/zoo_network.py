"""Network for the zoo encoders: a small ViT with a convolutional stem inside each 16 px patch.

A single linear projection of 16 x 16 pixels averages out texture before a nonlinearity can measure it. The stem
projects cells of 4 x 4 pixels, and then merges 2 x 2 cells twice. The kernels do not overlap, so a token depends only
on its own patch, as masked objectives require. There is no normalization, so an embedding depends neither on other
images nor on the visible fraction of the image. The initial weights determine the scale of the activations.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import safe_open
from timm.layers import build_sincos2d_pos_embed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from probing_core.errors import ModelUnavailable, one_line
from probing_core.models.hub import weights_digest
from probing_core.models.network import NetworkEmbedder
from probing_core.models.network_facts import Network
from probing_core.models.zoo_input import PATCH, PATCHES_PER_SIDE, PREPROCESSING, SIZE, WIDTH

ARCHITECTURE = "patch-stem"
"""Name of the architecture in the metadata of weight files."""

DESCRIPTION = "ViT 128 px, patch 16, stem of 96 and 128 channels inside the patches, width 192, depth 4, 3 heads"

ZOO_DEPTH = 4
"""Number of blocks."""

ZOO_HEADS = 3
"""Number of attention heads per block."""

KERNELS = (4, 2, 2)
"""Kernel sizes of the convolutions in the stem. Their product is the patch size."""

WIDTHS = (96, 128)
"""Numbers of channels between the convolutions of the stem. The last convolution yields the token."""

RECTIFIER_GAIN = math.sqrt(2 / (1 - 1 / math.pi))
"""Gain that preserves the variance of ReLU outputs for random weights (Brock et al. 2021, NF-ResNets)."""

DETAIL_GAIN = 4.0
"""Gain of the filters in the first convolution that do not respond to constant color. Neighboring pixels of photographs
are nearly equal, so filters of equal norm would respond ten times more strongly to color than to detail."""

LEVEL_GAIN = 0.5
"""Gain of the filters in the first convolution that respond to constant color."""


class PatchStem(nn.Module):
    """Stem that yields one token per patch, used as the ``embed_layer`` of timm's `VisionTransformer`."""

    def __init__(self, img_size: int = SIZE, patch_size: int = PATCH, embed_dim: int = WIDTH, **_: Any) -> None:
        super().__init__()
        self.num_patches = (img_size // patch_size) ** 2
        inputs, outputs = (3, *WIDTHS), (*WIDTHS, embed_dim)
        triples = zip(inputs, outputs, KERNELS, strict=True)
        self.maps = nn.ModuleList(nn.Conv2d(c, width, kernel, kernel) for c, width, kernel in triples)

    def forward(self, images: Tensor) -> Tensor:
        """Compute tokens (N, 64, D) from images (N, 3, 128, 128)."""
        x = images
        for position, layer in enumerate(self.maps):
            x = layer(nn.functional.relu_(x) if position else x)
        return x.flatten(2).transpose(1, 2)  # OpenVINO does not support .mT


def build_vit(depth: int, stem: Callable[..., nn.Module]) -> VisionTransformer:
    """Build a ViT with the sizes of the zoo encoders, and initialize its weights with the global random state.

    Position embeddings are initialized with the two-dimensional sinusoidal embeddings of MAE (He et al. 2022) and then
    trained. With random initialization, learning positions would take many of the few steps of masked training.

    Args:
        stem: class of the module that computes tokens.
    """
    vit = VisionTransformer(
        img_size=SIZE,
        patch_size=PATCH,
        embed_dim=WIDTH,
        depth=depth,
        num_heads=ZOO_HEADS,
        num_classes=0,
        class_token=False,
        global_pool="avg",
        fc_norm=False,  # normalize tokens before the mean, so that decoders receive normalized tokens
        embed_layer=stem,
    )
    vit.pos_embed = nn.Parameter(
        build_sincos2d_pos_embed([PATCHES_PER_SIDE, PATCHES_PER_SIDE], WIDTH, interleave_sin_cos=False)[None]
    )
    return vit


def init_vit(seed: int) -> VisionTransformer:
    """Build an encoder with random weights, without changing the global random state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vit = build_vit(ZOO_DEPTH, PatchStem)
        init_maps(vit.patch_embed.maps)
    return vit


@torch.no_grad()
def init_maps(maps: Sequence[nn.Conv2d], gain: float = RECTIFIER_GAIN) -> None:
    """Initialize convolutions with random filters of equal norm that preserve the variance.

    In half of the filters, the weights for each channel sum to 0, so that these filters measure detail instead of mean
    color.

    Args:
        gain: gain of the activation function between the convolutions.
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
    """A loaded network with the architecture of the zoo encoders.

    Args:
        vit: network from `init_vit`, with any weights.
        weights: digest of the weights; by default, computed from their bytes.
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
            return vit.forward_features(batch).float().mean(1)  # average in float32 for every precision

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
            raise ValueError(f"its architecture is '{architecture}', but this version requires '{ARCHITECTURE}'")
        with torch.device("meta"):  # skip initialization, because the file has all weights
            vit = init_vit(0)
        encoder = {key.removeprefix("encoder."): weights[key] for key in weights if key.startswith("encoder.")}
        vit.load_state_dict(encoder, assign=True)
    except Exception as error:  # the file may contain anything
        raise ModelUnavailable(f"'{path}' is not a readable zoo encoder: {one_line(error)}.") from error
    return ViTEmbedder(name, vit, options, device, precision, _digest(weights, vit))


def _digest(weights: Mapping[str, torch.Tensor], vit: nn.Module) -> str:
    """Compute the digest of the weights of the image encoder and, in layer order, of the text encoder, if any."""
    text_keys = [key for key in weights if key.startswith("text.")]
    if not text_keys:
        return weights_digest(vit.state_dict())

    def place(key: str) -> tuple:
        layer = key.removesuffix("weight").removesuffix("bias")
        _, part, *inner = layer.split(".")
        first = ("positions", "words", "blocks", "project").index(part)
        return first, inner[:2], "self_attn" not in inner, "out_proj" in inner, layer, key.endswith("bias")

    encoder = {f"encoder.{key}": tensor for key, tensor in vit.state_dict().items()}
    return weights_digest(encoder | {key: weights[key] for key in sorted(text_keys, key=place)})
