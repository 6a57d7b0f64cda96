"""Pictures in memory as a corpus: a list of arrays, or of pictures of Pillow."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from probing_core.corpora.base import Corpus
from probing_core.corpora.table import make_rows
from probing_core.errors import BadCorpus
from probing_core.images import Image, as_image


class ArrayCorpus(Corpus):
    """Pictures that are in memory; each is a photograph of its own.

    Args:
        pictures: (H, W, 3) ``uint8``, or (H, W) if they are gray, of any sizes; or what Pillow opened.
        labels: of their content; none if not given.

    Raises:
        BadCorpus: there is no picture, or another number of labels.
        BadImage: one of them has another shape or type.
    """

    name = "arrays"

    def __init__(self, pictures: Sequence[Any], labels: Sequence[str] | None = None) -> None:
        self._pictures = [as_image(_in_rgb(picture)) for picture in pictures]
        if not self._pictures:
            raise BadCorpus("There is no picture to score; give a list of arrays, or the name of a corpus.")
        if labels is not None and len(labels) != len(self._pictures):
            raise BadCorpus(f"One label a picture is expected; got {len(labels)} for {len(self._pictures)} pictures.")
        self.description = f"{len(self._pictures)} pictures in memory"
        names = [f"{i:06d}" for i in range(len(self._pictures))]
        texts = [str(label) for label in labels] if labels is not None else ""
        self.rows = make_rows({"image_id": names, "label": texts, "license": "unknown"})
        self._place = {name: i for i, name in enumerate(names)}

    @cached_property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(repr(self.rows["label"].tolist()).encode())
        for picture in self._pictures:
            digest.update(repr(picture.shape).encode())
            digest.update(picture.tobytes())
        return digest.hexdigest()[:32]

    def load(self, image_id: str) -> Image:
        return self._pictures[self._place[image_id]]


def _in_rgb(picture: Any) -> Any:
    """Return a picture of Pillow in RGB; anything else as it is."""
    return picture.convert("RGB") if hasattr(picture, "convert") else picture
