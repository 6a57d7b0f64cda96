"""Read columns and rows of large tables in a run, and join predictions with samples."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import islice

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from probing_core.errors import BadRun
from probing_core.run.files import readable
from probing_core.run.layout import SAMPLES
from probing_core.run.run_files import RunFiles
from probing_core.run.table_files import read_arrow, texts


def read_columns(store: RunFiles, name: str, columns: Sequence[str]) -> pd.DataFrame:
    """Read those ``columns`` that exist in a table. Strings are read as sorted categories to save memory.

    Raises:
        BadRun: the table cannot be read.
    """
    path = store.path(name)
    table = read_arrow(path, name, columns, categories=True)
    with readable(path, name):
        frame = table.unify_dictionaries().to_pandas(categories=texts(table.schema), ignore_metadata=True)
    categories = frame.select_dtypes("category")
    return frame.assign(
        **{str(name): text.cat.reorder_categories(sorted(text.cat.categories)) for name, text in categories.items()}
    )


def first_rows(store: RunFiles, name: str, count: int) -> tuple[pd.DataFrame, int]:
    """Read the first ``count`` rows of a table.

    Returns:
        The rows, and the total number of rows in the table.

    Raises:
        BadRun: the table cannot be read.
    """
    path = store.path(name)
    with readable(path, name):
        file = pq.ParquetFile(path)
        first = pa.Table.from_batches(islice(file.iter_batches(count), 1), file.schema_arrow)
        return first.to_pandas(ignore_metadata=True), file.metadata.num_rows


FACTS = (
    "image_id", "base_id", "label", "split", "transform", "group", "repetition", "draw", "strength", "ssim",
    "difference", "distance", "visible",
)  # fmt: skip
"""Columns of ``samples.parquet`` other than ``sample``."""


class SampleTable:
    """Reader for ``samples.parquet``, in which the number of a sample is its row position.

    Columns are cached in memory. Strings are stored as sorted categories.
    """

    def __init__(self, store: RunFiles) -> None:
        self._store = store
        self._columns: dict[str, pd.Series] = {}

    @cached_property
    def count(self) -> int:
        """Number of samples according to the file metadata, or 0 if the table is missing."""
        if not self._store.has(SAMPLES):
            return 0
        path = self._store.path(SAMPLES)
        with readable(path, SAMPLES):
            return pq.read_metadata(path).num_rows

    def columns(self, *names: str) -> pd.DataFrame:
        """Return those columns in ``names`` that exist, for all samples.

        The caller must not modify the columns, because they are shared.
        """
        missing = [name for name in names if name not in self._columns]
        if missing and self._store.has(SAMPLES):
            loaded = read_columns(self._store, SAMPLES, missing)
            self._columns.update((name, loaded[name]) for name in missing if name in loaded)
        return pd.DataFrame({name: self._columns[name] for name in names if name in self._columns}, copy=False)

    def rows(self, rows: np.ndarray) -> pd.DataFrame:
        """Return all columns of the samples at the positions ``rows``."""
        samples = self.columns("sample", *FACTS)
        if samples.empty:
            return samples
        selected = samples.take(rows).reset_index(drop=True)
        categories = selected.select_dtypes("category")
        return selected.assign(
            **{str(name): pd.Series(np.asarray(text), dtype="str") for name, text in categories.items()}
        )

    def read_predictions(
        self, predictions: str, columns: Sequence[str], facts: Sequence[str], once: bool = True
    ) -> pd.DataFrame:
        """Read a table of predictions and join it with the samples.

        Args:
            predictions: path of the table.
            columns: columns of the table to read, including ``sample``.
            facts: columns of the samples to add.
            once: whether to raise an error if a sample occurs more than once.

        Raises:
            BadRun: a sample is unknown, or occurs more than once although ``once`` is set.
        """
        table = read_columns(self._store, predictions, columns)
        numbers, samples = table["sample"].to_numpy(), self.columns("sample", *facts)
        matches = len(samples) and samples["sample"].to_numpy().take(numbers, mode="clip") == numbers
        if (len(numbers) and not np.all(matches)) or (once and table["sample"].duplicated().any()):
            raise BadRun(
                f"The predictions in '{predictions}' do not match the samples of '{self._store.root}'.",
                hint=f"Run `probing verify --run {self._store.root}` to list corrupted files.",
            )
        samples = samples.drop(columns="sample", errors="ignore").take(numbers)
        return pd.concat([table, samples.set_axis(table.index)], axis=1)
