"""The samples of a run, of which there may be millions, read by column and by row; predictions joined with them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pandas as pd

from probing_core.errors import BadRun
from probing_core.run.columns import RowGroups, Where, count_rows, read_columns
from probing_core.run.layout import SAMPLES
from probing_core.run.store import Files

FACTS = (
    "image_id", "base_id", "label", "split", "transform", "group", "repetition", "draw", "strength", "ssim",
    "difference", "distance", "visible",
)  # fmt: skip
"""Columns of a sample beside its number."""


class SampleTable:
    """``samples.parquet``. Columns that were read stay in memory, texts as categories in order."""

    def __init__(self, store: Files) -> None:
        self._store = store
        self._columns: dict[str, pd.Series] = {}
        self._last: tuple[np.ndarray, np.ndarray, bool, bool] | None = None

    @cached_property
    def count(self) -> int:
        """How many samples there are; none of them is read."""
        return count_rows(self._store, SAMPLES)

    def columns(self, *names: str) -> pd.DataFrame:
        """Return these columns of all samples; no others are read. Shared: not to be changed."""
        missing = [name for name in names if name not in self._columns]
        if missing and self._store.has(SAMPLES):
            read = read_columns(self._store, SAMPLES, missing)
            self._columns.update((name, read[name]) for name in missing if name in read)
        return pd.DataFrame({name: self._columns[name] for name in names if name in self._columns}, copy=False)

    def rows(self, rows: np.ndarray) -> pd.DataFrame:
        """Return the samples at these positions with every column; no row group that holds none of them is read."""
        return self._groups.take(rows) if self._store.has(SAMPLES) else pd.DataFrame()

    def joined(
        self,
        predictions: str,
        columns: Sequence[str],
        facts: Sequence[str],
        where: Where | None = None,
        once: bool = True,
    ) -> pd.DataFrame:
        """Return these ``columns`` of a table of predictions, whose name is given, with ``facts`` of each sample.

        Args:
            where: which rows; all, if not given. No others are in memory.
            once: whether a sample must not be there twice.

        Raises:
            BadRun: a sample is unknown, or is there twice.
        """
        table = read_columns(self._store, predictions, columns, where)
        rows = self.positions(table["sample"].to_numpy(), predictions, once)
        known = [self.columns(*facts).take(rows).set_axis(table.index)] if facts else []
        return pd.concat([table, *known], axis=1)

    def positions(self, numbers: np.ndarray, predictions: str, once: bool = True) -> np.ndarray:
        """Return the position of each of these ``numbers`` of samples.

        The last result is cached: all models are tested on the same samples.

        Raises:
            BadRun: one is unknown, or is there twice.
        """
        found = self._last
        if found is None or not np.array_equal(found[0], numbers):
            found = self._last = numbers, *self._search(numbers)
        _, rows, known, twice = found
        if not known or (once and twice):
            raise BadRun(
                f"The predictions in '{predictions}' do not fit the samples of '{self._store.root}'; "
                f"`probing verify --run {self._store.root}` lists what is damaged."
            )
        return rows

    def _search(self, numbers: np.ndarray) -> tuple[np.ndarray, bool, bool]:
        """Return the position of each, whether all are known, and whether one is there twice."""
        known, order = self._numbers
        if not len(order):
            return order, not len(numbers), False
        at = np.searchsorted(known, numbers).clip(max=len(order) - 1)
        return order[at], bool((known[at] == numbers).all()), bool(np.bincount(at, minlength=1).max() > 1)

    @cached_property
    def _groups(self) -> RowGroups:
        return RowGroups(self._store, SAMPLES, ["sample", *FACTS])

    @cached_property
    def _numbers(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the samples in order, and the position of each. Plain arrays, since threads share them."""
        numbers = self.columns("sample").to_numpy().ravel()
        order = np.argsort(numbers, kind="stable")
        return numbers[order], order
