"""Embeddings of a run, read where they are asked for: there may be more of them than memory holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from probing_core.errors import BadRun
from probing_core.runs.layout import LAYERS, embeddings_folder
from probing_core.runs.shards import embeddings_files
from probing_core.runs.store import Files

BLOCK = 2**16
"""Rows that `LazyRows.blocks` reads at once."""


@dataclass(frozen=True, eq=False)
class LazyRows:
    """Rows (N, D) ``float32``, read where they are asked for: no more than that is in memory.

    Attributes:
        arrays: (n, D) each, memory-mapped or not; the rows of one follow those of another.
        picked: (N,) which of all those rows these are; all of them if None.
        change: what becomes of rows that are read.
    """

    arrays: tuple[np.ndarray, ...]
    picked: np.ndarray | None = None
    change: Callable[[np.ndarray], np.ndarray] | None = None

    @cached_property
    def _stops(self) -> np.ndarray:
        return np.cumsum([len(array) for array in self.arrays])

    @property
    def shape(self) -> tuple[int, int]:
        return int(self._stops[-1]) if self.picked is None else len(self.picked), self.arrays[0].shape[1]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: slice | np.ndarray) -> np.ndarray:
        """Those rows, in memory; ``key`` is a slice, or positions."""
        rows = self._read(self._places(key))
        return rows if self.change is None else self.change(rows)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)

    def at(self, rows: np.ndarray) -> LazyRows:
        """The rows at these positions, still to be read."""
        return replace(self, picked=self._places(rows))

    def changed(self, change: Callable[[np.ndarray], np.ndarray]) -> LazyRows:
        """The same rows, of which every (n, D) that is read becomes ``change`` of it."""
        assert self.change is None
        return replace(self, change=change)

    def then(self, other: LazyRows) -> LazyRows:
        """These rows and then the others', neither of them changed."""
        assert self.change is None
        assert other.change is None
        places = np.concatenate([self._places(slice(None)), other._places(slice(None)) + self._stops[-1]])
        return LazyRows((*self.arrays, *other.arrays), places)

    def blocks(self) -> Iterator[np.ndarray]:
        """All rows, `BLOCK` of them at a time."""
        return (self[slice(start, start + BLOCK)] for start in range(0, max(1, len(self)), BLOCK))

    def _places(self, key: slice | np.ndarray) -> np.ndarray:
        """Positions among the rows of all arrays."""
        if self.picked is not None:
            return self.picked[key]
        return np.arange(len(self))[key]

    def _read(self, places: np.ndarray) -> np.ndarray:
        rows = np.empty((len(places), self.shape[1]), np.float32)
        array_of = np.searchsorted(self._stops, places, side="right")
        for index in np.unique(array_of):
            mine = array_of == index
            array = self.arrays[index]
            rows[mine] = array[places[mine] - (self._stops[index] - len(array))]
        return rows


def read_embeddings(store: Files, model: str, rows: np.ndarray | None = None, series: str = "") -> np.ndarray:
    """Embeddings of ``model``, (N, D) ``float32`` in the order of ``samples.parquet``, or of a series' table.

    Args:
        rows: which of them; all, if not given. No others are read.
        series: name of the series; the main samples, if not given.
    """
    lazy = lazy_embeddings(store, model, series)
    return lazy[slice(None) if rows is None else rows]


def lazy_embeddings(store: Files, model: str, series: str = "") -> LazyRows:
    """The same embeddings, read where they are asked for."""
    return LazyRows(tuple(store.map_array(name, "embeddings") for name in _unit_paths(store, model, series)))


def read_blocks(store: Files, model: str) -> Iterator[tuple[str, np.ndarray]]:
    """Name (`LoadedEmbedder.blocks`) and embeddings (N, D) of one block of ``model`` after another, first to last, in
    the order of the layers' table. One of them is in memory."""
    units = _unit_paths(store, model, LAYERS)
    for block in sorted(store.array_names(units[0]), key=lambda name: (int(name.split(".")[0]), name)):
        yield block, np.concatenate([store.read_array(unit, block) for unit in units]).astype(np.float32, copy=False)


def _unit_paths(store: Files, model: str, series: str) -> list[str]:
    names = embeddings_files(store, model, series)
    if not names:
        raise BadRun(f"The run has no embeddings of '{model}'; `probing embed --run DIR` makes them.")
    return names


def has_embeddings(store: Files, model: str, series: str = "") -> bool:
    """Whether `read_embeddings` finds any; a run that was shipped may have none."""
    return bool(store.names(embeddings_folder(model, series)))
