"""Text tower of the zoo, which maps words to vectors in the joint image-text space.

This module imports torch, so it is only imported when a model with a text tower is loaded or trained.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from probing_core.errors import BadConfig
from probing_core.models.zoo_input import WIDTH

PADDING = 0
LENGTH = 16
"""Maximum number of words of a text. Longer texts are truncated."""


@dataclass(frozen=True)
class Vocabulary:
    """Vocabulary of a text tower. The token of a word is its position plus one, and 0 is padding."""

    words: tuple[str, ...]

    @classmethod
    def of(cls, texts: Iterable[str]) -> Vocabulary:
        return cls(tuple(sorted({word for text in texts for word in split_words(text)})))

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return the tokens (N, 16) ``int64`` of texts, padded. Words that never occurred in training are skipped.

        Raises:
            BadConfig: a text of which no word is known.
        """
        number = {word: token for token, word in enumerate(self.words, start=1)}
        tokens = torch.full((len(texts), LENGTH), PADDING)
        for row, text in enumerate(texts):
            indices = [number[word] for word in split_words(text) if word in number][:LENGTH]
            if not indices:
                raise BadConfig(
                    f"No word of '{text}' is among the {len(self.words)} that this model was trained on; it knows: "
                    f"{', '.join(self.words)}."
                )
            tokens[row, : len(indices)] = torch.tensor(indices)
        return tokens


def split_words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


class TextTower(nn.Module):
    """A two-layer transformer over words, whose mean output is projected to the size of image embeddings.

    Images have no projection, so texts are directly compared with image embeddings.
    """

    def __init__(self, words: int, layers: int = 2, heads: int = 3) -> None:
        super().__init__()
        self.words = nn.Embedding(words + 1, WIDTH, padding_idx=PADDING)
        self.positions = nn.Parameter(torch.zeros(1, LENGTH, WIDTH))
        nn.init.normal_(self.words.weight[1:], std=0.02)
        nn.init.normal_(self.positions, std=0.02)
        layer = nn.TransformerEncoderLayer(
            WIDTH, heads, 4 * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, layers, norm=nn.LayerNorm(WIDTH), enable_nested_tensor=False)
        self.project = nn.Linear(WIDTH, WIDTH)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the embeddings (N, 192) of tokens (N, 16)."""
        padded = tokens == PADDING
        outputs = self.blocks(self.words(tokens) + self.positions, src_key_padding_mask=padded)
        weight = (~padded).unsqueeze(-1).to(outputs.dtype)
        return self.project((outputs * weight).sum(dim=1) / weight.sum(dim=1))
