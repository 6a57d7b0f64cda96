"""CAN: contrast, masked autoencoding and noise prediction in one pass (Mishra et al. 2022, arXiv 2210.16870).

Two views of each picture get noise of a level of their own and lose half of their patches. The mean of the visible
tokens enters the contrast; a decoder predicts the clean pixels of the masked patches, and a head the noise of the
visible ones. Both are given the noise level.

The noise term differs from the paper's in two things, without which it was not learned (docs/zoo-encoder.md). Of the
noise, the target is one band: a patch has 768 independent values and a token 192 numbers, whereas the highest band of
4 x 4 cells has 48 values a patch, and photographs have least of their own there. And the head reads the tokens
themselves, not what the decoder makes of them.
"""

from __future__ import annotations

import math

import pandas as pd
import torch
from lightly.models.utils import get_at_index, patchify
from torch import Tensor, nn

from lab.pretraining.base import Objective
from lab.pretraining.contrastive import nt_xent, projector
from lab.pretraining.masked import Decoder, encode_visible, error_at, patches, random_masks
from lab.pretraining.views import Views
from probing_core.models.zoo import PATCH, WIDTH, normalize

CONTRAST, RECONSTRUCTION, NOISE = 0.03, 0.67, 0.30
"""Weights of the three terms, the paper's."""

LEVEL_WIDTH = 128

CELL = 4
"""Pixels of the side of the cells whose highest frequency the noise term predicts."""


class CAN(Objective):
    """Contrast, reconstruction and noise.

    Args:
        mask: share of the patches that each view loses.
        temperature: of the contrast.
        sigma: largest standard deviation of the noise, in units of [0, 1]; levels are uniform from 0.
    """

    def __init__(
        self, rows: pd.DataFrame, views: Views, seed: int, *, mask: float, temperature: float, sigma: float
    ) -> None:
        super().__init__(rows, views, seed)
        self.projector = projector()
        self.decoder = Decoder(LEVEL_WIDTH)
        self.noise = NoiseHead()
        self.level = nn.Sequential(nn.Linear(LEVEL_WIDTH, LEVEL_WIDTH), nn.GELU(), nn.Linear(LEVEL_WIDTH, LEVEL_WIDTH))
        self.mask, self.temperature, self.sigma = mask, temperature, sigma

    def forward(self, pictures: Tensor, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        clean = torch.cat([self.views(pictures, generator), self.views(pictures, generator)])
        n, device = len(clean), clean.device
        sigma = self.sigma * torch.rand(n, generator=generator, device=device)
        noise = torch.randn(clean.shape, generator=generator, device=device)
        visible, masked = random_masks(n, self.mask, generator)

        latents = encode_visible(self.encoder, normalize(clean + sigma.view(-1, 1, 1, 1) * noise), visible)
        first, second = self.projector(latents.mean(dim=1)).chunk(2)
        level = self.level(sinusoid(sigma / self.sigma))
        pixels = self.decoder(latents, visible, level)

        contrast = nt_xent(first, second, self.temperature)
        reconstruction = error_at(pixels, patches(normalize(clean)), masked)
        noise_error = nn.functional.mse_loss(self.noise(latents, level), get_at_index(highest_band(noise), visible))
        return {
            "loss": CONTRAST * contrast + RECONSTRUCTION * reconstruction + NOISE * noise_error,
            "contrast": contrast,
            "reconstruction": reconstruction,
            "noise": noise_error,
        }


class NoiseHead(nn.Module):
    """Tokens and the noise level -> the noise in each token's patch, in one band."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(WIDTH, LEVEL_WIDTH)
        self.predict = nn.Linear(LEVEL_WIDTH, 3 * (PATCH // CELL) ** 2)

    def forward(self, latents: Tensor, level: Tensor) -> Tensor:
        """Return (N, K, 48) ``float32`` for tokens (N, K, 192) and levels (N, 128)."""
        return self.predict(nn.functional.gelu(self.embed(latents) + level[:, None])).float()


def highest_band(noise: Tensor) -> Tensor:
    """Return the highest frequency of each `CELL` of ``noise`` (N, 3, 128, 128): (N, 64, 48), in the order of the
    tokens.

    It is the product with one function of the orthonormal two-dimensional cosine transform (DCT-II): one value a cell
    and channel, of the same variance as the noise.
    """
    places = torch.arange(CELL, device=noise.device) + 0.5
    wave = torch.cos(math.pi * (CELL - 1) * places / CELL) * math.sqrt(2 / CELL)
    n, channels, height, width = noise.shape
    cells = noise.reshape(n, channels, height // CELL, CELL, width // CELL, CELL)
    values = (cells * wave[:, None, None] * wave).sum(dim=(3, 5))
    return patchify(values, PATCH // CELL)


def sinusoid(fraction: Tensor) -> Tensor:
    """Return the transformer's code (N, 128) of a level in [0, 1], spread over a thousand positions as in diffusion
    models."""
    frequencies = torch.exp(
        -math.log(10_000) * torch.arange(LEVEL_WIDTH // 2, device=fraction.device) / (LEVEL_WIDTH // 2)
    )
    angles = 1000 * fraction[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)
