"""``hf:OWNER/NAME``: a data set of the Hugging Face hub, streamed: its Parquet files are read where they lie.

The hub converts data sets of pictures to Parquet, on a branch of its own, in folders ``CONFIGURATION/SPLIT``. Which
column holds pictures and which labels stands in the files' metadata. A token for gated ones is the environment's
(``HF_TOKEN``).
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from probing_core.corpora.base import CorpusKind
from probing_core.corpora.parquet import CACHED_GROUPS, MAX_GROUP_BYTES
from probing_core.corpora.storage import Storage
from probing_core.corpora.table import DigestedCorpus, content_digest
from probing_core.errors import BadCorpus, one_line
from probing_core.images import Image, read_image
from probing_core.online import TIMEOUT_S, answers, hub_address, hub_is_forbidden

CONVERTED = "hf://datasets/{}@refs%2Fconvert%2Fparquet"
LABEL = "ClassLabel"
"""Kind of a column whose numbers have names."""

SPLITS = {"train": "train", "validation": "val", "test": "test"}
"""Splits of the hub -> ours, where a data set has all three."""


@dataclass(frozen=True)
class RowGroup:
    """Row group ``index`` of the file at ``path``, and how many ``rows`` it has."""

    path: str
    index: int
    rows: int


class HuggingFaceCorpus(DigestedCorpus):
    """The pictures of one configuration, in the order of its files.

    An image's id is its split and its number there.
    """

    def __init__(self, name: str, storage: Storage, configuration: str = "") -> None:
        super().__init__(name)
        self._storage = storage
        self._lock = threading.Lock()
        self._last_read = lru_cache(CACHED_GROUPS)(lambda group: self._table(group, [self._picture]).column(0))
        self._places: dict[str, tuple[RowGroup, int]] = {}
        files = _files_by_split(name, storage, configuration)
        self._picture, label, names = self._find_columns(files)
        for split, paths in files.items():
            ours = SPLITS[split] if set(files) == set(SPLITS) else ""
            for image_id, group, row, picture, value in self._read(split, paths, label):
                text = names[value] if names and isinstance(value, int) and 0 <= value < len(names) else value
                if self._take(image_id, content_digest(picture), "" if text is None else str(text), ours):
                    self._places[image_id] = group, row
        self._finish()
        if self.rows.empty:
            raise BadCorpus(f"{name} holds no picture.")
        self.description = f"{len(self.rows)} pictures of a data set of the Hugging Face hub"

    def load(self, image_id: str) -> Image:
        group, row = self._places[image_id]
        return read_image(_bytes(self._pictures(group)[row]), image_id)

    def _find_columns(self, files: dict[str, list[str]]) -> tuple[str, str, list[str]]:
        """Return the column of pictures, that of labels (or none), and the names of the labels' numbers."""
        path = next(iter(files.values()))[0]
        schema = self._storage.scan(path, lambda file: _parquet(file, self.name).schema_arrow)
        about = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = about.get("info", {}).get("features", {})
        kinds = dict.fromkeys(schema.names, "")
        kinds |= {name: each.get("_type", "") for name, each in features.items() if isinstance(each, dict)}
        picture, label = picture_and_label(kinds)
        if not picture:
            raise BadCorpus(f"{self.name} has no column of pictures; it has: {', '.join(schema.names)}.")
        return picture, label, list(features.get(label, {}).get("names", [])) if kinds.get(label) == LABEL else []

    def _read(self, split: str, paths: list[str], label: str) -> Iterator[tuple[str, RowGroup, int, bytes, Any]]:
        """Yield, for each picture of a split, its id, its place, its bytes and its label; one row group is in
        memory."""
        number = 0
        for path in paths:
            for group in self._storage.scan(path, partial(_groups, path=path, name=self.name)):
                table = self._table(group, [self._picture, *([label] if label else [])])
                labels = table[label].to_pylist() if label else [None] * group.rows
                for row, (picture, value) in enumerate(zip(table[self._picture], labels, strict=True)):
                    yield f"{split}/{number:07d}", group, row, _bytes(picture), value
                    number += 1

    def _pictures(self, group: RowGroup) -> pa.ChunkedArray:
        """Return the pictures of one row group; the last few stay in memory."""
        with self._lock:  # of several threads that ask at once, one reads
            return self._last_read(group)

    def _table(self, group: RowGroup, columns: list[str]) -> pa.Table:
        return self._storage.scan(
            group.path, lambda file: _parquet(file, self.name).read_row_group(group.index, columns, use_threads=False)
        )


def picture_and_label(kinds: Mapping[str, str]) -> tuple[str, str]:
    """Return the column of pictures of a data set and that of labels, each empty where there is none.

    Args:
        kinds: column -> its kind in the features of the data set (``Image``, ``ClassLabel``, ...).
    """
    pictures, labels = ([name for name, kind in kinds.items() if kind == wanted] for wanted in ("Image", LABEL))
    return pictures[0] if pictures else "", "label" if "label" in kinds else labels[0] if labels else ""


def _files_by_split(name: str, storage: Storage, configuration: str) -> dict[str, list[str]]:
    """Return a mapping from split to its files in order, for the configuration that is named, or the only one."""
    found: dict[str, dict[str, list[str]]] = {}
    for path in sorted(storage.sizes()):
        parts = PurePosixPath(path).parts
        if len(parts) == 3 and path.endswith(".parquet"):
            splits = found.setdefault(parts[0], {})
            splits.setdefault(parts[1].removeprefix("partial-"), []).append(path)
    configuration = configuration or (next(iter(found)) if len(found) == 1 else "default")
    if configuration not in found:
        there = f"it has: {', '.join(found)}; write hf:OWNER/NAME/CONFIGURATION" if found else "it has no Parquet files"
        raise BadCorpus(f"{name} has no configuration '{configuration}'; {there}.")
    order = [*SPLITS, *found[configuration]]
    return dict(sorted(found[configuration].items(), key=lambda split: order.index(split[0])))


def _parquet(file: Any, name: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file)
    except pa.ArrowInvalid as error:
        raise BadCorpus(f"{name} has a file that is no Parquet ({one_line(error)}).") from None


def _groups(file: Any, path: str, name: str) -> list[RowGroup]:
    about = _parquet(file, name).metadata
    sizes = [about.row_group(index).total_byte_size for index in range(about.num_row_groups)]
    if max(sizes, default=0) > MAX_GROUP_BYTES:
        raise BadCorpus(
            f"{name} has a row group of {max(sizes) / 1e9:.1f} GB, which would be in memory whole; at most "
            f"{MAX_GROUP_BYTES / 1e9:.0f} GB are read."
        )
    return [RowGroup(path, index, about.row_group(index).num_rows) for index in range(about.num_row_groups)]


def _bytes(picture: pa.Scalar) -> bytes:
    """Return the encoded picture in a cell: the hub's are pairs of bytes and path."""
    value = picture.as_py()
    value = value.get("bytes") if isinstance(value, dict) else value
    return value if isinstance(value, bytes) else b""


def _open(argument: str) -> HuggingFaceCorpus:
    parts = argument.split("/")
    if len(parts) not in (2, 3) or not all(re.fullmatch(r"\w[\w.-]*", part) for part in parts):
        raise BadCorpus(f"'hf:{argument}' names no data set; write hf:OWNER/NAME or hf:OWNER/NAME/CONFIGURATION.")
    require_answer(argument)
    storage = Storage(CONVERTED.format("/".join(parts[:2])))
    return HuggingFaceCorpus(f"hf:{argument}", storage, *parts[2:])


def require_answer(argument: str) -> None:
    """Raise `BadCorpus` within seconds where the hub cannot be reached: its library tries for long."""
    hub = hub_address()
    if hub_is_forbidden() or not answers(hub, TIMEOUT_S):
        raise BadCorpus(
            f"hf:{argument} is streamed from {hub}, which does not answer (or HF_HUB_OFFLINE forbids it); use a "
            f"machine with a network, or name a folder or Parquet file."
        )


KIND = CorpusKind(
    name="hf",
    argument="OWNER/NAME",
    description="A data set of pictures of the Hugging Face hub, streamed; a configuration may follow: "
    "OWNER/NAME/CONFIGURATION.",
    license="the data set's own",
    open=_open,
)
