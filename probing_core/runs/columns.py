"""Columns of a run's tables, read alone: what a page needs of a table of millions of rows."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from probing_core.errors import BadRun, one_line
from probing_core.runs.store import Store


def read_columns(store: Store, name: str, columns: Sequence[str]) -> pd.DataFrame:
    """Those ``columns`` of a table that it has; no others are read. Texts become categories in order: some bytes a row.

    Raises:
        BadRun: the table cannot be read.
    """
    try:
        file = pq.ParquetFile(store.path(name), read_dictionary=_texts(pq.read_schema(store.path(name))))
        table = file.read([c for c in columns if c in file.schema_arrow.names], use_pandas_metadata=False)
        frame = table.unify_dictionaries().to_pandas(ignore_metadata=True)
    except (OSError, pa.ArrowException) as error:
        raise BadRun(
            f"'{name}' of the run cannot be read ({one_line(error)}); `probing verify` lists what is damaged, "
            "`probing run` makes it again."
        ) from error
    texts = frame.select_dtypes("category")
    return frame.assign(
        **{name: texts[name].cat.reorder_categories(sorted(texts[name].cat.categories)) for name in texts}
    )


def count_rows(store: Store, name: str) -> int:
    """How many rows a table has; none of them is read. 0 where the run has no such table."""
    return pq.read_metadata(store.path(name)).num_rows if store.has(name) else 0


def _texts(schema: pa.Schema) -> list[str]:
    return [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
