"""The patch stem: maps and rectifiers inside each 16 px patch, in place of one linear map of the patch.

One linear map of 16 x 16 pixels averages texture away before a nonlinearity can measure it. The stem maps cells of
4 x 4 pixels, then joins 2 x 2 cells, then 2 x 2 of those. Its kernels do not overlap, so that a token depends on its
own patch alone, as masked objectives need. It has no normalization, so that an embedding depends neither on other
pictures nor on how much of a picture is visible; the initial weights set the scale of the activations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from probing_core.models.zoo import GRID, PATCH, SIZE, TOKENS, WIDTH, build_vit

DEPTH = 4
KERNELS = (4, 2, 2)
"""Sides of the cells that a map joins: pixels, then cells of the map before. Their product is the patch."""

WIDTHS = (96, 128)
"""Channels between the maps; the last map gives the token."""

RECTIFIER_GAIN = math.sqrt(2 / (1 - 1 / math.pi))
"""Keeps the variance over random weights of what a rectifier gives out (Brock et al. 2021, NF-ResNets)."""

DETAIL_GAIN, LEVEL_GAIN = 4.0, 0.5
"""Scales of the first map's filters without and with a response to constant color. Neighboring pixels of photographs
are nearly equal: filters of equal norm would respond to detail about a tenth as strongly as to color."""


class PatchStem(nn.Module):
    """Pictures -> one token a patch; called by timm's `VisionTransformer` as its ``embed_layer``."""

    def __init__(self, img_size: int = SIZE, patch_size: int = PATCH, embed_dim: int = WIDTH, **_: Any) -> None:
        super().__init__()
        self.num_patches = (img_size // patch_size) ** 2
        inputs, outputs = (3, *WIDTHS), (*WIDTHS, embed_dim)
        triples = zip(inputs, outputs, KERNELS, strict=True)
        self.maps = nn.ModuleList(nn.Conv2d(c, width, kernel, kernel) for c, width, kernel in triples)

    def forward(self, images: Tensor, visible: Tensor | None = None) -> Tensor:
        """Return the tokens (N, 64, D) of pictures (N, 3, 128, 128).

        Args:
            visible: (N, K) positions of patches; only they are computed, and the tokens are (N, K, D).
        """
        if visible is not None:
            return self._of_cells(images, visible)
        x = images
        for position, layer in enumerate(self.maps):
            x = layer(nn.functional.relu_(x) if position else x)
        return x.flatten(2).transpose(1, 2)  # OpenVINO has no rule for .mT

    def _of_cells(self, images: Tensor, visible: Tensor) -> Tensor:
        """Compute the output of the convolutions from the visible patches' cells alone, by matrix products."""
        x = cut_cells(images)
        x = x.gather(1, visible.view(*visible.shape, 1, 1, 1).expand(-1, -1, *x.shape[2:]))
        for position, layer in enumerate(self.maps):
            assert isinstance(layer, nn.Conv2d)
            weight = layer.weight.permute(0, 2, 3, 1).flatten(1)  # in the order of a cell: rows, columns, channels
            x = nn.functional.relu_(x).flatten(-2) if position else x
            x = nn.functional.linear(x, weight, layer.bias)
        return x


def cut_cells(images: Tensor) -> Tensor:
    """Cut (N, 3, 128, 128) into (N, 64, 4, 4, 48): patches, quarters, quarters of those, values of a cell."""
    inner, middle, outer = KERNELS
    rows_and_columns = (GRID, outer, middle, inner)
    x = images.permute(0, 2, 3, 1).reshape(len(images), *rows_and_columns, *rows_and_columns, 3)
    x = x.permute(0, 1, 5, 2, 6, 3, 7, 4, 8, 9)
    return x.reshape(len(images), TOKENS, outer**2, middle**2, inner**2 * 3)


def init_patch_stem_vit(seed: int) -> VisionTransformer:
    """Return an encoder with random weights; the global random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vit = build_vit(DEPTH, PatchStem)
        init_maps(vit.patch_embed.maps)
    return vit


@torch.no_grad()
def init_maps(maps: Sequence[nn.Conv2d], gain: float = RECTIFIER_GAIN) -> None:
    """Initialize random filters of equal norm, scaled so that variance stays from map to map.

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
