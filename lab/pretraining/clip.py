"""CLIP-style: pictures and captions made of labels attract where they belong together (Radford et al. 2021)."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from lab.pretraining.base import Objective
from lab.pretraining.captions import captions
from lab.pretraining.contrastive import equal_rows, image_text_loss
from lab.pretraining.text_tower import TextTower, Vocabulary
from lab.pretraining.views import Views
from probing_core.models.zoo import normalize

MAX_LOG_SCALE = math.log(100)
"""CLIP's bound: beyond it, training becomes unstable."""


class CLIP(Objective):
    """Symmetric InfoNCE with a learned scale.

    Equal captions are positives of each other, since a batch of 256 holds each of some hundred captions several times.

    Args:
        name_style: whether captions name the style.
        temperature: where the learned temperature starts.
        smoothing: of the targets.
    """

    tokens: Tensor

    def __init__(
        self,
        rows: pd.DataFrame,
        views: Views,
        seed: int,
        *,
        name_style: bool,
        temperature: float,
        smoothing: float = 0.0,
    ) -> None:
        super().__init__(rows, views, seed)
        texts = captions(rows, name_style=name_style)
        self.vocabulary = Vocabulary.of(texts)
        self.register_buffer("tokens", self.vocabulary.encode(texts), persistent=False)
        self.text = TextTower(len(self.vocabulary.words))
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))
        self.smoothing = smoothing

    def texts(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        """Return the tokens (N, 16) of the captions of the pictures at ``indices``."""
        return self.tokens[indices]

    def forward(self, pictures: Tensor, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        images = self.encoder(normalize(self.views(pictures, generator)))
        tokens = self.texts(indices, generator)
        scale = self.log_scale.exp()
        loss = image_text_loss(images, self.text(tokens), equal_rows(tokens), scale, self.smoothing)
        return {"loss": loss, "scale": scale}

    def after_step(self) -> None:
        with torch.no_grad():
            self.log_scale.clamp_(0, MAX_LOG_SCALE)

    def extra_weights(self) -> dict[str, Tensor]:
        return {f"text.{name}": tensor for name, tensor in self.text.state_dict().items()}

    def extra_facts(self) -> dict[str, Any]:
        return {"words": list(self.vocabulary.words)}
