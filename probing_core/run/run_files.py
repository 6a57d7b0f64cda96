"""Read the files of a run directory, and the records of the steps that wrote them.

A step is one call that writes a few files (`probing_core.run.directory`). Its record, ``done/<step>.json``, contains
its key, its inputs, and the size and SHA-256 of each file.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from cachetools import LRUCache

from probing_core.errors import BadRun, one_line
from probing_core.paths import leads_out, require_confined
from probing_core.run import files
from probing_core.run.files import read_arrow, read_table, readable, texts
from probing_core.run.layout import (
    BASE,
    COPIED_FROM,
    DONE,
    EXTRA_FILES,
    FORMAT,
    LOG,
    SAMPLES,
    TABLES,
    UNITS,
    is_embeddings_step,
    record_path,
)

Inputs = dict[str, Any]
"""Inputs of a step by name: its code version, JSON-serializable option values, and the keys of other steps."""

RECIPE_STEP = "recipe"

RESERVED = (DONE, UNITS, f"{LOG}/", f"{BASE}/")
"""Folders in which no step writes files."""

MAX_TABLES = 3
"""Maximum number of tables that are cached in memory."""


def digest(value: Any) -> str:
    """Return a digest of ``value`` and the run format (16 hexadecimal digits), for use as a key.

    Args:
        value: JSON-serializable object.
    """
    text = json.dumps([FORMAT, value], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class FileRecord:
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Record:
    """Record of a completed step, as stored in ``done/``.

    Attributes:
        step: name of the step.
        files: path -> size and checksum. A step that had nothing to write has no files.
    """

    step: str
    key: str
    inputs: Inputs
    files: Mapping[str, FileRecord]

    def to_json(self) -> bytes:
        listed = {path: [file.bytes, file.sha256] for path, file in self.files.items()}
        content = {"step": self.step, "key": self.key, "inputs": self.inputs, "files": listed}
        return json.dumps(content, sort_keys=True).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Record:
        """Parse a record.

        Raises:
            ValueError: the content is not a record.
        """
        try:
            fields = json.loads(content)
            step, key, inputs = fields["step"], fields["key"], fields["inputs"]
            listed = {path: FileRecord(int(size), str(sha256)) for path, (size, sha256) in fields["files"].items()}
            if not (isinstance(step, str) and isinstance(key, str) and isinstance(inputs, dict)):
                raise TypeError("wrong type of 'step', 'key' or 'inputs'")
        except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError(one_line(error)) from error
        return cls(step, key, inputs, listed)


class RunFiles:
    """Reader for the files of a run directory.

    Attributes:
        base: the copy of another run to which models were added, or None.
        records: name of a step -> its record. Steps of the base are included, except its recipe and tables that combine
            all models.
        corrupted: records that cannot be read -> description of the problem.

    Raises:
        BadRun: a record names a file outside of the run, or the directory cannot be read.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._tables: LRUCache[tuple[str, str], pd.DataFrame] = LRUCache(MAX_TABLES)
        self.read_records()

    def read_records(self, base: RunFiles | None = None) -> None:
        """Read all records from disk.

        Args:
            base: base of the run, by default the copy in the folder ``base/``, if there is one.
        """
        try:
            names = os.listdir(self.root / DONE) if (self.root / DONE).exists() else []
            has_base = (self.root / BASE).is_dir()
        except OSError as error:
            raise BadRun(f"The run '{self.root}' cannot be read: {error.strerror or one_line(error)}.") from error
        if base is None and has_base:
            base = RunFiles(self.root / BASE)
        self.base = base
        self.records: dict[str, Record] = {}
        self.corrupted: dict[str, str] = {}
        if self.base is not None:
            of_base = self.base.records.items()
            self.records = {step: record for step, record in of_base if not step.startswith((RECIPE_STEP, TABLES))}
            self.corrupted = {f"{BASE}/{name}": problem for name, problem in self.base.corrupted.items()}
        self._own = dict(self._own_records(names))
        named = [path for record in self._own.values() for path in record.files]
        require_confined([LOG, DONE.rstrip("/"), BASE, UNITS.rstrip("/"), *named], self.root)
        if reserved := next((path for path in named if path.startswith(RESERVED)), ""):
            raise BadRun(
                f"{reserved!r} in a record of the run '{self.root}' is in a folder in which no step writes files. "
                f"The folder was modified or is corrupted, so it cannot be used."
            )
        self.records |= self._own
        self._places: dict[str, tuple[Path, FileRecord]] = {}
        for step, record in self.records.items():
            for path, file in record.files.items():
                self._places[path] = self.root if step in self._own else self._root_in_base(path), file

    def _root_in_base(self, path: str) -> Path:
        return self.base._places[path][0] if self.base is not None else self.root

    def _own_records(self, names: Sequence[str]) -> Iterator[tuple[str, Record]]:
        root = Path(os.path.realpath(self.root))
        for file in sorted(name for name in names if name.endswith(".json")):
            path, name = self.root / DONE / file, f"{DONE}{file}"
            try:
                if leads_out(path, root):
                    raise OSError("it is a link to a file outside")
                files.require_regular(path)
                record = Record.from_json(path.read_bytes())
                if record_path(record.step) != name:
                    raise ValueError(f"it names the step '{record.step}'")
            except (OSError, ValueError) as error:
                self.corrupted[name] = f"cannot be read ({one_line(error)})"
                continue
            yield record.step, record

    def _place(self, record: Record, root: Path) -> None:
        for path, file in record.files.items():
            self._places[path] = root, file

    def key(self, step: str) -> str:
        """Return the key of a completed step.

        Raises:
            KeyError: the step has not been completed.
        """
        return self.records[step].key

    def names(self, prefix: str = "") -> list[str]:
        """Return the sorted paths of all files that start with ``prefix``."""
        return sorted(path for path in self._places if path.startswith(prefix))

    def has(self, name: str) -> bool:
        """Return whether the file belongs to the run and exists with its recorded size."""
        if name not in self._places:
            return False
        root, file = self._places[name]
        try:
            status = (root / name).stat()
            return stat.S_ISREG(status.st_mode) and status.st_size == file.bytes
        except OSError:
            return False

    def path(self, name: str) -> Path:
        """Return the path of a file, which need not exist."""
        root = self._places[name][0] if name in self._places else self.root
        return root / name

    def checksum(self, name: str) -> str:
        return self._places[name][1].sha256

    def step_of(self, name: str) -> str | None:
        """Return the step that wrote a file, or None if the file does not belong to the run."""
        return next((step for step, record in self.records.items() if name in record.files), None)

    @property
    def was_published(self) -> bool:
        """Whether this is a copy of a run without its embeddings. Their records are kept, but list no files."""
        return any(is_embeddings_step(step) and not record.files for step, record in self._own.items())

    def is_own(self, step: str) -> bool:
        """Return whether the run itself completed the step, rather than its base."""
        return step in self._own

    def read_bytes(self, name: str) -> bytes:
        return files.read_bytes(self.path(name), name)

    def read_table(self, name: str, columns: list[str] | None = None) -> pd.DataFrame:
        return read_table(self.path(name), name, columns)

    def table(self, name: str) -> pd.DataFrame:
        """Read a full table. The caller must not modify it, because recently read tables are cached and shared."""
        version = name, self.checksum(name)
        if version not in self._tables:
            self._tables[version] = self.read_table(name)
        return self._tables[version]

    def read_arrays(self, name: str) -> dict[str, np.ndarray]:
        return files.read_arrays(self.path(name), name)

    def map_array(self, name: str, array: str) -> np.ndarray:
        """Memory-map an array in a file, so that only accessed rows are read, or read the full array if necessary."""
        return files.map_array(self.path(name), array, name)

    def array_names(self, name: str) -> list[str]:
        return files.array_names(self.path(name), name)

    def read_toml(self, name: str) -> dict[str, Any]:
        return files.read_toml(self.path(name), name)

    def state(self) -> str:
        """Return a digest of all records (16 hexadecimal digits)."""
        return digest(
            {step: [record.key, *sorted(map(str, record.files.values()))] for step, record in self.records.items()}
        )

    def damaged(self) -> dict[str, str]:
        """Return a description of the problem for each file that is missing or has an incorrect checksum, by path."""
        places = sorted(self._places.items())
        with ThreadPoolExecutor() as pool:
            flaws = pool.map(lambda item: _flaw(item[1][0] / item[0], item[1][1]), places)
            by_path = {name: problem for (name, _), problem in zip(places, flaws, strict=True) if problem}
        return by_path | self.corrupted

    def foreign(self) -> list[str]:
        """Return the names of files in the run directory that do not belong to the run."""
        existing = (path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if not path.is_dir())
        own = {path for record in self._own.values() for path in record.files}
        registered = own | set(map(record_path, self._own)) | set(self.corrupted) | set(EXTRA_FILES)
        passed_over = (f"{LOG}/", UNITS, f"{BASE}/")
        found = [name for name in existing if name not in registered and not name.startswith(passed_over)]
        return sorted(found) + [f"{BASE}/{name}" for name in (self.base.foreign() if self.base else ())]


def stamp(root: Path) -> str:
    """Return a value that changes whenever a step of the run ``root`` is completed. It is fast to compute.

    Raises:
        BadRun: ``root`` is not a run, or it cannot be accessed.
    """
    try:
        return str((root / DONE).stat().st_mtime_ns)
    except FileNotFoundError as error:
        raise BadRun(
            f"'{root}' is not a run: it has no folder '{DONE}'. If it was computed by an earlier version, recompute it "
            f"in a different folder."
        ) from error
    except OSError as error:
        raise BadRun(f"The run '{root}' cannot be read: {one_line(error)}.") from error


def copied_from(root: Path) -> Path | None:
    """Return the location of the run from which the base of the run ``root`` was copied, or None if it is unknown."""
    try:
        return Path(str(files.read_json(root / COPIED_FROM)))
    except BadRun:
        return None


def _flaw(path: Path, file: FileRecord) -> str:
    try:
        files.require_regular(path)
        is_intact = path.stat().st_size == file.bytes and sha256(path) == file.sha256
    except OSError:
        return "is recorded but missing"
    return "" if is_intact else "does not match its recorded checksum; it was modified or corrupted"


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
