"""The encoders that `lab.evidence.zoo_encoder` compares: one ViT under several stems."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from lightly.models.utils import get_at_index, patchify
from timm.layers import PatchEmbed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional

from probing_core.models.zoo import GRID, PATCH, TOKENS
from probing_core.models.zoo_network import build_vit, init_maps, init_vit

WIDTHS = (32, 64, 128, 192)
GELU_GAIN = 1.7
"""Keeps the variance of what a GELU gives out (Brock et al. 2021)."""


class VisibleBatchNorm(nn.BatchNorm2d):
    """Batch normalization whose statistics in training count visible positions alone."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is None or not self.training:
            return super().forward(x)
        values = x.float()
        count = mask.sum()
        mean = (values * mask).sum((0, 2, 3)) / count
        variance = (((values - mean[:, None, None]) * mask) ** 2).sum((0, 2, 3)) / count
        with torch.no_grad():
            self.running_mean.lerp_(mean, 0.1)  # type: ignore[union-attr]
            self.running_var.lerp_(variance, 0.1)  # type: ignore[union-attr]
        scale = self.weight * (variance + self.eps).rsqrt()
        shift = self.bias - mean * scale
        return x * scale.to(x.dtype)[:, None, None] + shift.to(x.dtype)[:, None, None]


class ConvStem(nn.Module):
    """Four 3 x 3 convolutions of stride 2 and a linear map.

    Args:
        inside: whether they see the pixels of one patch alone, with zeros around it.
        norm: whether batch normalization follows each of them; without it, the initial weights keep the scale.
    """

    def __init__(self, embed_dim: int, inside: bool, norm: bool, **_: Any) -> None:
        super().__init__()
        self.num_patches, self.inside = TOKENS, inside
        channels = (3, *WIDTHS)
        pairs = list(zip(channels, WIDTHS, strict=False))
        self.convs = nn.ModuleList(nn.Conv2d(c, w, 3, 2, 1, bias=not norm) for c, w in pairs)
        self.norms = nn.ModuleList(VisibleBatchNorm(w) if norm else nn.Identity() for w in WIDTHS)
        self.project = nn.Linear(WIDTHS[-1], embed_dim)

    def forward(self, images: Tensor, visible: Tensor | None = None) -> Tensor:
        return self._inside(images, visible) if self.inside else self._across(images, visible)

    def _inside(self, images: Tensor, visible: Tensor | None) -> Tensor:
        patches = _at(patchify(images, PATCH), visible)
        x = patches.reshape(-1, PATCH, PATCH, 3).permute(0, 3, 1, 2)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = functional.gelu(norm(conv(x)))
        return self.project(x.reshape(*patches.shape[:2], -1))

    def _across(self, images: Tensor, visible: Tensor | None) -> Tensor:
        """Apply the convolutions with hidden patches set to zero before each, so that none reaches a visible token."""
        x = images.contiguous(memory_format=torch.channels_last)
        mask = None
        if visible is not None:
            mask = torch.zeros(len(x), TOKENS, device=x.device).scatter_(1, visible, 1.0).view(-1, 1, GRID, GRID)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            if mask is not None:
                x = x * _enlarged(mask, x).to(x.dtype)
            x = conv(x)
            x = functional.gelu(norm(x, _enlarged(mask, x)) if isinstance(norm, VisibleBatchNorm) else norm(x))
        return _at(self.project(x.flatten(2).transpose(1, 2)), visible)


def _enlarged(mask: Tensor | None, x: Tensor) -> Tensor | None:
    if mask is None:
        return None
    times = x.shape[-1] // GRID
    return mask.repeat_interleave(times, 2).repeat_interleave(times, 3)


def _at(tokens: Tensor, visible: Tensor | None) -> Tensor:
    """Return ``tokens`` (N, 64, D) at the positions ``visible`` (N, K), or all of them."""
    return tokens if visible is None else get_at_index(tokens, visible)


class LinearPatch(nn.Module):
    """timm's patch embedding, which masked objectives may ask for visible tokens alone."""

    def __init__(self, embed: nn.Module) -> None:
        super().__init__()
        self.embed, self.num_patches = embed, TOKENS

    def forward(self, images: Tensor, visible: Tensor | None = None) -> Tensor:
        return _at(self.embed(images), visible)


@dataclass(frozen=True)
class Candidate:
    description: str
    init: Callable[[int], VisionTransformer]


def _linear_patch(seed: int) -> VisionTransformer:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vit = build_vit(6, PatchEmbed)
    vit.patch_embed = LinearPatch(vit.patch_embed)
    return vit


def _conv(seed: int, *, inside: bool, norm: bool) -> VisionTransformer:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vit = build_vit(5, partial(ConvStem, inside=inside, norm=norm))
        init_maps(vit.patch_embed.convs, GELU_GAIN)
        vit.patch_embed.project.reset_parameters()
    return vit


CANDIDATES = {
    "linear-patch": Candidate("one linear map of 16 px patches, depth 6", _linear_patch),
    "conv-norm": Candidate(
        "four 3x3 convolutions of stride 2, BatchNorm, depth 5", partial(_conv, inside=False, norm=True)
    ),
    "conv": Candidate(
        "four 3x3 convolutions of stride 2, no statistics, depth 5", partial(_conv, inside=False, norm=False)
    ),
    "inside-norm": Candidate("the same inside each patch, BatchNorm, depth 5", partial(_conv, inside=True, norm=True)),
    "inside": Candidate("the same inside each patch, no statistics, depth 5", partial(_conv, inside=True, norm=False)),
    "patch-stem": Candidate("cells of 4, 8, 16 px inside each patch, no statistics, depth 4", init_vit),
}


@torch.no_grad()
def estimate_statistics(vit: VisionTransformer, batches: list[Tensor]) -> None:
    """Estimate batch normalization's statistics again, from whole pictures (N, 3, 128, 128) each; their plain mean."""
    norms = [module for module in vit.modules() if isinstance(module, nn.BatchNorm2d)]
    vit.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.training = True
    for number, batch in enumerate(batches, start=1):
        for norm in norms:
            norm.momentum = 1 / number
        vit.patch_embed(batch)
    vit.eval()
