"""Read and write the files of a run, with cache keys and checksums.

Files are written atomically: they are written under a temporary name, flushed to disk, renamed, and then added to the
manifest with their cache key, which is the digest of all inputs that affect their contents. A file that is not in the
manifest or has a different key is recomputed.
"""

from __future__ import annotations

import hashlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from probing_core.errors import BadRun, one_line
from probing_core.run import files
from probing_core.run.files import (
    is_abandoned,
    link_or_copy,
    write_arrays,
    write_tables,
    written_atomically,
)
from probing_core.run.layout import (
    EVENTS,
    EXTRA_FILES,
    FORMAT,
    JOURNAL,
    LOG,
    MANIFEST,
    RECIPE,
    TABLES,
    TEMPORARY,
    UNITS,
)
from probing_core.run.lock import is_being_written, locked_folder
from probing_core.run.manifest import LEFT_OUT, NOTHING, Entry, Manifest

Content = pd.DataFrame | bytes | Mapping[str, np.ndarray] | None
"""Content of a file: a table, bytes, arrays by name, or None if there is nothing to write."""

Inputs = Mapping[str, Any]
"""Inputs of a computed file: checksums or keys by path, the code version (``revision``), and the option values by name
(``options``)."""


COMPLETED = "completed"
"""Event that is logged when files were computed and no requested file is missing."""


def note_completed(root: Path, date: str = "") -> None:
    """Append the event `COMPLETED` to the log of the run ``root``. Write errors are ignored.

    Args:
        date: time in ISO format, by default the current time.
    """
    line = json.dumps({"date": date or datetime.now(UTC).isoformat(timespec="seconds"), "event": COMPLETED})
    with suppress(OSError):
        (root / LOG).mkdir(exist_ok=True)
        with (root / EVENTS).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def digest(recipe: Any) -> str:
    """Return a digest of ``recipe`` and the run format (16 hexadecimal digits), for use as a cache key.

    Args:
        recipe: JSON-serializable object.
    """
    text = json.dumps([FORMAT, recipe], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Files(ABC):
    """Interface for reading files of a run."""

    root: Path

    @abstractmethod
    def entry(self, name: str) -> Entry | None:
        """Return the manifest entry of a file, or None if there is no entry."""

    @abstractmethod
    def entries(self, prefix: str) -> dict[str, Entry]:
        """Return the entries whose paths start with ``prefix``, by path, including entries without a file."""

    @abstractmethod
    def path(self, name: str) -> Path:
        """Return the path of a file, which need not exist."""

    def names(self, prefix: str = "") -> list[str]:
        """Return the sorted paths of all files that start with ``prefix``."""
        return sorted(name for name, entry in self.entries(prefix).items() if "state" not in entry)

    def has(self, name: str, key: str | None = None) -> bool:
        """Return whether the file exists with the recorded size and, if ``key`` is given, with this cache key."""
        entry = self.entry(name)
        if entry is None or "state" in entry or (key is not None and entry["key"] != key):
            return False
        try:
            return self.path(name).stat().st_size == entry["bytes"]
        except OSError:
            return False

    def checksum(self, name: str) -> str:
        return self._known(name)["sha256"]

    def _known(self, name: str) -> Entry:
        entry = self.entry(name)
        if entry is None:
            raise KeyError(name)
        return entry

    def read_bytes(self, name: str) -> bytes:
        return files.read_bytes(self.path(name), name)

    def read_table(self, name: str, columns: list[str] | None = None) -> pd.DataFrame:
        return files.read_table(self.path(name), columns, name)

    def read_arrays(self, name: str) -> dict[str, np.ndarray]:
        return files.read_arrays(self.path(name), name)

    def map_array(self, name: str, array: str) -> np.ndarray:
        """Memory-map an array in a file, so that only accessed rows are read, or read the full array if necessary."""
        return files.map_array(self.path(name), array, name)

    def array_names(self, name: str) -> list[str]:
        return files.array_names(self.path(name), name)

    def read_toml(self, name: str) -> dict[str, Any]:
        return files.read_toml(self.path(name), name)


class RunFiles(Files):
    """Reader for the files of a run directory."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._manifest = Manifest(self.root)
        self._lost: dict[str, str] = {}

    @property
    def copied_from(self) -> Path | None:
        """Directory of the run from which this run was copied, or None."""
        return None if self._manifest.copied_from is None else Path(self._manifest.copied_from)

    @property
    def base(self) -> Path | None:
        """Directory of a run whose files also belong to this run, or None.

        Only runs created by earlier versions have a base. `Store.locked` copies its files.
        """
        return None if self._manifest.base is None else Path(self._manifest.base)

    def entry(self, name: str) -> Entry | None:
        return None if name in self._lost else self._manifest.files.get(name)

    def entries(self, prefix: str) -> dict[str, Entry]:
        files = self._manifest.files.items()
        return {name: entry for name, entry in files if name.startswith(prefix) and name not in self._lost}

    def options(self, digest: str) -> Any:
        """Return the option values with this ``digest``, or None if they are unknown."""
        return self._manifest.options.get(digest)

    def path(self, name: str) -> Path:
        return self.root / name

    def state(self) -> str:
        """Return a digest of the manifest entries (16 hexadecimal digits)."""
        return self._manifest.digest()

    def damaged(self) -> dict[str, str]:
        """Return a description of the problem for each file that is missing or has an incorrect checksum, by path."""
        files = sorted(self._manifest.files.items())
        with ThreadPoolExecutor() as pool:
            flaws = pool.map(lambda item: _flaw(self.root / item[0], item[1]), files)
            return {name: problem for (name, _), problem in zip(files, flaws, strict=True) if problem}


class Store(RunFiles):
    """Reader and writer for the files of a run directory."""

    def write(self, name: str, content: Content, key: str, inputs: Inputs | None = None) -> None:
        """Write one file, or only its manifest entry if ``content`` is None."""
        if content is None:
            self.remove(*([name] if name in self._manifest.files else []))
            self.enter([(name, {"bytes": 0, "sha256": "", "key": key, "state": NOTHING})], inputs)
        elif isinstance(content, bytes):
            self._write(name, lambda file: file.write(content), key, inputs)
        elif isinstance(content, pd.DataFrame):
            self._write(name, partial(write_tables, [content]), key, inputs)
        else:
            self._write(name, partial(write_arrays, content), key, inputs)

    def write_bytes(self, name: str, content: bytes, key: str) -> None:
        self.write(name, content, key)

    def write_table(self, name: str, table: pd.DataFrame, key: str) -> None:
        self.write(name, table, key)

    def join_tables(self, name: str, parts: Sequence[str], key: str, inputs: Inputs | None = None) -> None:
        """Concatenate the rows of the tables ``parts`` into one file, with one row group in memory at a time."""
        tables = (self.read_table(part) for part in parts)
        self._write(name, partial(write_tables, tables, names=parts), key, inputs)

    def join_arrays(self, name: str, parts: Sequence[str], key: str, inputs: Inputs | None = None) -> None:
        """Concatenate the arrays of ``parts`` along the first axis, and write them to one file."""
        arrays = [self.read_arrays(part) for part in parts]
        with files.readable(self.path(name), f"{parts[0]}' to '{parts[-1]}"):
            joined = {array: np.concatenate([each[array] for each in arrays]) for array in arrays[0]}
        self.write(name, joined, key, inputs)

    def _write(self, name: str, write: Callable[[IO[bytes]], object], key: str, inputs: Inputs | None) -> None:
        self.enter([write_file(self.root, name, write, key)], inputs)

    def move(self, name: str, to: str, inputs: Inputs | None = None) -> None:
        target = self.root / to
        target.parent.mkdir(parents=True, exist_ok=True)
        self.path(name).replace(target)  # first, so that the file is recomputed if the process is killed in between
        entry = self._manifest.files[name] | self._noted(inputs)
        self._enter([(to, entry), (name, None)])

    def enter(self, written: Sequence[tuple[str, Entry]], inputs: Inputs | None = None) -> None:
        """Add files that were written by `write_file`, possibly on another machine, to the manifest.

        Args:
            written: name and entry of each file.
            inputs: inputs of the files, which are recorded for ``probing verify --why``.
        """
        noted = self._noted(inputs)
        self._enter([(name, entry | noted) for name, entry in written])

    def _enter(self, entries: Sequence[tuple[str, Entry | None]]) -> None:
        self._manifest.enter(entries)
        for name, _ in entries:
            self._lost.pop(name, None)

    def _noted(self, inputs: Inputs | None) -> Entry:
        if inputs is None:
            return {}
        return {"inputs": dict(inputs) | {"options": self._manifest.note(inputs["options"])}}

    def copy_from(self, source: Path, link: Callable[[Path, Path], object] = os.link) -> None:
        """Make this run a copy of the run in ``source``.

        Files are hard-linked if possible and copied otherwise. They are pinned, so they are not recomputed if code
        versions change. Tables that combine all models are not copied.

        Raises:
            BadRun: ``source`` does not exist, or has missing or corrupted files.
        """
        if not (source / MANIFEST).is_file():
            raise BadRun(
                f"The run '{self.root}' is based on the run '{source}', which does not exist. Restore that run, or "
                f"start a new run."
            )
        copied = RunFiles(source)
        if damaged := copied.damaged():
            name, problem = next(iter(damaged.items()))
            raise BadRun(f"'{name}' in the run '{source}' {problem}. Repair that run first.")
        entries = {
            name: entry | {"pinned": True}
            for name, entry in copied.entries("").items()
            if not name.startswith((TABLES, UNITS))
        }
        if not (self.root / RECIPE).exists():  # first, so that the folder is a run if the process is killed
            link_or_copy(source / RECIPE, self.root / RECIPE, link)
        self._manifest.start_copy(str(source.absolute()), entries, copied._manifest.options)
        self._link_missing(link)

    def _link_missing(self, link: Callable[[Path, Path], object] = os.link) -> None:
        """Link missing pinned files if they exist in the original run, for example after copying was interrupted."""
        if self.copied_from is None:
            return
        for name, entry in self._manifest.files.items():
            source, target = self.copied_from / name, self.root / name
            is_missing = entry.get("pinned") and "state" not in entry and not target.exists()
            if is_missing and source.exists() and not _flaw(source, entry):
                link_or_copy(source, target, link)

    def write_toml(self, name: str, content: Mapping[str, Any], key: str) -> None:
        import tomli_w

        self.write_bytes(name, tomli_w.dumps(content).encode(), key)

    def leave_out(self, *names: str) -> None:
        """Remove files but keep their manifest entries, so that their dependents remain valid."""
        for name in names:
            (self.root / name).unlink(missing_ok=True)
        self._enter([(name, self._known(name) | {"state": LEFT_OUT}) for name in names])

    def remove(self, *names: str) -> None:
        """Remove files and their manifest entries. Names that are not in the manifest are ignored."""
        names = tuple(name for name in names if name in self._manifest.files)
        for name in names:
            try:
                (self.root / name).unlink(missing_ok=True)  # first, so that no file without an entry can remain
            except OSError as error:
                raise BadRun(f"'{self.root / name}' could not be removed: {one_line(error)}.") from error
        self._enter([(name, None) for name in names])

    def clear(self) -> None:
        """Remove all files of the run, including the recipe, but keep the log."""
        names = list(self._manifest.files)
        self._manifest.clear()  # first, because a folder without a manifest can be used for a new run
        for name in names:
            (self.root / name).unlink(missing_ok=True)
        self._remove_empty_folders()

    def _remove_empty_folders(self) -> None:
        for folder, _, _ in os.walk(self.root, topdown=False):
            with suppress(OSError):  # not empty
                os.rmdir(folder)

    def delete(self) -> list[str]:
        """Remove all files of the run, its log, and folders that are then empty.

        Returns:
            Names of other files in the folder. They do not belong to the run and are not removed.

        Raises:
            RunBusy: another process is writing to the run.
            BadRun: a file cannot be removed.
        """
        with self._held(removes_log=True):
            foreign = self.foreign()
            try:
                for name in self._manifest.files:  # before the manifest, so that an interrupted removal can be repeated
                    (self.root / name).unlink(missing_ok=True)
                self._manifest.clear()
            except OSError as error:
                raise BadRun(f"'{self.root}' could not be removed: {one_line(error)}.") from error
        self._remove_empty_folders()
        return foreign

    def foreign(self) -> list[str]:
        """Return the names of files in the run directory that do not belong to the run."""
        existing = (path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if not path.is_dir())
        registered = {MANIFEST, JOURNAL, *EXTRA_FILES, *self._manifest.files}
        return sorted(name for name in existing if name not in registered and not name.startswith(f"{LOG}/"))

    def damage(self) -> list[str]:
        """Return a message for each file that is missing, modified, or not in the manifest."""
        return damage_sentences(self.damaged(), self.foreign())

    def clean(self) -> None:
        """Remove temporary files of processes that have ended."""
        for path in self.root.rglob(f"*{TEMPORARY}"):
            if is_abandoned(path):
                path.unlink(missing_ok=True)

    def is_being_written(self) -> bool:
        """Return whether another process, or another store in this process, has locked the run for writing."""
        return is_being_written(self.root)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Return a context manager that locks the run for writing. The lock is released if the process is killed.

        Raises:
            RunBusy: another process, or another store in this process, has locked the run.
            BadRun: the run directory is not writable.
        """
        with self._held():
            self.fold()  # entries from a killed process
            self.clean()
            if self.base is not None:
                self.copy_from(self.base)
            self._link_missing()
            self._lost = self._found_damaged()
            try:
                yield
            finally:
                self._lost = {}
                with suppress(BadRun):  # if the disk is full, entries remain in the journal
                    self.fold()

    @contextmanager
    def _held(self, removes_log: bool = False) -> Iterator[None]:
        """Return a context manager that locks the run without checking or cleaning up files."""
        with locked_folder(self.root, removes_log=removes_log):
            self._manifest.read()
            yield

    def _found_damaged(self) -> dict[str, str]:
        """Return the problems of missing or corrupted files, by path. Corrupted units are removed and not returned."""
        damaged = self.damaged()
        self.remove(*(name for name in damaged if name.startswith(UNITS)))
        return {name: problem for name, problem in damaged.items() if not name.startswith(UNITS)}

    @property
    def lost(self) -> dict[str, str]:
        """Problems of missing or corrupted files that have not been recomputed since the run was locked, by path.

        A corrupted file is treated as missing, but it remains on disk and in the manifest until it is replaced.
        """
        return dict(self._lost)

    def fold(self) -> None:
        """Merge the journal into the manifest."""
        self._manifest.fold()


def damage_sentences(damaged: Mapping[str, str], foreign: Sequence[str]) -> list[str]:
    """Return a message for each file in the results of `RunFiles.damaged` and `Store.foreign`."""
    return [f"'{name}' {problem}." for name, problem in damaged.items()] + [
        f"'{name}' is not in the manifest, so it is not part of the run." for name in foreign
    ]


def write_file(root: Path, name: str, write: Callable[[IO[bytes]], object], key: str) -> tuple[str, Entry]:
    """Write a file to the run directory ``root``.

    Returns:
        The name and the entry of the file, which becomes part of the run when it is added to the manifest
        (`Store.enter`).
    """
    with written_atomically(root / name) as file:
        write(file)
        file.seek(0)
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.seek(0, os.SEEK_END)
    return name, {"bytes": size, "key": key, "sha256": checksum}


def _flaw(path: Path, entry: Entry) -> str:
    if "state" in entry:
        return ""
    try:
        is_intact = _sha256(path) == entry["sha256"]
    except OSError:
        return "is in the manifest but missing"
    return "" if is_intact else "does not match its checksum in the manifest; it was modified or corrupted"


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def without_none(value: Any) -> Any:
    """Convert ``value`` to types that TOML supports: remove None values, and replace tuples with lists."""
    if isinstance(value, dict):
        return {k: without_none(v) for k, v in value.items() if v is not None}
    return [without_none(v) for v in value] if isinstance(value, list | tuple) else value
