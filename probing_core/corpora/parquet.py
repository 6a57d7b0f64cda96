"""``parquet:FILE``: a table of encoded images, read by row group; ``reference``: the included file."""

from __future__ import annotations

import threading
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from probing_core.corpora.corpus import SPLITS, Corpus, CorpusKind, content_digest, fingerprint, make_rows
from probing_core.errors import BadCorpus, one_line
from probing_core.images import Image, read_image
from probing_core.measures.notation import counted
from probing_core.paths import PHOTOGRAPHS_FILE, PHOTOGRAPHS_LICENSE, reference_run, user_path

TEXT_COLUMNS = ("image_id", "base_id", "label", "split", "license", "style")
FLAG_COLUMNS = ("near_gray", "flat_corners", "held_out_class")
SIZE_COLUMNS = ("width", "height")

CACHED_GROUPS = 2
"""Number of cached row groups."""

MAX_GROUP_BYTES = 1_000_000_000
"""Maximum size of a row group in bytes. A row group is loaded as a unit."""


class ParquetCorpus(Corpus):
    """Images in a Parquet file.

    Required columns are ``image`` (encoded bytes) and ``label``. Optional columns are ``image_id``, ``base_id``,
    ``split``, ``license``, ``style``, ``near_gray``, ``flat_corners``, ``held_out_class``, ``width`` and ``height``.
    Nearly gray images and images with a style other than ``photo`` are excluded from all classes. Images with flat
    corners are excluded from runs with geometric transformations.
    """

    def __init__(self, path: Path) -> None:
        self.name, self._path = f"parquet:{path}", path
        self._begin_reading()
        _check_columns(self._file, path)
        self.rows = _rows(self._file, path.name)
        self.has_global_ids = not {"image_id", "base_id"}.isdisjoint(self._file.schema_arrow.names)
        ids = np.array([image_id.encode() for image_id in self.rows["image_id"]])
        self._order = np.argsort(ids)
        self._sorted = ids[self._order]  # a dictionary of the ids would need ten times the memory
        sizes = [self._file.metadata.row_group(g).num_rows for g in range(self._file.num_row_groups)]
        self._starts = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
        self.description = f"{counted(len(self.rows), 'image')} from a Parquet file"

    def _begin_reading(self) -> None:
        self._file = _open(self._path)
        self._lock = threading.Lock()
        self._last_read = lru_cache(CACHED_GROUPS)(partial(_read, self._file, self.name, ["image"]))

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for copying or pickling. The copy opens the same file."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_file", "_lock", "_last_read")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin_reading()

    @cached_property
    def fingerprint(self) -> str:
        groups = map(self._pictures, range(self._file.num_row_groups))
        return fingerprint(self.rows, (content_digest(picture.as_py() or b"") for group in groups for picture in group))

    def load(self, image_id: str) -> Image:
        return read_image(self.read_bytes(image_id), image_id)

    def read_bytes(self, image_id: str) -> bytes:
        place = self._place(image_id)
        group = int(np.searchsorted(self._starts, place, side="right")) - 1
        return self._pictures(group)[place - int(self._starts[group])].as_py() or b""

    def _place(self, image_id: str) -> int:
        key = image_id.encode()
        at = int(np.searchsorted(self._sorted, key))
        if at == len(self._sorted) or self._sorted[at] != key:
            raise KeyError(image_id)
        return int(self._order[at])

    def _pictures(self, group: int) -> pa.ChunkedArray:
        with self._lock:  # one thread reads at a time
            return self._last_read(group).column(0)


def _open(path: Path) -> pq.ParquetFile:
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "does not exist"
        raise BadCorpus(f"parquet:{path} {problem}. Expected a Parquet file.")
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise BadCorpus(f"{path.name} is not a readable Parquet file ({one_line(error)}).") from None
    largest = max((file.metadata.row_group(g).total_byte_size for g in range(file.num_row_groups)), default=0)
    if largest > MAX_GROUP_BYTES:
        raise BadCorpus(
            f"{path.name} has a row group of {largest / 1e9:.1f} GB, which is loaded into memory as a unit. "
            f"Rewrite the file with row_group_size=1000."
        )
    return file


def _read(file: pq.ParquetFile, name: str, columns: list[str], group: int | None = None) -> pa.Table:
    try:
        if group is not None:
            return file.read_row_group(group, columns=columns)
        return file.read(columns=columns, use_threads=False)  # threads would retain memory after the read
    except (pa.ArrowException, OSError) as error:
        raise BadCorpus(f"{name} is corrupted ({one_line(error)}). Download or write it again.") from None


def _check_columns(file: pq.ParquetFile, path: Path) -> None:
    schema = file.schema_arrow
    missing = [column for column in ("image", "label") if column not in schema.names]
    if missing:
        raise BadCorpus(
            f"{path.name} has no column{'s' if len(missing) > 1 else ''} {' or '.join(missing)}. Expected image "
            f"(encoded bytes) and label (text); got {', '.join(schema.names) or 'no columns'}."
        )
    expected = [("image", "encoded bytes", _is_bytes)]
    expected += [(name, "text", _is_text) for name in TEXT_COLUMNS]
    expected += [(name, "booleans", pa.types.is_boolean) for name in FLAG_COLUMNS]
    expected += [(name, "integers", pa.types.is_integer) for name in SIZE_COLUMNS]
    for name, type_name, accepts in expected:
        if name in schema.names and not accepts(schema.field(name).type):
            raise BadCorpus(
                f"The column {name} of {path.name} must contain {type_name}; got type {schema.field(name).type}."
            )


def _is_bytes(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _rows(file: pq.ParquetFile, name: str) -> pd.DataFrame:
    present = [column for column in (*TEXT_COLUMNS, *FLAG_COLUMNS, *SIZE_COLUMNS) if column in file.schema_arrow.names]
    table = _read(file, name, present)
    if not len(table):
        raise BadCorpus(f"{name} has no rows. Expected at least one image.")
    text = {
        column: np.array([value or "" for value in table[column].to_pylist()], dtype=object)
        for column in TEXT_COLUMNS
        if column in present
    }
    flags = {flag: pc.fill_null(table[flag], False).to_numpy() for flag in FLAG_COLUMNS if flag in present}
    image_id = text.get("image_id", np.array([f"{number:06d}" for number in range(len(table))], dtype=object))
    _check_ids(image_id, name)
    base_id = text.get("base_id", image_id)
    base_id = np.where(base_id == "", image_id, base_id)
    _check_splits(text.get("split", np.full(len(table), "")), base_id, name)
    none = np.zeros(len(table), dtype=bool)
    style = text.get("style", np.full(len(table), "photo", dtype=object))
    drawn = ~np.isin(style, ("photo", ""))
    gray, flat = flags.get("near_gray", none), flags.get("flat_corners", none)
    reasons = zip(
        np.where(drawn, "style " + style, ""),
        np.where(gray, "near gray", ""),
        np.where(flat, "flat corners", ""),
        strict=True,
    )
    columns = {
        "image_id": image_id,
        "base_id": base_id,
        "label": text["label"],
        "split": text.get("split", ""),
        "license": text.get("license", ""),
        "color": ~(drawn | gray),
        "geometry": ~flat,
        "why_not": ["; ".join(filter(None, parts)) for parts in reasons],
    }
    additional = {key: column for key, column in (text | flags).items() if key in ("style", "held_out_class")}
    additional |= {side: pc.fill_null(table[side], 0).to_numpy() for side in SIZE_COLUMNS if side in present}
    return make_rows(columns | additional)


def _check_ids(image_id: np.ndarray, name: str) -> None:
    ids, counts = np.unique(image_id.astype(str), return_counts=True)
    if (counts > 1).any():
        raise BadCorpus(
            f"{name} has {counts[counts > 1].sum()} rows with a duplicate image_id, such as '{ids[counts > 1][0]}'. "
            f"Values of image_id must be unique."
        )
    if "" in ids:
        raise BadCorpus(f"{name} has a row without an image_id. Fill in the value, or remove the column.")
    if any("\0" in value for value in image_id):  # NumPy may truncate strings at this character
        raise BadCorpus(f"{name} has an image_id with a NUL character. Remove the character.")


def _check_splits(split: np.ndarray, base_id: np.ndarray, name: str) -> None:
    unknown = sorted(set(split) - {*SPLITS, ""})
    if unknown:
        raise BadCorpus(
            f"{name} has the split '{unknown[0]}'. Use train, val, test, pretrain or calibrate, or remove the column."
        )
    splits = pd.Series(split).groupby(base_id).nunique()
    if (splits > 1).any():
        raise BadCorpus(
            f"{name} has photographs in more than one split ({(splits > 1).sum()}, such as '{splits.idxmax()}'). "
            f"All rows with the same base_id must be in the same split."
        )


class ReferenceCorpus(ParquetCorpus):
    """The included Caltech-101 photographs.

    A run on this corpus uses the transformations and repetitions of the reference run, so its scores are comparable.
    The additional column ``source`` of ``rows`` contains the publisher of the photograph.
    """

    def __init__(self) -> None:
        path = reference_run() / PHOTOGRAPHS_FILE
        if not path.is_file():
            raise BadCorpus(
                f"The file with the included photographs is missing: {path}. Reinstall the package, or restore the "
                f"file with git."
            )
        super().__init__(path)
        self.name = "reference"
        self.recipe = {"transforms": ("bank", "far-styles"), "repetitions": 3}
        self.rows["source"] = self._file.read(["source"])["source"].to_numpy()
        self.description = (
            f"{len(self.rows)} color photographs of {self.rows['label'].nunique()} classes of Caltech-101 that were "
            f"not used to pretrain the zoo encoders"
        )


KIND = CorpusKind(
    name="parquet",
    argument="FILE",
    is_path=True,
    description="A Parquet file with the columns image (encoded bytes) and label.",
    license="see the license column",
    open=lambda argument: ParquetCorpus(user_path(argument)),
)
REFERENCE = CorpusKind(
    name="reference",
    description="Included color photographs from Caltech-101 that were not used to train the zoo encoders.",
    license=f"CC BY 4.0 according to the publisher; authors and source are listed in {PHOTOGRAPHS_LICENSE}",
    open=lambda argument: ReferenceCorpus(),
)
