"""Measurements of a scan, stored in chunks so that the scan can be resumed."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import accumulate, chain, count
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from probing_core.api.scan_columns import common_type, converted, storable
from probing_core.api.scan_measure import MEASURED
from probing_core.api.scan_source import Source
from probing_core.errors import BadConfig, BadRun, one_line
from probing_core.paths import confined
from probing_core.run.files import readable, written_atomically

OF_SOURCE = "source."
"""Prefix of columns that were copied from the source."""

CHUNK_NAME = re.compile(r"chunk-(?P<settings>[0-9a-f]{16})(-[0-9a-f]{16})?\.parquet")

REPEAT = "Run the same `probing scan` command again to repeat the images in corrupted files."
"""Hint for a chunk that cannot be read."""


def digest(values: Any) -> str:
    """Return a digest of JSON-serializable ``values`` (16 hexadecimal digits)."""
    return sha256(json.dumps(values).encode()).hexdigest()[:16]


class Chunks:
    """Measurements of the images in a source. Each part of the source is stored in one chunk.

    The name of a chunk contains a digest of ``settings`` and a digest of the key of the part. The chunk is complete if
    a file with this name exists.

    Args:
        folder: folder with the chunks.
        source: scanned images.
        settings: digest of all settings that affect measurements.
    """

    def __init__(self, folder: Path, source: Source, settings: str) -> None:
        self.folder, self.source, self._settings = folder, source, settings
        self.names = [f"chunk-{settings}-{digest(part.key)}.parquet" for part in source.parts]

    def refuse_other_settings(self) -> None:
        """Check that all chunks in the folder have the settings of this scan, so that no other scan is overwritten.

        Raises:
            BadConfig: the folder contains a chunk with different settings.
        """
        settings = {match["settings"] for path in self._existing() if (match := CHUNK_NAME.fullmatch(path.name))}
        if settings - {self._settings}:
            raise BadConfig(
                f"'{self.folder.parent}' contains a scan with a different detector, or by a different version of this "
                f"program. Choose another folder, or remove the existing scan first."
            )

    def missing(self) -> list[int]:
        """Return the indices of missing chunks. Corrupted chunks are removed and count as missing."""
        parts = self.source.parts
        return [i for i, name in enumerate(self.names) if not _is_complete(self.folder / name, parts[i].count)]

    def write(self, index: int, rows: Sequence[Mapping[str, Any]], columns: pa.Table | None = None) -> None:
        """Write a chunk.

        Args:
            index: index of the chunk.
            rows: measurements with the columns `MEASURED`.
            columns: columns of the source, with one row per image.
        """
        table = pa.Table.from_pylist(list(rows), MEASURED)
        for name, column in _unique(columns):
            table = table.append_column(f"{OF_SOURCE}{name}", storable(column))
        with written_atomically(self.folder / self.names[index]) as file:
            pq.write_table(table, file, compression="zstd", write_page_checksum=True)

    def read(self, columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
        """Yield the measurements in each chunk.

        Raises:
            BadRun: a chunk is missing or corrupted.
        """
        for name in self.names:
            yield read_chunk(self.folder, name, columns).to_pandas()

    def source_columns(self) -> dict[str, pa.DataType]:
        """Return the columns of the source and the types to which they can be converted in all chunks."""
        types: dict[str, pa.DataType] = {}
        for name in self.names if self.source.has_columns else ():
            with readable(self.folder / name, f"{self.folder.name}/{name}", REPEAT):
                schema = pq.read_schema(self.folder / name)
            for column in schema:
                if column.name.startswith(OF_SOURCE):
                    key = column.name.removeprefix(OF_SOURCE)
                    types[key] = common_type(types.get(key, column.type), column.type)
        return types

    def read_source(self, types: Mapping[str, pa.DataType]) -> Iterator[pa.Table]:
        """Yield the columns of the source in each chunk, with these ``types``. Missing columns are null."""
        for name in self.names:
            path = self.folder / name
            with readable(path, f"{self.folder.name}/{name}", REPEAT), pq.ParquetFile(path) as file:
                present = [column for column in types if f"{OF_SOURCE}{column}" in file.schema_arrow.names]
                table = file.read([f"{OF_SOURCE}{column}" for column in present], use_threads=False)
                columns = {
                    column: converted(table[f"{OF_SOURCE}{column}"], kind)
                    if column in present
                    else pa.nulls(file.metadata.num_rows, kind)
                    for column, kind in types.items()
                }
                yield pa.table(columns)

    def remove_others(self) -> None:
        """Remove outdated chunks, whose files have changed."""
        names = set(self.names)
        for path in self._existing():
            if CHUNK_NAME.fullmatch(path.name) and path.name not in names:
                _remove(path)

    def _existing(self) -> list[Path]:
        return sorted(self.folder.glob("chunk-*"))


def read_chunk(folder: Path, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a chunk.

    Args:
        folder: folder with the chunks.
        name: name of the chunk, which may have been read from a file.
        columns: columns to read, by default all columns.

    Raises:
        BadRun: the chunk is missing or corrupted, or ``name`` is outside of the folder.
    """
    path = confined(name, folder)
    with readable(path, f"{folder.name}/{name}", REPEAT):
        table = pq.ParquetFile(path, page_checksum_verification=True).read(columns, use_threads=False)
        names = MEASURED.names if columns is None else columns
        if any(column.null_count for column in table.select(names).columns):
            raise ValueError("values are missing")
        return table.select(names).cast(pa.schema([MEASURED.field(column) for column in names]))


def _is_complete(path: Path, count: int) -> bool:
    """Return whether a chunk can be read and has the measurements of ``count`` images. Otherwise, it is removed."""
    if not path.exists():
        return False
    try:
        with readable(path, path.name, REPEAT):  # before the rows are read, which could need any amount of memory
            if pq.read_metadata(path).num_rows != count:
                raise ValueError(f"expected {count} rows")
        read_chunk(path.parent, path.name)
        return True
    except BadRun:
        _remove(path)
        return False


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:  # it is a folder, or permission is denied
        raise BadRun(
            f"The corrupted or outdated chunk '{path}' could not be removed: {error.strerror or one_line(error)}. "
            f"Remove it, and start the scan again."
        ) from error


def _unique(columns: pa.Table | None) -> Iterator[tuple[str, pa.ChunkedArray]]:
    """Yield the columns of a table with unique names."""
    seen: set[str] = set()
    for name, column in () if columns is None else zip(columns.column_names, columns.columns, strict=True):
        candidates = chain([name], (f"{name}.{i}" for i in count(2)))
        unique = next(candidate for candidate in candidates if candidate not in seen)
        seen.add(unique)
        yield unique, column


def place_in_chunks(lengths: Sequence[int], row: int) -> tuple[int, int]:
    """Return the index of the chunk that contains a row, and the position of the row in this chunk."""
    ends = list(accumulate(lengths))
    chunk = bisect_right(ends, row)
    return chunk, row - (ends[chunk - 1] if chunk else 0)
