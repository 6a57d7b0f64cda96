"""Random views of images, computed for a batch at a time.

A view consists of two matrices per image (for rows and columns, since cropping, flipping and blurring are linear and
separable) and an affine color map (brightness, contrast, saturation, hue and grayscale). With batched matrix products,
this is several times faster than processing single images, and the same code runs on a GPU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from probing_core.models.zoo_input import SIZE

LUMA = (0.299, 0.587, 0.114)
ASPECT = (3 / 4, 4 / 3)
BLUR_SIGMA = (0.1, 2.0)
"""Pixels; of SimCLR (Chen et al. 2020) for 224 px, used for 128 as in its recipes for small images."""

# Hue turns the color plane of YIQ about its gray axis: a matrix, where hue in HSV is not linear.
_YIQ = torch.tensor([LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)])


@dataclass(frozen=True, kw_only=True)
class Views:
    """Augmentations of a view.

    Attributes:
        scale: minimum and maximum area of a crop, as fractions of the image area.
        flip: probability of a horizontal flip.
        jitter: maximum changes of brightness, contrast and saturation (around 1) and of hue (in turns, around 0).
        jitter_chance, gray, blur: probabilities of color jitter, grayscale conversion and Gaussian blur.
    """

    scale: tuple[float, float]
    flip: float = 0.5
    jitter: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    jitter_chance: float = 0.0
    gray: float = 0.0
    blur: float = 0.0

    def __call__(self, pictures: Tensor, generator: torch.Generator) -> Tensor:
        """Return views (N, 3, 128, 128) ``float32`` in [0, 1] of ``pictures`` (N, 3, S, S) ``uint8``."""
        with torch.autocast(pictures.device.type, enabled=False):  # bfloat16 would posterize the pictures
            return self._draw(pictures, generator)

    def _draw(self, pictures: Tensor, generator: torch.Generator) -> Tensor:
        rows, columns = self.crops(len(pictures), pictures.shape[-1], generator)
        if self.blur:
            blur = blur_matrices(len(pictures), self.blur, generator)
            rows, columns = blur @ rows, blur @ columns
        views = rows[:, None] @ (pictures.float() / 255) @ columns[:, None].mT
        if self.jitter_chance or self.gray:
            matrix, offset = self.colors(views.mean(dim=(2, 3)), generator)
            views = torch.baddbmm(offset[:, :, None], matrix, views.flatten(2)).unflatten(2, (SIZE, SIZE))
        return views.clamp(0, 1)

    def crops(self, n: int, side: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return matrices (N, 128, side) that cut and scale the rows and the columns; half of the latter also flip."""
        area = _uniform(n, *self.scale, generator)
        aspect = _uniform(n, math.log(ASPECT[0]), math.log(ASPECT[1]), generator).exp()
        height, width = ((area / aspect).sqrt().clamp(max=1), (area * aspect).sqrt().clamp(max=1))
        top, left = ((1 - length) * _uniform(n, 0, 1, generator) for length in (height, width))
        flip = _chance(n, self.flip, generator)
        first = torch.where(flip, left + width, left)
        return resize_matrices(top, height, side), resize_matrices(first, torch.where(flip, -width, width), side)

    def colors(self, mean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return a matrix (N, 3, 3) and an offset (N, 3) per picture, given its mean color (N, 3).

        As in torchvision's ColorJitter, contrast is about the mean gray of the picture; the order is fixed: hue,
        saturation, brightness, contrast, gray.
        """
        n = len(mean)
        luma = torch.tensor(LUMA, device=mean.device)
        eye = torch.eye(3, device=mean.device)
        to_gray = luma.expand(3, 3)
        brightness, contrast, saturation = (
            _uniform(n, 1 - half, 1 + half, generator)[:, None, None] for half in self.jitter[:3]
        )
        hue = _uniform(n, -self.jitter[3], self.jitter[3], generator)
        matrix = brightness * (saturation * eye + (1 - saturation) * to_gray) @ hue_matrices(hue)
        gray_level = (luma @ matrix * mean).sum(dim=1, keepdim=True)  # (N, 1), the mean gray so far
        matrix, offset = contrast * matrix, ((1 - contrast[:, 0]) * gray_level).expand(n, 3)
        jittered = _chance(n, self.jitter_chance, generator)
        matrix = torch.where(jittered[:, None, None], matrix, eye)
        offset = torch.where(jittered[:, None], offset, torch.zeros_like(offset))
        gray = _chance(n, self.gray, generator)
        return (
            torch.where(gray[:, None, None], to_gray @ matrix, matrix),
            torch.where(gray[:, None], (offset @ luma)[:, None].expand(n, 3), offset),
        )


def resize_matrices(first: Tensor, length: Tensor, side: int) -> Tensor:
    """Return matrices (N, 128, side) of bilinear, antialiased sampling: from ``first`` over ``length``, fractions of
    the side; a negative length runs backwards."""
    step = length * side / SIZE
    centers = torch.arange(SIZE, device=first.device) + 0.5
    position = first[:, None] * side + centers * step[:, None]
    pixels = torch.arange(side, device=first.device) + 0.5
    support = step.abs().clamp(min=1)[:, None, None]
    return _rows_to_one((1 - (position[:, :, None] - pixels).abs() / support).clamp(min=0))


def blur_matrices(n: int, chance: float, generator: torch.Generator) -> Tensor:
    """Return matrices (N, 128, 128) of a Gaussian blur of 128 px along one side; identity where the chance fails."""
    sigma = _uniform(n, *BLUR_SIGMA, generator)
    pixels = torch.arange(SIZE, device=sigma.device)
    distance = (pixels[:, None] - pixels).float()
    blurred = _rows_to_one(torch.exp(-0.5 * (distance / sigma[:, None, None]) ** 2))
    return torch.where(_chance(n, chance, generator)[:, None, None], blurred, torch.eye(SIZE, device=sigma.device))


def hue_matrices(turns: Tensor) -> Tensor:
    """Return matrices (N, 3, 3) that turn colors about the gray axis by ``turns``."""
    yiq = _YIQ.to(turns.device)
    angle = 2 * math.pi * turns
    cos, sin, zero, ones = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    turn = torch.stack([ones, zero, zero, zero, cos, -sin, zero, sin, cos], dim=1).view(-1, 3, 3)
    return torch.linalg.inv(yiq) @ turn @ yiq


def _rows_to_one(matrices: Tensor) -> Tensor:
    return matrices / matrices.sum(dim=-1, keepdim=True)


def _uniform(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(n, generator=generator, device=generator.device)


def _chance(n: int, probability: float, generator: torch.Generator) -> Tensor:
    return torch.rand(n, generator=generator, device=generator.device) < probability
