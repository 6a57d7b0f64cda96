"""MAE: predict the pixels of masked patches, each normalized, from the visible ones (He et al. 2022)."""

from __future__ import annotations

import pandas as pd
import torch
from lightly.models.utils import normalize_mean_var
from torch import Tensor

from lab.pretraining.base import Objective
from lab.pretraining.masked import Decoder, encode_visible, error_at, patches, random_masks
from lab.pretraining.views import Views
from probing_core.models.zoo import normalize


class MAE(Objective):
    """Masked autoencoder (He et al. 2022): fill in the hidden share ``mask`` of the patches of each picture."""

    def __init__(self, rows: pd.DataFrame, views: Views, seed: int, *, mask: float) -> None:
        super().__init__(rows, views, seed)
        self.decoder = Decoder()
        self.mask = mask

    def forward(self, pictures: Tensor, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        images = normalize(self.views(pictures, generator))
        visible, masked = random_masks(len(images), self.mask, generator)
        prediction = self.decoder(encode_visible(self.encoder, images, visible), visible)
        return {"loss": error_at(prediction, normalize_mean_var(patches(images)), masked)}
