"""CAN: contrast, masked autoencoding and noise prediction in one pass (Mishra et al. 2022, arXiv 2210.16870).

Two views of each picture get noise of a level of their own and lose half of their patches. The mean of the visible
tokens enters the contrast; one decoder, given the noise level, predicts the clean pixels where patches are masked
and the noise where they are visible.

Of the noise, the target is one band alone. A patch has 768 independent values of noise and a token 192 numbers: the
noise in pixels is hardly learned, since each number of a token correlates little with each value. The highest band of
4 x 4 cells has 48 values a patch, and photographs have least of their own there.
"""

from __future__ import annotations

import math

import pandas as pd
import torch
from torch import Tensor, nn

from probing_core.embedders.zoo.vit import normalize
from probing_core.pretraining.base import Objective
from probing_core.pretraining.contrastive import nt_xent, projector
from probing_core.pretraining.masked import Decoder, encode_visible, error_at, patches, random_masks
from probing_core.pretraining.views import Views

CONTRAST, RECONSTRUCTION, NOISE = 0.03, 0.67, 0.30
"""Weights of the three terms, the paper's."""

LEVEL_WIDTH = 128

CELL = 4
"""Pixels of the side of the cells whose highest frequency is the target of the noise term."""


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
        prediction = self.decoder(latents, visible, self.level(sinusoid(sigma / self.sigma)))

        contrast = nt_xent(first, second, self.temperature)
        reconstruction = error_at(prediction, patches(normalize(clean)), masked)
        noise_error = error_at(prediction, patches(highest_band(noise)), visible)
        return {
            "loss": CONTRAST * contrast + RECONSTRUCTION * reconstruction + NOISE * noise_error,
            "contrast": contrast,
            "reconstruction": reconstruction,
            "noise": noise_error,
        }


def highest_band(noise: Tensor) -> Tensor:
    """The part of ``noise`` (N, 3, H, W) that lies in the highest frequency of each `CELL`, scaled to its variance.

    It is the projection on one function of the two-dimensional cosine transform (DCT-II): one value a cell and channel.
    """
    places = torch.arange(CELL, device=noise.device) + 0.5
    wave = torch.cos(math.pi * (CELL - 1) * places / CELL) * math.sqrt(2 / CELL)
    function = wave[:, None] * wave  # of norm 1 over the cell
    n, channels, height, width = noise.shape
    cells = noise.reshape(n, channels, height // CELL, CELL, width // CELL, CELL)
    values = (cells * function[:, None]).sum(dim=(3, 5), keepdim=True)
    return (CELL * values * function[:, None]).reshape(noise.shape)


def sinusoid(fraction: Tensor) -> Tensor:
    """The transformer's code (N, 128) of a level in [0, 1], spread over a thousand positions as in diffusion models."""
    frequencies = torch.exp(
        -math.log(10_000) * torch.arange(LEVEL_WIDTH // 2, device=fraction.device) / (LEVEL_WIDTH // 2)
    )
    angles = 1000 * fraction[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)
