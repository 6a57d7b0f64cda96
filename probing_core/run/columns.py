"""Tables of a run, possibly of millions of rows, read by column and by row; the samples, with which predictions are
joined."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from probing_core.errors import BadRun
from probing_core.run.layout import SAMPLES
from probing_core.run.store import Files, unreadable

Where = Mapping[str, Collection[Any]]
"""Column -> the wanted values."""

CACHED_GROUPS = 16
"""Largest number of row groups that `RowGroups` keeps in memory: those of a million rows."""


def read_columns(store: Files, name: str, columns: Sequence[str], where: Where | None = None) -> pd.DataFrame:
    """Read those of ``columns`` that a table has. Texts become categories in order, which take few bytes per row.

    Args:
        where: which rows; by default all. Row groups that can hold none of them by their smallest and largest values
            are not read.

    Raises:
        BadRun: the table cannot be read.
    """
    path = store.path(name)
    with _in_one_sentence(name):
        schema = pq.read_schema(path)
        table = pq.read_table(
            path,
            columns=[c for c in columns if c in schema.names],
            filters=[(column, "in", list(values)) for column, values in (where or {}).items()] or None,
            # A text column that selects rows is read as text: no statistics are compared with categories.
            read_dictionary=[text for text in _texts(schema) if text not in (where or {})],
            partitioning=None,
        )
        frame = table.unify_dictionaries().to_pandas(categories=_texts(table.schema), ignore_metadata=True)
    texts = frame.select_dtypes("category")
    return frame.assign(
        **{str(name): text.cat.reorder_categories(sorted(text.cat.categories)) for name, text in texts.items()}
    )


class RowGroups:
    """Rows of a table by their position. Only their row groups are read, and the last `CACHED_GROUPS` cached.

    Args:
        columns: of the rows, as far as the table has them; by default all.
    """

    def __init__(self, store: Files, name: str, columns: Sequence[str] | None = None) -> None:
        self._path, self._name = store.path(name), name
        with _in_one_sentence(name):
            self._about = about = pq.read_metadata(self._path)
        there = about.schema.to_arrow_schema()
        self._columns = [c for c in there.names if columns is None or c in columns]
        self._texts = _texts(there)
        self._stops = np.cumsum([about.row_group(i).num_rows for i in range(about.num_row_groups)])
        self._group = lru_cache(CACHED_GROUPS)(self._read)

    def __len__(self) -> int:
        return self._about.num_rows

    def take(self, rows: np.ndarray) -> pd.DataFrame:
        """Return the rows at these positions, in their order.

        Raises:
            BadRun: the table cannot be read.
        """
        group_of = np.searchsorted(self._stops, rows, side="right")
        groups = np.unique(group_of) if len(rows) else [0]
        parts = [self._group(int(g)).take(rows[group_of == g] - self._start(g)) for g in groups]
        texts = dict.fromkeys(parts[0].select_dtypes("category"), "str")
        found = pd.concat([part.astype(texts) for part in parts], ignore_index=True)
        if len(parts) > 1:
            found = found.take(np.argsort(np.argsort(group_of, kind="stable"))).reset_index(drop=True)
        return found

    def _start(self, group: int) -> int:
        return int(self._stops[group - 1]) if group else 0

    def _read(self, group: int) -> pd.DataFrame:
        with _in_one_sentence(self._name):
            file = pq.ParquetFile(self._path, metadata=self._about, read_dictionary=self._texts)
            there = [group] if group < len(self._stops) else []  # an empty table may have none
            return file.read_row_groups(there, self._columns).to_pandas(ignore_metadata=True)


@contextmanager
def _in_one_sentence(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise unreadable(name, error) from error


def _texts(schema: pa.Schema) -> list[str]:
    return [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]


FACTS = (
    "image_id", "base_id", "label", "split", "transform", "group", "repetition", "draw", "strength", "ssim",
    "difference", "distance", "visible",
)  # fmt: skip
"""Columns of a sample in addition to its number."""


class SampleTable:
    """``samples.parquet``. Columns that were read stay in memory, texts as categories in order."""

    def __init__(self, store: Files) -> None:
        self._store = store
        self._columns: dict[str, pd.Series] = {}
        self._last: tuple[np.ndarray, np.ndarray, bool, bool] | None = None

    @cached_property
    def count(self) -> int:
        """Number of samples; none of them is read."""
        return pq.read_metadata(self._store.path(SAMPLES)).num_rows if self._store.has(SAMPLES) else 0

    def columns(self, *names: str) -> pd.DataFrame:
        """Return these columns of all samples; no others are read. Shared: not to be changed."""
        missing = [name for name in names if name not in self._columns]
        if missing and self._store.has(SAMPLES):
            read = read_columns(self._store, SAMPLES, missing)
            self._columns.update((name, read[name]) for name in missing if name in read)
        return pd.DataFrame({name: self._columns[name] for name in names if name in self._columns}, copy=False)

    def rows(self, rows: np.ndarray) -> pd.DataFrame:
        """Return the samples at these positions with every column; no row group without any of them is read."""
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
            where: which rows; by default all. No others are in memory.
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
