"""Measurements of a scan, stored in chunks so that the scan can be resumed."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b, sha256
from itertools import accumulate
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from probing_core.api.scan_files import MEASURED, File
from probing_core.errors import BadConfig, BadRun
from probing_core.paths import confined
from probing_core.run.files import readable, written_atomically

CHUNK = 64
"""Mean number of files per chunk."""

CHUNK_NAME = re.compile(r"chunk-(?P<settings>[0-9a-f]{16})(-[0-9a-f]{16})?\.parquet")

REPEAT = "Run the same `probing scan` command again to repeat the images in corrupted files."
"""Hint for a chunk that cannot be read."""


def digest(values: Any) -> str:
    """Return a digest of JSON-serializable ``values`` (16 hexadecimal digits)."""
    return sha256(json.dumps(values).encode()).hexdigest()[:16]


class Chunks:
    """Measurements of the files in one folder, stored in chunks of about `CHUNK` files.

    The name of a chunk contains a digest of ``settings`` and a digest of the names, sizes and modification times of its
    files. The chunk is complete if a file with this name exists. A chunk begins at each file whose name has a digest
    divisible by `CHUNK`, so a new file affects only one chunk.

    Args:
        folder: folder with the chunks.
        files: scanned files.
        settings: digest of all settings that affect measurements.
    """

    def __init__(self, folder: Path, files: Sequence[File], settings: str) -> None:
        self.folder, self._settings = folder, settings
        self.files: list[list[File]] = []
        for file in files:
            if not self.files or _begins_chunk(file.name):
                self.files.append([])
            self.files[-1].append(file)
        self.names = [f"chunk-{settings}-{digest([[f.name, *f.stamp] for f in chunk])}.parquet" for chunk in self.files]

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
        return [i for i, name in enumerate(self.names) if not _is_complete(self.folder / name)]

    def write(self, index: int, rows: Sequence[Mapping[str, Any]]) -> None:
        table = pa.Table.from_pylist(list(rows), MEASURED)
        with written_atomically(self.folder / self.names[index]) as file:
            pq.write_table(table, file, compression="zstd", write_page_checksum=True)

    def read(self, columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
        """Yield the rows of each chunk.

        Raises:
            BadRun: a chunk is missing or corrupted.
        """
        for name in self.names:
            yield read_chunk(self.folder, name, columns).to_pandas()

    def remove_others(self) -> None:
        """Remove outdated chunks, whose files have changed."""
        for path in self._existing():
            if CHUNK_NAME.fullmatch(path.name) and path.name not in set(self.names):
                path.unlink(missing_ok=True)

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
        return table.select(names).cast(pa.schema([MEASURED.field(column) for column in names]))


def _is_complete(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        read_chunk(path.parent, path.name)
        return True
    except BadRun:
        path.unlink(missing_ok=True)
        return False


def _begins_chunk(name: str) -> bool:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") % CHUNK == 0


def place_in_chunks(lengths: Sequence[int], row: int) -> tuple[int, int]:
    """Return the index of the chunk that contains a row, and the position of the row in this chunk."""
    ends = list(accumulate(lengths))
    chunk = bisect_right(ends, row)
    return chunk, row - (ends[chunk - 1] if chunk else 0)
