"""Pictures that Python has as a corpus: a list of them, or a data set of torch or of Hugging Face."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from probing_core.corpora.huggingface import picture_and_label
from probing_core.corpora.table import DigestedCorpus, content_digest
from probing_core.errors import BadCorpus, BadImage
from probing_core.images import Image
from probing_core.images.conversion import to_image

SPARE = 4
"""Items of a data set that are read for each image that is wanted: some are too small, or near gray."""


class ArrayCorpus(DigestedCorpus):
    """Pictures of a list or a data set; each is a photograph of its own.

    They are read one by one, and none is kept: a data set may be larger than memory.

    Args:
        items: anything with a length and numbered items: pictures (see `to_image`), pairs of a picture and its label,
            or rows with a column of pictures.
        labels: of their content; those of the items if not given.
        limit: number of images that are wanted; of more than `SPARE` times as many items, so many are drawn.
        seed: of that draw.

    Raises:
        BadCorpus: there is no picture, another number of labels, or pictures that change from one reading to the next.
        BadImage: one of them has another shape or type.
    """

    def __init__(
        self, items: Any, labels: Sequence[str] | None = None, limit: int | None = None, seed: int = 0
    ) -> None:
        super().__init__("arrays")
        self._items, self._count = items, _length(items)
        if not self._count:
            raise BadCorpus(
                "There is no picture to score; give a list of pictures, a data set or the name of a corpus."
            )
        if labels is not None and len(labels) != self._count:
            raise BadCorpus(f"One label a picture is expected; got {len(labels)} for {self._count} pictures.")
        self._column, self._label_column, self._names = _columns(items)
        self._lock = threading.Lock()  # data sets are read by one thread
        for place in self._drawn(limit, seed):
            picture, label = self._read(place)
            text = self._named(label if labels is None else labels[place])
            self._take(f"{place:07d}", content_digest(repr(picture.shape).encode() + picture.tobytes()), text)
        self._finish()
        self.rows["license"] = "unknown"
        self.description = f"{len(self.rows)} pictures in memory"
        self._refuse_changing()

    def load(self, image_id: str) -> Image:
        return self._read(int(image_id))[0]

    def _drawn(self, limit: int | None, seed: int) -> list[int]:
        if limit is None or self._count <= SPARE * limit:
            return list(range(self._count))
        return sorted(np.random.default_rng(seed).choice(self._count, SPARE * limit, replace=False).tolist())

    def _read(self, place: int) -> tuple[Image, Any]:
        with self._lock:
            item = self._items[place]
        label: Any = ""
        if isinstance(item, Mapping) and self._column in item:
            item, label = item[self._column], item.get(self._label_column, "")
        elif isinstance(item, tuple | list) and item:
            item, label = item[0], item[1] if len(item) > 1 else ""
        try:
            return to_image(item), label
        except BadImage as error:
            raise BadImage(f"{str(error).rstrip('.')} (item {place} of the pictures).") from None

    def _named(self, label: Any) -> str:
        """Return a label as text: its name where a number stands for one; none of what is no label."""
        label = label.item() if hasattr(label, "item") and label.ndim == 0 else label  # of NumPy or torch
        if isinstance(label, int) and not isinstance(label, bool) and 0 <= label < len(self._names):
            return str(self._names[label])
        return str(label) if isinstance(label, int | str) else ""

    def _refuse_changing(self) -> None:
        first = self.rows["image_id"].iloc[0]
        if not np.array_equal(self.load(first), self.load(first)):
            raise BadCorpus(
                "The data set gives another picture at every reading; leave random transforms out of it, since the "
                "pictures are transformed here."
            )


def _length(items: Any) -> int:
    """Return how many items there are, of what can be indexed."""
    if (
        not hasattr(items, "__getitem__")
        or not hasattr(items, "__len__")
        or (isinstance(items, Mapping) and not hasattr(items, "features"))
    ):
        raise BadCorpus(
            f"Pictures are a folder, the name of a corpus, a list, or a data set with a length and numbered items; got "
            f"{type(items).__name__}."
        )
    return len(items)


def _columns(items: Any) -> tuple[str, str, Sequence[str]]:
    """Return the columns of pictures and of labels of a data set, and the names of its numbered labels."""
    features = getattr(items, "features", None)
    if isinstance(features, Mapping):
        picture, label = picture_and_label({name: type(each).__name__ for name, each in features.items()})
        if not picture:
            raise BadCorpus(f"The data set has no column of pictures; it has: {', '.join(features)}.")
        return picture, label, getattr(features.get(label), "names", None) or ()
    while items is not None:  # a part of a data set has it within
        if names := getattr(items, "classes", None):
            return "image", "label", names
        items = getattr(items, "dataset", None)
    return "image", "label", ()
