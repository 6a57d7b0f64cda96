"""Objectives: an encoder, the modules that are dropped after training, and a loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from lab.pretraining.views import Views
from probing_core.models.zoo import CURRENT


class Objective(nn.Module, ABC):
    """One way to train the encoder. The encoder's start and the order of pictures are the same for all.

    Args:
        rows: the pictures of the training in order, with ``label`` and ``style``; objectives that learn from
            captions or labels take them from here.
        views: what is drawn from a picture at each step.
        seed: of the initial weights.
    """

    views: Callable[[Tensor, torch.Generator], Tensor]

    def __init__(self, rows: pd.DataFrame, views: Views, seed: int) -> None:
        super().__init__()
        self.views = views
        self.encoder = CURRENT.init(seed)

    @abstractmethod
    def forward(self, pictures: Tensor, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Return ``"loss"``, and the terms of which it is the sum, for the log.

        Args:
            pictures: (N, 3, S, S) ``uint8``.
            indices: (N,) their positions in ``rows``.
            generator: the source of everything random in this step.
        """

    def after_step(self) -> None:
        """Restrict weights that must stay within bounds; called after each step of the optimizer."""

    def extra_weights(self) -> dict[str, Tensor]:
        """Return the weights beside the encoder's that ship, by name."""
        return {}

    def extra_facts(self) -> dict[str, Any]:
        """Return the facts that the shipped file must state for those weights to be used, in JSON types."""
        return {}
