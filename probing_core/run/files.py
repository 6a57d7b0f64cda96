"""Write files atomically, and write tables and arrays reproducibly (equal content gives equal bytes)."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import time
import tomllib
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import BufferedRandom
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from probing_core.errors import BadRun, one_line
from probing_core.probes.probe import MAPPED, read_header
from probing_core.run import layout
from probing_core.run.layout import TEMPORARY

T = TypeVar("T")

TEMPORARY_NAME = re.compile(rf"\.(?P<machine>[0-9a-f]{{8}})-(?P<pid>\d+)-[0-9a-f]{{8}}{re.escape(TEMPORARY)}$")
"""Pattern for the suffix of temporary files."""

ABANDONED_S = 3600.0
"""Seconds without a change after which a temporary file from another machine is considered abandoned."""

START_TIME_TOLERANCE_S = 1.0
"""Tolerance in seconds for comparing start times of processes. Process IDs are not reused within this time."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file atomically. If the process is killed, the file has either the old or the complete new content.

    Raises:
        BadRun: the file cannot be written, for example because the disk is full.
    """
    with written_atomically(path) as handle:
        handle.write(content)


@contextmanager
def written_atomically(path: Path) -> Iterator[BufferedRandom]:
    """Return a context manager that opens a file for atomic writing. The handle also supports reading.

    The temporary name is unique, because two machines may write the same file of a run at the same time. It identifies
    the writing process, so that `is_abandoned` can detect files that were left by a killed process.

    Raises:
        BadRun: the file cannot be written, for example because the disk is full.
    """
    temporary = path.with_name(f"{path.name}.{_machine()}-{os.getpid()}-{uuid.uuid4().hex[:8]}{TEMPORARY}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w+b") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError as error:
        raise not_written(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def link_or_copy(source: Path, target: Path, link: Callable[[Path, Path], object] = os.link) -> None:
    """Create ``target`` as a hard link to ``source``, or as a copy if a link is not possible.

    Args:
        link: function that creates the link. Use ``os.symlink`` only if ``source`` will exist as long as ``target``.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        link(source.resolve(), target)
    except OSError:  # a different file system or owner, or too many links
        with source.open("rb") as content, written_atomically(target) as file:
            shutil.copyfileobj(content, file)


def is_abandoned(temporary: Path) -> bool:
    """Return whether the process that was writing a temporary file has ended.

    If the process was on another machine, the file is considered abandoned after `ABANDONED_S` seconds without a
    change.
    """
    try:
        changed = temporary.stat().st_mtime
    except FileNotFoundError:  # the writing process has renamed the file
        return False
    name = TEMPORARY_NAME.search(temporary.name)
    if name is None:
        return True
    if name["machine"] != _machine():
        return time.time() - changed > ABANDONED_S
    return process_of(int(name["pid"]), latest=changed) is None


def process_of(pid: int, born: float | None = None, latest: float | None = None) -> psutil.Process | None:
    """Return the running process with ID ``pid``, or None if it has ended.

    Process IDs are reused, so the start time can be checked as well.

    Args:
        born: start time of the process (``psutil.Process.create_time``).
        latest: a time at which the process was already running.
    """
    try:
        process = psutil.Process(pid)
        created = process.create_time()
        is_same = born is None or abs(created - born) < START_TIME_TOLERANCE_S
        was_running = latest is None or created < latest + START_TIME_TOLERANCE_S
        return process if is_same and was_running and process.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.Error, ValueError):
        return None


def _machine() -> str:
    """Return eight hexadecimal digits that identify this machine."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def not_written(path: Path, error: OSError) -> BadRun:
    return BadRun(
        f"'{path}' could not be written: {error.strerror or one_line(error)}. "
        f"Completed work has been saved. Fix the problem and start again."
    )


GROUP_ROWS = 2**14
"""Maximum number of rows in a Parquet row group. Smaller tables are combined up to this number of rows."""


def write_tables(tables: Iterable[pd.DataFrame], file: IO[bytes], names: Sequence[str] = ()) -> None:
    """Write the rows of all ``tables`` to one Parquet file, with about `GROUP_ROWS` rows in memory at a time.

    Args:
        tables: tables with the same columns, in any order.
        file: opened file to write to.
        names: names of the files with the tables, for the error message.

    Raises:
        BadRun: the columns of the tables or their types differ.
    """
    count = 0

    def counted() -> Iterator[pd.DataFrame]:
        nonlocal count
        columns = None
        for table in tables:
            count += 1
            columns = list(table) if columns is None else columns
            if set(columns) != set(table):
                raise ValueError(f"expected the columns {', '.join(map(str, columns))}")
            yield table[columns]

    try:
        _write_groups(_groups(counted()), file)
    except BadRun:
        raise
    except (ValueError, TypeError, KeyError, NotImplementedError) as error:  # including errors of Arrow
        name = f"'{names[count - 1]}'" if names else f"table {count}"
        raise BadRun(
            f"{name} or a table before it cannot be joined with the others ({one_line(error)[:300].rstrip('.')}).",
            hint=RECOMPUTE,
        ) from error


def _write_groups(groups: Iterable[pd.DataFrame], file: IO[bytes]) -> None:
    writer = None
    for group in groups:
        table = pa.Table.from_pandas(group, preserve_index=False)
        if writer is None:
            # Integers mostly increase, so delta encoding needs a tenth of the space of a dictionary.
            integers = [column for column, kind in group.dtypes.items() if kind.kind in "iu"]
            writer = pq.ParquetWriter(
                file,
                table.schema,
                compression="zstd",
                use_dictionary=[column for column in group if column not in integers],
                column_encoding=dict.fromkeys(integers, "DELTA_BINARY_PACKED"),
            )
        writer.write_table(table.cast(writer.schema), row_group_size=GROUP_ROWS)
    if writer is not None:
        writer.close()


def _groups(tables: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    waiting: list[pd.DataFrame] = []
    for table in tables:
        if waiting and sum(map(len, waiting)) + len(table) > GROUP_ROWS:
            yield pd.concat(waiting, ignore_index=True)
            waiting = []
        waiting.append(table)
    if waiting:
        yield pd.concat(waiting, ignore_index=True) if len(waiting) > 1 else waiting[0]


def write_arrays(arrays: Mapping[str, np.ndarray], file: IO[bytes]) -> None:
    from safetensors.numpy import save

    file.write(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))


RECOMPUTE = "`probing verify` lists corrupted files, and `probing run` recomputes them."
"""Default hint for a file of a run that cannot be read."""


@contextmanager
def readable(path: Path, name: str = "", hint: str = RECOMPUTE) -> Iterator[None]:
    """Return a context manager that raises `BadRun` if reading a file fails within the context.

    Libraries raise many kinds of errors for corrupted files.

    Args:
        path: path of the file.
        name: name of the file for the message, by default its path.
        hint: command that helps if the file is corrupted.

    Raises:
        BadRun: reading failed. The message contains the name of the file.
    """
    try:
        require_regular(path)
        yield
    except BadRun:
        raise
    except Exception as error:
        raise unreadable(name or str(path), error, hint) from error


def require_regular(path: Path) -> None:
    """Raise an `OSError` if ``path`` is a pipe, a device or a folder. Reading a pipe or a device could block forever.

    A missing file is not an error.
    """
    if path.exists() and not path.is_file():
        raise OSError("it is not a regular file")


def unreadable(name: str, error: Exception, hint: str = RECOMPUTE) -> BadRun:
    return BadRun(f"'{name}' cannot be read ({one_line(error)[:300].rstrip('.')}).", hint=hint)


def read_bytes(path: Path, name: str = "", hint: str = RECOMPUTE) -> bytes:
    """Read a file. See `readable` for the arguments and errors of this and the following functions."""
    with readable(path, name, hint):
        return path.read_bytes()


def read_arrays(path: Path, name: str = "", hint: str = RECOMPUTE) -> dict[str, np.ndarray]:
    """Read the arrays of a safetensors file."""
    from safetensors.numpy import load_file

    with readable(path, name, hint):
        return load_file(path)


def map_array(path: Path, array: str, name: str = "", hint: str = RECOMPUTE) -> np.ndarray:
    """Memory-map an array in a safetensors file, so that only accessed rows are read, or read it if necessary."""
    with readable(path, name, hint):
        with path.open("rb") as file:
            _, entries, start = read_header(file)
        entry = entries[array]
        if entry.dtype in MAPPED and 0 not in entry.shape:
            return np.memmap(path, MAPPED[entry.dtype], "r", start + entry.start, entry.shape)
        return read_arrays(path, name, hint)[array]


def array_names(path: Path, name: str = "", hint: str = RECOMPUTE) -> list[str]:
    """Return the names of the arrays in a safetensors file."""
    with readable(path, name, hint), path.open("rb") as file:
        return sorted(read_header(file)[1])


def read_object(path: Path, parse: Callable[[bytes], T], name: str = "", hint: str = RECOMPUTE) -> T:
    """Read a file, and convert its bytes with ``parse``."""
    try:
        return parse(read_bytes(path, name, hint))
    except BadRun as error:
        raise error if error.__cause__ is None else unreadable(name or str(path), error, hint) from error


def read_json(path: Path, name: str = "", hint: str = RECOMPUTE) -> Any:
    with readable(path, name, hint):
        return json.loads(path.read_bytes())


def read_toml(path: Path, name: str = "", hint: str = RECOMPUTE) -> dict[str, Any]:
    with readable(path, name, hint):
        return tomllib.loads(path.read_bytes().decode())


def read_arrow(
    path: Path,
    name: str = "",
    columns: Sequence[str] | None = None,
    hint: str = RECOMPUTE,
    categories: bool = False,
) -> pa.Table:
    """Read a table of a run.

    Args:
        path: path of the file.
        name: path in the run directory, which determines the expected columns, by default ``path``.
        columns: names of the columns to read, by default all. Columns that do not exist are ignored.
        hint: command that helps if the file is corrupted.
        categories: whether to read strings as dictionaries, to save memory.

    Raises:
        BadRun: the file cannot be read, or a column is missing or has an incorrect type.
    """
    name = name or str(path)
    with readable(path, name, hint):
        schema = pq.read_schema(path)
        _require_columns(schema, name)
        table = pq.read_table(
            path,
            columns=None if columns is None else [column for column in columns if column in schema.names],
            read_dictionary=texts(schema) if categories else None,
            partitioning=None,
        )
        # Otherwise, invalid characters in a corrupted file would only raise an error when they are used.
        table.validate(full=True)
    for column, (kind, _) in layout.columns_of(name).items():
        if column not in table.column_names:
            continue
        can_be_missing = kind in ("counts", "numbers") and not pa.types.is_null(table.schema.field(column).type)
        if table[column].null_count and not can_be_missing:
            raise _unexpected(name, column, "has missing values")
    return table


def read_table(path: Path, name: str = "", columns: Sequence[str] | None = None, hint: str = RECOMPUTE) -> pd.DataFrame:
    """Read a table of a run as a data frame. See `read_arrow` for the arguments and errors."""
    table = read_arrow(path, name, columns, hint)
    kinds = {column: kind for column, (kind, _) in layout.columns_of(name).items() if column in table.column_names}
    counts = [column for column, kind in kinds.items() if kind == "counts"]
    with readable(path, name, hint):
        return table.to_pandas(ignore_metadata=True).astype(dict.fromkeys(counts, "Int64"))


def texts(schema: pa.Schema) -> list[str]:
    """Return the names of the columns that contain strings."""
    return [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]


def _require_columns(schema: pa.Schema, name: str) -> None:
    if twice := next((column for column in schema.names if schema.names.count(column) > 1), ""):
        raise _unexpected(name, twice, "occurs more than once")
    for column, (kind, is_optional) in layout.columns_of(name).items():
        if column not in schema.names:
            if is_optional:
                continue
            raise BadRun(f"'{name}' has no column '{column}'. {ADVICE}")
        if not _fits(schema.field(column).type, kind):
            raise _unexpected(name, column, f"contains {schema.field(column).type} values instead of {kind}")


def _fits(type_: pa.DataType, kind: layout.Kind) -> bool:
    if pa.types.is_null(type_):  # tables without rows have no other type
        return True
    if kind == "text":
        return pa.types.is_string(type_) or pa.types.is_large_string(type_)
    if kind == "booleans":
        return pa.types.is_boolean(type_)
    is_float = pa.types.is_float32(type_) or pa.types.is_float64(type_)
    return pa.types.is_integer(type_) or (kind == "numbers" and is_float)


ADVICE = "The file was modified or created by a different version. Recompute the run in a new folder."


def _unexpected(name: str, column: str, problem: str) -> BadRun:
    return BadRun(f"The column '{column}' in '{name}' {problem}. {ADVICE}")
