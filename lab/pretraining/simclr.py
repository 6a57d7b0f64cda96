"""SimCLR: two views of a picture attract, all other pictures of the batch repel (Chen et al. 2020)."""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor

from lab.pretraining.base import Objective
from lab.pretraining.contrastive import nt_xent, projector
from lab.pretraining.views import Views
from probing_core.models.zoo import normalize


class SimCLR(Objective):
    """SimCLR (Chen et al. 2020): recognize two views of a picture among those of others, at a ``temperature``."""

    def __init__(self, rows: pd.DataFrame, views: Views, seed: int, *, temperature: float) -> None:
        super().__init__(rows, views, seed)
        self.projector = projector()
        self.temperature = temperature

    def forward(self, pictures: Tensor, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        views = torch.cat([self.views(pictures, generator), self.views(pictures, generator)])
        first, second = self.projector(self.encoder(normalize(views))).chunk(2)
        return {"loss": nt_xent(first, second, self.temperature)}
