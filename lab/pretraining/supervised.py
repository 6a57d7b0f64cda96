"""Supervised: cross-entropy on the content label, with label smoothing."""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor, nn

from lab.pretraining.base import Objective
from lab.pretraining.views import Views
from probing_core.models.zoo import WIDTH, normalize


class Supervised(Objective):
    """A linear head on the mean-pooled tokens."""

    labels: Tensor

    def __init__(self, rows: pd.DataFrame, views: Views, seed: int, *, smoothing: float) -> None:
        super().__init__(rows, views, seed)
        codes, names = pd.factorize(rows["label"], sort=True)
        self.register_buffer("labels", torch.from_numpy(codes), persistent=False)
        self.head = nn.Linear(WIDTH, len(names))
        self.smoothing = smoothing

    def forward(self, pictures: Tensor, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        logits = self.head(self.encoder(normalize(self.views(pictures, generator)))).float()
        loss = nn.functional.cross_entropy(logits, self.labels[indices], label_smoothing=self.smoothing)
        return {"loss": loss}
