"""The zoo's first encoder: a small ViT that is the same for every objective, and how the zoo's encoders embed pictures.

128 px, patches of 16 px (64 tokens), width 192, depth 6, 3 heads, no class token: 2.8 M parameters and 0.37 GFLOP an
image. `patch_stem` has its successor; `architectures` lists both. The embedding is the mean of the normalized patch
tokens, so that objectives which never train a class token (MAE, CAN) are read out like the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from probing_core.models.base import Preprocessing
from probing_core.models.network.embedder import Network, NetworkEmbedder
from probing_core.models.zoo.sizes import DEPTH, GRID, HEADS, PATCH, SIZE, WIDTH

if TYPE_CHECKING:
    import torch
    from timm.models.vision_transformer import VisionTransformer
    from torch import nn

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
    """Return an encoder with random weights drawn from ``seed`` alone; the global random state stays as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_vit(DEPTH)


def build_vit(depth: int, stem: Callable[..., nn.Module] | None = None) -> VisionTransformer:
    """Build a ViT of the zoo's size; its weights are drawn from the global random state.

    Positions start as the two-dimensional sine and cosine code of MAE (He et al. 2022) and are trained: at fewer
    than two thousand steps, positions drawn at random would cost the masked objectives much of their training.

    Args:
        depth: number of blocks.
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
        name: the full name, options included.
        vit: from `init_vit` or `patch_stem.init_patch_stem_vit`, with whatever weights.
        options: ``layer`` (from 1: the mean of the tokens that block gives out, before the last
            normalization; ``all``: each of them from one pass); ``pool`` may be ``mean`` alone.
        device, precision: as of `NetworkEmbedder`.
        weights: digest of the weights, where it is not that of their bytes.
        architecture: what the network is made of, in words.

    Raises:
        BadConfig: an option the encoder does not have.
    """

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
