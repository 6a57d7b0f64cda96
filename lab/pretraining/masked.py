"""Shared parts of the masked objectives: masks, an encoder that sees visible patches alone, and a decoder."""

from __future__ import annotations

import torch
from lightly.models.utils import get_at_index, patchify, set_at_index
from timm.layers import build_sincos2d_pos_embed
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn

from probing_core.models.zoo import GRID, PATCH, TOKENS, WIDTH

PIXELS = 3 * PATCH**2
"""Numbers of one patch."""


def random_masks(n: int, ratio: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return the positions of the visible (N, K) and of the masked patches (N, 64 - K); ``ratio`` of them are masked.

    lightly's own draws from the global random state and spares the first token for a class token.
    """
    order = torch.rand(n, TOKENS, generator=generator, device=generator.device).argsort(dim=1)
    visible = round(TOKENS * (1 - ratio))
    return order[:, :visible], order[:, visible:]


def encode_visible(encoder: VisionTransformer, images: Tensor, visible: Tensor) -> Tensor:
    """Return the normalized tokens (N, K, 192) of the visible patches; nothing is computed of the masked ones."""
    assert encoder.pos_embed is not None
    positions = get_at_index(encoder.pos_embed.expand(len(images), -1, -1), visible)
    return encoder.norm(encoder.blocks(encoder.patch_embed(images, visible) + positions))


def patches(images: Tensor) -> Tensor:
    """Cut (N, 3, 128, 128) into patches (N, 64, 768), in the order of the tokens."""
    return patchify(images, PATCH)


class Decoder(nn.Module):
    """Two blocks of width 128 that predict every patch from the visible ones (MAE, He et al. 2022)."""

    def __init__(self, width: int = 128, depth: int = 2, heads: int = 4) -> None:
        super().__init__()
        self.embed = nn.Linear(WIDTH, width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        nn.init.normal_(self.mask_token, std=0.02)
        positions = build_sincos2d_pos_embed([GRID, GRID], width, interleave_sin_cos=False)
        self.register_buffer("positions", positions[None], persistent=False)
        self.blocks = nn.Sequential(*(Block(width, heads, qkv_bias=True) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.predict = nn.Linear(width, PIXELS)

    def forward(self, latents: Tensor, visible: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the predictions (N, 64, 768) ``float32`` for all patches.

        Args:
            latents: (N, K, 192) from `encode_visible`.
            visible: (N, K) where they belong.
            condition: (N, width) added to every token.
        """
        embedded = self.embed(latents)
        tokens = self.mask_token.to(embedded.dtype).expand(len(latents), TOKENS, -1)
        tokens = set_at_index(tokens, visible, embedded) + self.positions
        if condition is not None:
            tokens = tokens + condition[:, None]
        return self.predict(self.norm(self.blocks(tokens))).float()


def error_at(prediction: Tensor, target: Tensor, positions: Tensor) -> Tensor:
    """Return the mean squared error over the patches at ``positions`` (N, K) alone."""
    return nn.functional.mse_loss(get_at_index(prediction, positions), get_at_index(target, positions))
