"""The results of a scan: a CSV, a Parquet file and one page, written from its chunks a chunk at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from probing_core.api.scan.chunks import Chunks
from probing_core.run.atomic import written_atomically

TABLE, CSV = "verdicts.parquet", "verdicts.csv"
PROMISE = b"promise"

COLUMNS = {
    "path": pa.string(),
    "verdict": pa.string(),
    "group": pa.string(),
    "class": pa.string(),
    "p": pa.float64(),
    "q": pa.float64(),
    "n": pa.int64(),
    "group_probability": pa.float64(),
    "class_probability": pa.float64(),
    "no_color": pa.bool_(),
    "width": pa.int64(),
    "height": pa.int64(),
    "flags": pa.string(),
    "error": pa.string(),
}
"""Of the CSV and the Parquet file, one row a file."""


def rows_with_q(chunks: Chunks, q: np.ndarray | None, columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
    """Yield the rows of each chunk, with their ``q`` (n,) of all rows."""
    start = 0
    for rows in chunks.read(columns):
        mine = np.full(len(rows), np.nan) if q is None else q[start : start + len(rows)]
        start += len(rows)
        yield rows.assign(q=mine)


def promise_of(out: Path) -> str:
    """Say how far the error rates of the scan in ``out`` hold, in a sentence.

    Raises:
        OSError, pyarrow.ArrowException: there is no such table, or it is damaged.
    """
    return (pq.read_schema(out / TABLE).metadata or {}).get(PROMISE, b"").decode()


def write_tables(out: Path, chunks: Chunks, q: np.ndarray | None, promise: str) -> None:
    """Write `CSV` and `TABLE`; ``promise`` stands in the second's metadata.

    Raises:
        BadRun: the disk is full or not writable.
    """
    schema = pa.schema(list(COLUMNS.items()), metadata={PROMISE: promise.encode()})
    columns = [name for name in COLUMNS if name != "q"]
    with (
        written_atomically(out / TABLE) as parquet,
        pq.ParquetWriter(parquet, schema) as file,
        written_atomically(out / CSV) as csv,
    ):
        for i, rows in enumerate(rows_with_q(chunks, q, columns)):
            ordered = rows[list(COLUMNS)]
            csv.write(ordered.to_csv(index=False, header=i == 0, lineterminator="\n").encode())
            file.write_table(pa.Table.from_pandas(ordered, schema=schema, preserve_index=False))
