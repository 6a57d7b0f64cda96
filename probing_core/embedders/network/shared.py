"""Pictures that several networks embed: what one of them prepared, the next of equal preprocessing takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from probing_core.embedders.base import LoadedEmbedder, Preprocessing
from probing_core.transforms.base import Image

if TYPE_CHECKING:
    import torch

MOST_BYTES = 320 * 2**20
"""Of the batches of one preprocessing; larger ones are not held. 512 pictures of 224 px have 294 MiB."""

PIXEL_BYTES = 3 * 4


class SharedPictures(list[Image]):
    """Pictures with the batches that were made of them, for networks that embed them one after another.

    Args:
        pictures: in their order.
        embedders: who embeds them; batches are held where two or more have the same preprocessing.
    """

    def __init__(self, pictures: Sequence[Image], embedders: Iterable[LoadedEmbedder]) -> None:
        super().__init__(pictures)
        counts = Counter(p for e in embedders if (p := getattr(e, "preprocessing", None)) is not None)
        self._shared = {p for p, count in counts.items() if count > 1 and self._bytes(p) <= MOST_BYTES}
        self._batches: dict[tuple[Preprocessing, range], torch.Tensor] = {}

    def batch(self, preprocessing: Preprocessing, positions: range, make: Callable[[], torch.Tensor]) -> torch.Tensor:
        """The batch of the pictures at ``positions``: as it was made before, or by ``make``. Nobody may change it."""
        if preprocessing not in self._shared:
            return make()
        key = preprocessing, positions
        if key not in self._batches:
            self._batches[key] = make()
        return self._batches[key]

    def _bytes(self, preprocessing: Preprocessing) -> int:
        height, width = preprocessing.size
        return len(self) * height * width * PIXEL_BYTES
