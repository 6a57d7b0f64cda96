"""Change the files of a complete run, for tests and for the run that is included in the package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from probing_core.run.directory import Content, RunDirectory
from probing_core.run.layout import ARRAYS, PARQUET, columns_of
from probing_core.run.models import without_none
from probing_core.run.run_files import RunFiles


def put(run: RunFiles, contents: Mapping[str, Content | dict[str, Any]]) -> None:
    """Add files to a run, or replace them. The keys of their steps do not change, so no step is recomputed.

    Args:
        contents: path -> content. The content of a TOML file can be a dictionary.
    """
    directory = RunDirectory(run.root)
    for path, content in contents.items():
        step = directory.step_of(path) or path.removesuffix(PARQUET).removesuffix(ARRAYS)
        record = directory.records.get(step)
        others = {name: directory.read_bytes(name) for name in record.files if name != path} if record else {}
        directory.save(step, record.inputs if record else {}, others | {path: _bytes_of(path, content)})
    run.read_records()


def with_all_columns(path: str, table: pd.DataFrame) -> pd.DataFrame:
    """Return the table ``path`` of a run with empty values in the columns that ``table`` does not have."""
    empty: dict[str, Any] = {
        "text": "",
        "booleans": False,
        "counts": pd.array([pd.NA] * len(table), "Int64"),
        "numbers": np.nan,
    }
    kinds = {column: kind for column, (kind, is_optional) in columns_of(path).items() if not is_optional}
    missing: dict[str, Any] = {column: empty.get(kind, 0) for column, kind in kinds.items() if column not in table}
    counts = [column for column, kind in kinds.items() if kind == "counts" and column in table]
    return table.astype(dict.fromkeys(counts, "Int64")).assign(**missing)


def omit(run: RunFiles, *paths: str) -> None:
    """Remove files from a run, but not the records of their steps, so that they are not recomputed."""
    directory = RunDirectory(run.root)
    for step in dict.fromkeys(directory.step_of(path) for path in paths):
        record = directory.records[step] if step else None
        if record is not None:
            kept = {path: file for path, file in record.files.items() if path not in paths}
            directory.finish(record.step, record.inputs, kept)
    run.read_records()


def _bytes_of(path: str, content: Content | dict[str, Any]) -> Content:
    import tomli_w

    if path.endswith(".toml") and isinstance(content, Mapping):
        return tomli_w.dumps(without_none(content)).encode()
    return content
