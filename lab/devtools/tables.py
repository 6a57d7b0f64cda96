"""Tables of measurements that are made a part at a time."""

from __future__ import annotations

from pathlib import Path

import pandas as pd


def replace_rows(file: Path, rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Write ``rows`` into a Parquet file, in place of those with the same values in ``column``; other rows stay.

    Returns:
        The table as it is written: the rows that stay, then ``rows``.
    """
    if file.exists():
        earlier = pd.read_parquet(file)
        rows = pd.concat([earlier[~earlier[column].isin(rows[column])], rows], ignore_index=True)
    rows.to_parquet(file, index=False)
    return rows
