"""Embeddings that are read on access, so that they can be larger than memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

READ_ROWS = 2**16


@dataclass(frozen=True, eq=False)
class LazyRows:
    """Embeddings (N, D) whose rows are read as ``float32`` on access.

    Attributes:
        arrays: consecutive parts of shape (n, D), which can be memory-mapped.
        picked: (N,) positions of the selected rows in the concatenated ``arrays``, or None for all rows.
    """

    arrays: tuple[np.ndarray, ...]
    picked: np.ndarray | None = None

    @cached_property
    def _stops(self) -> np.ndarray:
        return np.cumsum([len(array) for array in self.arrays])

    @property
    def shape(self) -> tuple[int, int]:
        return int(self._stops[-1]) if self.picked is None else len(self.picked), self.arrays[0].shape[1]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: slice | np.ndarray) -> np.ndarray:
        """Read rows into memory. ``key`` is a slice, an array of positions, or a mask."""
        places = self._places(key)
        rows = np.empty((len(places), self.shape[1]), np.float32)
        array_of = np.searchsorted(self._stops, places, side="right")
        for index in np.unique(array_of):
            in_array = array_of == index
            array = self.arrays[index]
            rows[in_array] = array[places[in_array] - (self._stops[index] - len(array))]
        return rows

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)

    def at(self, rows: np.ndarray) -> LazyRows:
        """Select the rows at the positions ``rows`` without reading them."""
        return replace(self, picked=self._places(rows))

    def then(self, other: LazyRows) -> LazyRows:
        places = np.concatenate([self._places(slice(None)), other._places(slice(None)) + self._stops[-1]])
        return LazyRows((*self.arrays, *other.arrays), places)

    def blocks(self) -> Iterator[np.ndarray]:
        return (self[slice(start, start + READ_ROWS)] for start in range(0, max(1, len(self)), READ_ROWS))

    def _places(self, key: slice | np.ndarray) -> np.ndarray:
        if self.picked is not None:
            return self.picked[key]
        return np.arange(len(self))[key]
