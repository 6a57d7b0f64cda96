"""Tables with images as sources of a scan: Parquet files, and datasets of the ``datasets`` library."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from probing_core.api.scan_source import PART, Item, Loaded, Part, Source, stamp_of
from probing_core.corpora.data_sets import load_splits, read_cell
from probing_core.corpora.folder import Storage
from probing_core.errors import BadConfig, BadCorpus, one_line
from probing_core.paths import leads_out, user_path

READERS = 16
"""Number of files whose footers are read in parallel."""

BUFFER_BYTES = 2**22
"""Number of bytes of a column that are read at once, so that memory does not depend on the size of row groups."""

IMAGE_NAMES = ("image", "img", "jpg", "png", "webp", "picture", "photo", "bytes", "content")
"""Names of image columns, in order of preference."""

ID_NAMES = ("image_id", "id", "path", "file_name", "filename")
"""Names of columns that identify images, in order of preference."""


class Rows(Source):
    """Rows of tables, in parts of at most `PART` rows.

    The place of a part is (name of the table, row group, first row, last row + 1), or the reason why the table cannot
    be read.
    """

    has_columns = True

    def __init__(self, title: str) -> None:
        self.title = title
        self.parts: list[Part] = []

    def _add(self, name: str, stamp: Any, group: int, rows: range, first: int) -> None:
        """Add the parts of a row group, whose first row has the number ``first`` in the table."""
        for start in range(rows.start, rows.stop, PART):
            stop = min(start + PART, rows.stop)
            place = (name, group, start, stop, first + start)
            self.parts.append(Part((name, stamp, group, start, stop), stop - start, place))

    def groups(self) -> list[list[int]]:
        keyed = groupby(range(len(self.parts)), key=lambda index: self.parts[index].place[:2])
        return [list(indices) for _, indices in keyed]


class ParquetFiles(Rows):
    """Images in a Parquet file, or in all Parquet files of a folder or of a URL.

    Files, row groups and rows that cannot be read become items with an error.
    """

    def __init__(self, argument: str) -> None:
        super().__init__(Path(argument).name)
        self._storage = Storage(argument) if "://" in argument else None
        self._root = Path(argument) if self._storage else user_path(argument)
        stamps = self._found()
        if not stamps:
            raise BadConfig(f"'{argument}' contains no Parquet files. Expected files that end in .parquet.")
        with ThreadPoolExecutor(READERS) as readers:
            described = list(readers.map(self._describe, stamps))
        for (name, stamp), groups in zip(stamps.items(), described, strict=True):
            if isinstance(groups, str):
                self.parts.append(Part((name, stamp, groups), 1, (name, -1, groups)))
                continue
            first = 0
            for group, count in enumerate(groups):
                self._add(name, stamp, group, range(count), first)
                first += count
        if not self.parts:
            raise BadConfig(f"'{argument}' has no rows. Specify a table with images.")

    def _found(self) -> dict[str, Any]:
        if self._storage is not None:
            found = self._storage.find()
            return {
                name: stamp_of(facts)
                for name, facts in sorted(found.items())
                if (name or self._storage.root).endswith(".parquet") and not Path(name).name.startswith(".")
            }
        if self._root.is_dir():
            root = self._root.resolve()
            paths = [path for path in sorted(self._root.rglob("*.parquet")) if not leads_out(path, root)]
        elif self._root.is_file():
            paths = [self._root]
        else:
            raise BadConfig(
                f"parquet:{self._root} does not exist. Specify a Parquet file or a folder with Parquet files."
            )
        statuses = {path: path.stat() for path in paths if path.is_file() and not path.name.startswith(".")}
        root = self._root if self._root.is_dir() else self._root.parent
        return {
            path.relative_to(root).as_posix(): (status.st_size, status.st_mtime_ns) for path, status in statuses.items()
        }

    @contextmanager
    def _opened(self, name: str) -> Iterator[pq.ParquetFile]:
        if self._storage is None:
            path = self._root / name if self._root.is_dir() else self._root
            source: Any = path.open("rb")
        else:
            source = io.BufferedReader(RemoteFile(self._storage, name), BUFFER_BYTES)
        with source, pq.ParquetFile(source, buffer_size=BUFFER_BYTES, pre_buffer=False) as file:
            yield file

    def _describe(self, name: str) -> list[int] | str:
        """Return the number of rows in each row group of a file, or the reason why it cannot be read."""
        try:
            with self._opened(name) as file:
                image_column(file.schema_arrow)
                return [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        except BadCorpus:
            raise
        except Exception as error:  # Arrow raises many kinds of errors for corrupted files
            return f"{self._title_of(name)} is not a readable Parquet file with images ({one_line(error)[:200]})."

    def _title_of(self, name: str) -> str:
        return name or self._root.name

    def read(self, indices: Sequence[int]) -> Iterator[Loaded]:
        name, group, *rest = self.parts[indices[0]].place
        if group < 0:
            yield Loaded(indices[0], [Item(self._title_of(name), error=rest[0])])
            return
        left = list(indices)
        try:
            with self._opened(name) as file:
                for index, table in self._tables(file, left):
                    yield _loaded(index, table, self._title_of(name), self.parts[index].place[4])
                    left.remove(index)
        except BadCorpus:
            raise
        except Exception as error:
            reason = f"{self._title_of(name)} is corrupted ({one_line(error)[:200]})."
            for index in left:
                first, count = self.parts[index].place[4], self.parts[index].count
                yield Loaded(
                    index, [Item(row_name(self._title_of(name), first + i), error=reason) for i in range(count)]
                )

    def _tables(self, file: pq.ParquetFile, indices: Sequence[int]) -> Iterator[tuple[int, pa.Table]]:
        """Yield the rows of parts of one row group, which is read once from its start."""
        group = self.parts[indices[0]].place[1]
        batches = file.iter_batches(PART, row_groups=[group], use_threads=False)
        waiting, position = pa.Table.from_batches([], file.schema_arrow), 0
        for index in list(indices):
            _, _, start, stop, _ = self.parts[index].place
            while position + len(waiting) < stop:
                waiting = pa.concat_tables([waiting, pa.Table.from_batches([next(batches)])])
                skipped = min(max(0, start - position), len(waiting))
                waiting, position = waiting.slice(skipped), position + skipped
            yield index, waiting.slice(0, stop - start).combine_chunks()
            waiting, position = waiting.slice(stop - start).combine_chunks(), stop


class HubRows(Rows):
    """Rows of a dataset of the ``datasets`` library, which is downloaded once and memory-mapped."""

    def __init__(self, argument: str) -> None:
        super().__init__(f"hub:{argument}")
        self._argument = argument
        self._load()
        for split, data in self._splits.items():
            self._add(split, data._fingerprint, 0, range(len(data)), 0)

    def _load(self) -> None:
        splits, self._roots, self._image = load_splits(self._argument)
        self._splits = {name: data.with_format("arrow") for name, data in splits.items()}

    def __reduce__(self) -> tuple[type[HubRows], tuple[str]]:
        return HubRows, (self._argument,)

    def read(self, indices: Sequence[int]) -> Iterator[Loaded]:
        for index in indices:
            split, _, start, stop, _ = self.parts[index].place
            table = self._splits[split][start:stop]
            names = [f"{split}/{number:07d}" for number in range(start, stop)]
            cells = table[self._image].to_pylist()
            items = [
                Item(name, partial(read_cell, cell, name, self.title, self._roots))
                for name, cell in zip(names, cells, strict=True)
            ]
            yield Loaded(index, items, _other_columns(table, self._image))


class RemoteFile(io.RawIOBase):
    """A file in object storage that reads ranges with retries."""

    def __init__(self, storage: Storage, name: str) -> None:
        self._storage, self._path, self._position = storage, storage.path(name), 0
        action = f"access '{self._path}' on"
        self._size = int(storage.call(lambda: storage.files.info(self._path), action)["size"])

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        starts = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}
        self._position = max(0, starts[whence] + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        start, end = self._position, min(self._position + len(buffer), self._size)
        if start >= end:
            return 0
        attempt = partial(self._storage.files.cat_file, self._path, start=start, end=end)
        content = self._storage.call(attempt, f"read '{self._path}' on")
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)


def image_column(schema: pa.Schema) -> str:
    """Return the name of the column with encoded images.

    Raises:
        BadConfig: there is no such column.
    """
    found = [column.name for column in schema if _has_bytes(column.type)]
    named = [name for preferred in IMAGE_NAMES for name in found if name.lower() == preferred]
    structs = [name for name in found if pa.types.is_struct(schema.field(name).type)]
    for candidates in (named, structs, found):
        if candidates:
            return candidates[0]
    raise BadConfig(f"it has no column with encoded images; got {', '.join(schema.names)[:200] or 'no columns'}")


def _has_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(kind.field(i).name == "bytes" and _has_bytes(kind.field(i).type) for i in range(kind.num_fields))
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def row_name(table: str, row: int) -> str:
    return f"{table}#{row:07d}"


def _loaded(index: int, table: pa.Table, title: str, first: int) -> Loaded:
    image = image_column(table.schema)
    cells = [cell["bytes"] if isinstance(cell, dict) else cell for cell in table[image].to_pylist()]
    names = _ids(table, image) or [""] * len(table)
    items = [
        Item(
            name or row_name(title, first + i), cell, "" if cell else f"{name or row_name(title, first + i)} is empty."
        )
        for i, (name, cell) in enumerate(zip(names, cells, strict=True))
    ]
    return Loaded(index, items, _other_columns(table, image))


def _ids(table: pa.Table, image: str) -> list[str]:
    """Return the values of the column that identifies images, or an empty list if there is no such column."""
    for name in ID_NAMES:
        if table.column_names.count(name) == 1 and name != image:
            kind = table.schema.field(name).type
            if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind):
                return ["" if value is None else str(value) for value in table[name].to_pylist()]
    return []


def _other_columns(table: pa.Table, image: str) -> pa.Table:
    """Return all columns except for the encoded images. The path of an image is a column of its own."""
    kind = table.schema.field(image).type
    others = [i for i, name in enumerate(table.column_names) if name != image]
    result = table.select(others)
    if pa.types.is_struct(kind):
        for i in range(kind.num_fields):
            if kind.field(i).name != "bytes":
                result = result.append_column(f"{image}.{kind.field(i).name}", pc.struct_field(table[image], i))
    return result
