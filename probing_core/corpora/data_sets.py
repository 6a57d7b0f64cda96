"""Corpora from Python objects (lists, PyTorch and Hugging Face datasets), and ``hub:NAME``.

``hub:NAME`` is loaded with ``datasets.load_dataset``. NAME is a dataset on the Hugging Face Hub, which is downloaded
once and memory-mapped, or a folder with a dataset. Set the environment variable ``HF_TOKEN`` for gated datasets.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from probing_core.corpora.corpus import CorpusKind, DigestedCorpus, content_digest
from probing_core.errors import BadCorpus, BadImage, one_line
from probing_core.images import Image, is_one_image, read_bytes, read_image, to_image
from probing_core.measures.notation import counted
from probing_core.online import answers, hub_address, hub_is_forbidden
from probing_core.paths import user_path

SPARE = 4
"""Number of dataset items read per requested image, because some images are too small or nearly gray."""


class ArrayCorpus(DigestedCorpus):
    """Images from a list or a dataset, one photograph per item.

    Images are read on demand, because a dataset may be larger than memory.

    Args:
        items: sequence of images (see `to_image`), (image, label) pairs, or rows with an image column.
        labels: content labels; by default, the labels of the items.
        limit: number of requested images. At most `SPARE` times as many items are used, drawn at random with ``seed``.

    Raises:
        BadCorpus: ``items`` is not a sequence or contains no images, the numbers of labels and images differ, or
            images change between reads.
        BadImage: an image has an unsupported shape or type.
    """

    stays_in_process = True

    def __init__(
        self, items: Any, labels: Sequence[str] | None = None, limit: int | None = None, seed: int = 0
    ) -> None:
        super().__init__("arrays")
        if not isinstance(items, Mapping) and is_one_image(items):
            items = [items]
        if isinstance(items, pd.Series):  # its index may not be the position
            items = items.tolist()
        if labels is not None:
            labels = [labels] if isinstance(labels, str) else list(labels)
        self._items, self._count = items, _length(items)
        if not self._count:
            raise BadCorpus("There are no images to score. Pass a list of images, a dataset or the name of a corpus.")
        if labels is not None and len(labels) != self._count:
            raise BadCorpus(f"Expected one label per image, got {len(labels)} labels for {self._count} images.")
        self._column, self._label_column, self._names = _columns(items)
        self._lock = threading.Lock()  # datasets may not be thread-safe
        for place in self._drawn(limit, seed):
            picture, label = self._read(place)
            text = _named(label if labels is None else labels[place], self._names)
            self._take(f"{place:07d}", content_digest(repr(picture.shape).encode() + picture.tobytes()), text)
        self._finish()
        self.rows["license"] = "unknown"
        self.description = f"{counted(len(self.rows), 'image')} in memory"
        first = self.rows["image_id"].iloc[0]
        if not np.array_equal(self.load(first), self.load(first)):
            raise BadCorpus(
                "The dataset returns a different image each time an item is read. Remove its random transforms; "
                "probing transforms the images itself."
            )

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for pickling, including the dataset but not the lock."""
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

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
            raise BadImage(f"{str(error).rstrip('.')} (image {place}).") from None


def _length(items: Any) -> int:
    if (
        not hasattr(items, "__getitem__")
        or not hasattr(items, "__len__")
        or (isinstance(items, Mapping) and not hasattr(items, "features"))
    ):
        raise BadCorpus(
            f"Images must be a folder, the name of a corpus, a list, or a dataset with a length and integer indices, "
            f"got {type(items).__name__}."
        )
    return len(items)


def _named(label: Any, names: Sequence[str]) -> str:
    label = label.item() if hasattr(label, "item") and label.ndim == 0 else label  # NumPy or PyTorch scalar
    if isinstance(label, int) and not isinstance(label, bool) and 0 <= label < len(names):
        return str(names[label])
    return str(label) if isinstance(label, int | str) else ""


def _columns(items: Any) -> tuple[str, str, Sequence[str]]:
    features = getattr(items, "features", None)
    if isinstance(features, Mapping):
        kinds = {name: type(feature).__name__ for name, feature in features.items()}
        pictures = [name for name, kind in kinds.items() if name == "image" or kind == "Image"]
        labels = [name for name, kind in kinds.items() if kind == "ClassLabel"]
        if not pictures:
            raise BadCorpus(f"The dataset has no image column. Its columns are: {', '.join(features)}.")
        picture = "image" if "image" in pictures else pictures[0]
        label = next((name for name in ("label", *labels, "cls") if name in kinds), "")
        return picture, label, getattr(features.get(label), "names", None) or ()
    while items is not None:  # a subset wraps its dataset
        if names := getattr(items, "classes", None):
            return "image", "label", names
        items = getattr(items, "dataset", None)
    return "image", "label", ()


HUB_SPLITS = {"train": "train", "validation": "val", "test": "test"}
"""Corpus splits by Hub split, for datasets with exactly these three splits."""

ROWS_AT_ONCE = 64
"""Number of rows whose images are in memory at once while digests are computed."""


class HubCorpus(DigestedCorpus):
    """Images from a Hugging Face dataset, decoded by `probing_core.images`.

    Image IDs consist of the split and the row number.

    Args:
        splits: ``datasets.Dataset`` by split name.
        root: folder that may contain image files referenced by the rows, in addition to the cache of ``datasets``.
    """

    def __init__(self, name: str, splits: Mapping[str, Any], root: Path | None = None) -> None:
        import datasets

        super().__init__(name)
        self._roots = _roots(root)
        self._picture, label, names = _columns(next(iter(splits.values())))
        columns = [self._picture, *([label] if label in next(iter(splits.values())).features else [])]
        self._splits = {
            split: data.select_columns(columns).cast_column(self._picture, datasets.Image(decode=False))
            for split, data in splits.items()
        }
        split_names = HUB_SPLITS if set(splits) == set(HUB_SPLITS) else {}
        for split, number, row in self._rows_of_all():
            image_id = f"{split}/{number:07d}"
            digest = content_digest(self._bytes(row[self._picture], image_id))
            self._take(image_id, digest, _named(row.get(label), names), split_names.get(split, ""))
        if not self._columns["image_id"]:
            raise BadCorpus(f"{name} contains no images.")
        self.description = f"{counted(len(self._digests), 'image')} from a dataset, {self._finish()}"

    def load(self, image_id: str) -> Image:
        split, _, number = image_id.rpartition("/")
        return read_image(self._bytes(self._splits[split][int(number)][self._picture], image_id), image_id)

    def _rows_of_all(self) -> Iterator[tuple[str, int, dict[str, Any]]]:
        for split, data in self._splits.items():
            for start in range(0, len(data), ROWS_AT_ONCE):
                rows = data[start : start + ROWS_AT_ONCE]
                for place in range(len(rows[self._picture])):
                    yield split, start + place, {column: values[place] for column, values in rows.items()}

    def _bytes(self, cell: Any, image_id: str) -> bytes:
        try:
            return read_cell(cell, image_id, self.name, self._roots)
        except BadImage:
            return b""  # `load` raises the error with the reason


def read_cell(cell: Any, image_id: str, name: str, roots: Sequence[Path]) -> bytes:
    """Return the encoded image in a cell of an image column, or the content of the file that it refers to.

    Args:
        cell: dictionary with ``bytes`` or ``path``, or None.
        image_id: ID of the image for messages.
        name: name of the dataset for messages.
        roots: folders that may contain files.

    Raises:
        BadCorpus: the file is outside of ``roots``.
        BadImage: the file cannot be read.
    """
    cell = cell or {}
    if cell.get("bytes") or not cell.get("path"):
        return cell.get("bytes") or b""
    path = Path(cell["path"]).resolve()
    if not any(path.is_relative_to(folder) for folder in roots):
        raise BadCorpus(f"{image_id} in {name} refers to a file outside the dataset, which is not allowed.")
    return read_bytes(path, image_id)


def _roots(root: Path | None) -> list[Path]:
    """Return the folders that may contain the files of a dataset, which is in the folder ``root`` or downloaded."""
    import datasets
    from huggingface_hub.constants import HF_HUB_CACHE

    roots = (root, Path(datasets.config.HF_DATASETS_CACHE), Path(HF_HUB_CACHE))
    return [folder.resolve() for folder in roots if folder is not None]


def load_splits(argument: str) -> tuple[dict[str, Any], list[Path], str]:
    """Load a dataset without reading its images (see `open_hub`).

    Returns:
        ``datasets.Dataset`` by split name, the folders that may contain its files, and the name of the image column.
    """
    import datasets

    splits, root = _load(argument)
    picture, _, _ = _columns(next(iter(splits.values())))
    encoded = {name: data.cast_column(picture, datasets.Image(decode=False)) for name, data in splits.items()}
    return encoded, _roots(root), picture


def open_hub(argument: str) -> HubCorpus:
    """Open a dataset: ``OWNER/NAME``, ``OWNER/NAME/CONFIGURATION``, or a folder that ``datasets`` can load."""
    return HubCorpus(f"hub:{argument}", *_load(argument))


def _load(argument: str) -> tuple[Mapping[str, Any], Path | None]:
    """Load a dataset, and return its splits and, if it is a local folder, the folder."""
    if find_spec("datasets") is None:
        raise BadCorpus(
            f"hub:{argument} requires the package datasets, which is not installed.",
            hint="Run `pip install 'datasets>=3'`.",
        )
    folder = user_path(argument)
    is_local = folder.is_dir()
    parts = argument.split("/")
    if not is_local and (len(parts) > 3 or not all(re.fullmatch(r"\w[\w.-]*", part) for part in parts)):
        raise BadCorpus(
            f"'hub:{argument}' is not a dataset name. Use hub:OWNER/NAME, hub:OWNER/NAME/CONFIGURATION, or a folder."
        )
    import datasets

    with _offline_without_network(is_local):
        try:
            if is_local:
                splits = datasets.load_dataset(str(folder.resolve()))
            else:
                splits = datasets.load_dataset("/".join(parts[:2]), *parts[2:])
        except Exception as error:  # the library, its readers or the network may raise anything
            raise BadCorpus(
                f"hub:{argument} cannot be loaded ({one_line(error)[:200].rstrip('.')}). Check the name. "
                f"If {hub_address().rpartition('@')[2]} is unreachable, use a downloaded dataset, a folder or a "
                f"Parquet file."
            ) from None
    return splits, folder.resolve() if is_local else None


@contextmanager
def _offline_without_network(is_local: bool) -> Iterator[None]:
    """Use only local files within the context if the dataset is a local folder or the Hub is unreachable.

    The libraries would retry for a long time without a connection.
    """
    import datasets
    import huggingface_hub.constants as hub

    if not is_local and (hub_is_forbidden() or answers(hub_address())):
        yield
        return
    before = datasets.config.HF_HUB_OFFLINE, hub.HF_HUB_OFFLINE
    try:
        datasets.config.HF_HUB_OFFLINE = hub.HF_HUB_OFFLINE = True
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, hub.HF_HUB_OFFLINE = before


KIND = CorpusKind(
    name="hub",
    argument="NAME",
    is_path=True,
    description="An image dataset on the Hugging Face Hub, OWNER/NAME or OWNER/NAME/CONFIGURATION, which is downloaded "
    "once. Requires the package datasets.",
    license="license of the dataset",
    open=open_hub,
)
