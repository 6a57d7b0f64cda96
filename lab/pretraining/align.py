"""ALIGN-style: as CLIP, with text as noisy as the web's (Jia et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor

from lab.pretraining.clip import CLIP
from lab.pretraining.text_tower import PADDING

NOISY = 0.25
"""Share of the captions that are wrong, half of them swapped with another picture's, half with words replaced."""


class ALIGN(CLIP):
    """A quarter of the captions is corrupted or swapped anew at each step."""

    def texts(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        tokens = super().texts(indices, generator)
        draw = _rand(len(tokens), 1, generator=generator)
        others = tokens[_rand(len(tokens), generator=generator).argsort()]
        random_words = torch.randint(
            1, len(self.vocabulary.words) + 1, tokens.shape, generator=generator, device=tokens.device
        )
        replaced = (_rand(*tokens.shape, generator=generator) < 0.5) & (tokens != PADDING)
        corrupted = torch.where(replaced, random_words, tokens)
        return torch.where(draw < NOISY / 2, others, torch.where(draw < NOISY, corrupted, tokens))


def _rand(*shape: int, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device)
