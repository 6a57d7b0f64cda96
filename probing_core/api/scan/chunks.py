"""Chunks of a scan on disk: what a killed scan has done stays done.

A chunk is the rows of `CHUNK` files in the order of their names: a file of a `Store`, as those of a run are, so that
chunks of other files, or of another detector or calibration, are made again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from probing_core.api.scan.reading import File
from probing_core.run.store import Store, digest

CHUNK = 64


class Chunks:
    """The chunks of one list of files.

    Args:
        folder: where they are.
        settings: digest of everything else that decides what is found.
    """

    def __init__(self, folder: Path, files: Sequence[File], settings: str) -> None:
        self.settings, self._store = settings, Store(folder)
        self.files = [files[i : i + CHUNK] for i in range(0, len(files), CHUNK)]
        """Those of each chunk."""

    def missing(self) -> list[int]:
        return [i for i in range(len(self.files)) if not self._store.has(_name(i), self._key(i))]

    def write(self, index: int, rows: pd.DataFrame) -> None:
        self._store.write_table(_name(index), rows, self._key(index))

    def read(self, columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
        """Yield the rows of each chunk, in order."""
        for index in range(len(self.files)):
            yield self._store.read_table(_name(index), columns)

    def remove_others(self) -> None:
        """Remove chunks beyond the last: the folder held more files before."""
        expected = {_name(i) for i in range(len(self.files))}
        self._store.remove(*(name for name in self._store.names() if name not in expected))
        self._store.fold()

    def _key(self, index: int) -> str:
        return digest([self.settings, [[f.name, *f.stamp] for f in self.files[index]]])


def _name(index: int) -> str:
    return f"chunk-{index:06d}.parquet"
