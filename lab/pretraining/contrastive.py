"""Shared parts of the contrastive objectives: a projector, a loss between two views, one between pictures and text."""

from __future__ import annotations

import torch
from lightly.loss import NTXentLoss
from lightly.models.modules.heads import SimCLRProjectionHead
from torch import Tensor, nn

from probing_core.models.zoo import WIDTH


def projector() -> nn.Module:
    """Return an MLP 192 -> 512 -> 128 with batch normalization; dropped after training (Chen et al. 2020)."""
    return SimCLRProjectionHead(WIDTH, 512, 128)


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Return NT-Xent between two views (N, D) each."""
    with _full_precision(first):
        return NTXentLoss(temperature)(first.float(), second.float())


def image_text_loss(images: Tensor, texts: Tensor, positives: Tensor, scale: Tensor, smoothing: float) -> Tensor:
    """Return the symmetric InfoNCE in which a picture may have several positives (UniCL, Yang et al. 2022).

    The target of a row is spread evenly over its positives. Where these are texts that are embedded alike, the loss
    is that of one positive each, since they share their logits; it differs as soon as they do not.

    Args:
        images, texts: (N, D), of any length.
        positives: (N, N) bool, symmetric, True on the diagonal: the texts that are right for a picture.
        scale: factor of the cosines, one over the temperature.
        smoothing: share of the target that is spread over all (Szegedy et al. 2016).
    """
    with _full_precision(images):
        images, texts = (nn.functional.normalize(x.float(), dim=1) for x in (images, texts))
        logits = scale * (images @ texts.T)
    targets = positives.float() / positives.sum(dim=1, keepdim=True)
    return (
        nn.functional.cross_entropy(logits, targets, label_smoothing=smoothing)
        + nn.functional.cross_entropy(logits.T, targets, label_smoothing=smoothing)
    ) / 2


def equal_rows(tokens: Tensor) -> Tensor:
    """Return (N, N) bool: which rows of ``tokens`` (N, L) are the same caption."""
    return torch.all(tokens[:, None] == tokens[None], dim=-1)


def _full_precision(tensor: Tensor) -> torch.autocast:
    """Return a context with autocast off: over a temperature of 0.07, bfloat16 would round the logits by 0.06."""
    return torch.autocast(tensor.device.type, enabled=False)
