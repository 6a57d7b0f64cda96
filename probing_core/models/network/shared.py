"""Pictures that several networks embed: what one of them prepared, the next of equal preprocessing takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from probing_core.models.base import LoadedEmbedder, Preprocessing
from probing_core.transforms.base import Image

if TYPE_CHECKING:
    import torch

MAX_SHARED_BYTES = 320 * 2**20
"""Largest size of the batches of one preprocessing; larger ones are not held. It holds 512 pictures of 224 px."""

PIXEL_BYTES = 3 * 4


class SharedPictures(list[Image]):
    """Pictures with the batches that were made of them, for networks that embed them one after another.

    A batch is held until the last of the embedders that share it has taken it.

    Args:
        pictures: in their order.
        embedders: who embeds them; those share that have the same `LoadedEmbedder.shared_preprocessing`.
    """

    def __init__(self, pictures: Sequence[Image], embedders: Iterable[LoadedEmbedder]) -> None:
        super().__init__(pictures)
        counts = Counter(p for e in embedders if (p := e.shared_preprocessing) is not None)
        self._sharers = {p: n for p, n in counts.items() if n > 1 and self._bytes(p) <= MAX_SHARED_BYTES}
        self._batches: dict[tuple[Preprocessing, range], tuple[torch.Tensor, int]] = {}

    def batch(self, preprocessing: Preprocessing, positions: range, make: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Return the batch of the pictures at ``positions``: an earlier one, or the one that ``make`` returns. It must
        not be changed."""
        sharers = self._sharers.get(preprocessing, 0)
        if not sharers:
            return make()
        key = preprocessing, positions
        batch, left = self._batches.pop(key) if key in self._batches else (make(), sharers)
        if left > 1:
            self._batches[key] = batch, left - 1
        return batch

    def forget(self) -> None:
        """Drop all batches and keep no more, since memory ran short."""
        self._sharers, self._batches = {}, {}

    def _bytes(self, preprocessing: Preprocessing) -> int:
        height, width = preprocessing.size
        return len(self) * height * width * PIXEL_BYTES
