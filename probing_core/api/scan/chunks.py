"""Chunks of a scan on disk: what a killed scan has done stays done.

A chunk is the rows of `CHUNK` files in the order of their names, in a Parquet file that is written aside and renamed.
Its key stands in it: chunks of other files, or of another detector or calibration, are made again.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from probing_core.api.scan.reading import File
from probing_core.run.store import digest, write_atomically

CHUNK = 64
KEY = b"scan"


class Chunks:
    """The chunks of one list of files.

    Args:
        folder: where they lie.
        settings: digest of everything else that decides what is found.
    """

    def __init__(self, folder: Path, files: Sequence[File], settings: str) -> None:
        self.folder, self.settings = folder, settings
        self.files = [files[i : i + CHUNK] for i in range(0, len(files), CHUNK)]
        """Those of each chunk."""

    def missing(self) -> list[int]:
        return [i for i in range(len(self.files)) if not self._has(i)]

    def write(self, index: int, rows: pd.DataFrame) -> None:
        table = pa.Table.from_pandas(rows, preserve_index=False)
        buffer = io.BytesIO()
        pq.write_table(table.replace_schema_metadata({KEY: self._key(index)}), buffer, compression="zstd")
        write_atomically(self._path(index), buffer.getvalue())

    def read(self, columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
        """Yield the rows of each chunk, in order."""
        for index in range(len(self.files)):
            yield pq.read_table(self._path(index), columns=columns, use_threads=False).to_pandas()

    def remove_others(self) -> None:
        """Remove chunks beyond the last: the folder held more files before."""
        expected = {self._path(i).name for i in range(len(self.files))}
        for path in self.folder.glob("chunk-*"):
            if path.name not in expected:
                path.unlink()

    def _path(self, index: int) -> Path:
        return self.folder / f"chunk-{index:06d}.parquet"

    def _key(self, index: int) -> bytes:
        return digest([self.settings, [[f.name, *f.stamp] for f in self.files[index]]]).encode()

    def _has(self, index: int) -> bool:
        try:
            return (pq.read_schema(self._path(index)).metadata or {}).get(KEY) == self._key(index)
        except (OSError, pa.ArrowException):
            return False
