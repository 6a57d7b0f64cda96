"""Columns and rows of a run's tables, read alone: what a page needs of a table of millions of rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from probing_core.run.store import Files, unreadable

Where = Mapping[str, Collection[Any]]
"""Column -> the values of it that are wanted."""

CACHED_GROUPS = 16
"""Row groups that `RowGroups` has in memory at most: those of a million rows."""


def read_columns(store: Files, name: str, columns: Sequence[str], where: Where | None = None) -> pd.DataFrame:
    """Read those ``columns`` of a table that it has, and no others. Texts become categories in order: some bytes a row.

    Args:
        where: which rows; all, if not given. Row groups that can hold none of them by their smallest and largest values
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
            # A text that rows are chosen by is read as such: no statistics are compared with categories.
            read_dictionary=[text for text in _texts(schema) if text not in (where or {})],
            partitioning=None,
        )
        table = _categories(table).unify_dictionaries()
        return _in_order(table.to_pandas(ignore_metadata=True))


class RowGroups:
    """Rows of a table by their position. The row groups that hold them are read, and the last `CACHED_GROUPS` cached.

    Args:
        columns: those that rows have, of those that the table has; all, if not given.
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
        """Return how many rows there are."""
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


def count_rows(store: Files, name: str) -> int:
    """Return how many rows a table has; none of them is read. 0 where the run has no such table."""
    return pq.read_metadata(store.path(name)).num_rows if store.has(name) else 0


@contextmanager
def _in_one_sentence(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise unreadable(name, error) from error


def _texts(schema: pa.Schema) -> list[str]:
    return [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]


def _categories(table: pa.Table) -> pa.Table:
    """Return ``table`` with every text as a dictionary."""
    for text in _texts(table.schema):
        table = table.set_column(table.schema.get_field_index(text), text, table[text].dictionary_encode())
    return table


def _in_order(frame: pd.DataFrame) -> pd.DataFrame:
    texts = frame.select_dtypes("category")
    return frame.assign(
        **{str(name): text.cat.reorder_categories(sorted(text.cat.categories)) for name, text in texts.items()}
    )
