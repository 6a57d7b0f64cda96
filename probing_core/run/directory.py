"""The run directory: files, and the steps that wrote them.

A step is one call that writes a few files. Its key is the digest of its inputs: the code version, option values, and
the keys of the steps whose files it reads. ``done/<step>.json`` is the record of a step, with its key, its inputs, and
the size and SHA-256 of each file. If the record has the current key and the files are intact, nothing happens.
Otherwise, the step is computed: its files are written first, and its record last. There is no other state, so a process
can be killed at any moment. The next call of `probing_core.run.pipeline.run` computes the steps that have no valid
record. Long steps keep completed parts (`probing_core.run.units`)::

    if run.needs("models/zoo-mae/scores", inputs):
        run.save("models/zoo-mae/scores", inputs, {"models/zoo-mae/scores.parquet": table})

A step is computed again if an input differs from those in its record, or if one of its files is missing or corrupted.
``probing verify --run RUN --why STEP`` states which (`probing_core.run.pending.DryRun.reasons`).

The folder ``base/`` is a copy of another run, which is never written. Its files belong to the run unless the run has
its own version.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import psutil
from filelock import FileLock, Timeout

from probing_core.errors import BadRun, RunBusy, one_line
from probing_core.paths import confined, refuse_links
from probing_core.run.files import (
    is_abandoned,
    link_or_copy,
    process_of,
    read_json,
    write_arrays,
    write_atomically,
    write_tables,
    written_atomically,
)
from probing_core.run.layout import (
    BASE,
    COPIED_FROM,
    EVENTS,
    LOCK,
    LOG,
    RECIPE,
    TABLES,
    TEMPORARY,
    UNITS,
    WRITER,
    record_path,
)
from probing_core.run.run_files import RECIPE_STEP, FileRecord, Inputs, Record, RunFiles, digest

Content = pd.DataFrame | bytes | Mapping[str, np.ndarray] | Callable[[IO[bytes]], object] | None
"""Content of a file: a table, bytes, arrays by name, a function that writes it, or None if there is no file."""

INCOMPLETE_BASE = f"{BASE}{TEMPORARY}"
"""Folder of a base that is being copied."""

COMPLETED = "completed"
"""Event that is logged when steps were computed and none is left."""

UNAVAILABLE = "unavailable"
"""Key of a step that cannot be computed."""


class RunDirectory(RunFiles):
    """Reader and writer for the files of a run directory. Only one process can write to a run at a time (`locked`).

    Attributes:
        outdated: steps of the base that this version of the code would compute from different inputs.
        unavailable: steps that cannot be computed, because the run was published without the files that they read.
    """

    def __init__(self, root: Path) -> None:
        self._lost: dict[str, str] = {}
        super().__init__(root)
        self.unavailable: set[str] = set()
        self.outdated: set[str] = set()
        self._keys: dict[str, str] = {}

    def has(self, name: str) -> bool:
        return name not in self._lost and super().has(name)

    def names(self, prefix: str = "") -> list[str]:
        return [name for name in super().names(prefix) if name not in self._lost]

    @property
    def lost(self) -> dict[str, str]:
        """Problems of missing or corrupted files that have not been recomputed since the run was locked, by path."""
        return dict(self._lost)

    def assume_lost(self, lost: Mapping[str, str]) -> None:
        """Treat files as missing or corrupted, as another `RunDirectory` of this run does."""
        self._lost = dict(lost)

    def key(self, step: str) -> str:
        """Return the current key of a step, which must have been passed to `needs` or completed before."""
        return UNAVAILABLE if step in self.unavailable else self._keys.get(step) or super().key(step)

    def keys(self, *steps: str) -> dict[str, str]:
        """Return the current keys of ``steps`` by name, for use as inputs of a step that reads their files."""
        return {step: self.key(step) for step in steps}

    def needs(self, step: str, inputs: Inputs, readable: bool = True) -> bool:
        """Return whether a step must be computed, and note its key for the steps that read its files.

        Steps of the base are complete with any key, so models are compared with the original results.

        Args:
            readable: whether all files that the step reads exist. If they do not, or if a step among the inputs is
                unavailable, an incomplete step is unavailable as well.
        """
        self._keys[step] = digest([step, inputs])
        self.unavailable.discard(step)
        record = self.records.get(step)
        if record is not None and all(map(self.has, record.files)):
            if not self.is_own(step) and record.key != self._keys[step]:
                self.outdated.add(step)
                self._keys[step] = record.key
            if record.key == self._keys[step]:
                return False
        if UNAVAILABLE in inputs.values() or not readable:
            self.unavailable.add(step)
            return False
        return True

    def step(self, step: str, inputs: Inputs, compute: Callable[[], Mapping[str, Content]]) -> None:
        """Write the files that ``compute`` returns, unless the step is complete."""
        if self.needs(step, inputs):
            self.save(step, inputs, compute())

    def save(self, step: str, inputs: Inputs, content: Mapping[str, Content]) -> None:
        """Write the files of a step, and then its record."""
        written = dict(_write(self.root, path, part) for path, part in content.items() if part is not None)
        self.finish(step, inputs, written)

    def finish(self, step: str, inputs: Inputs, written: Mapping[str, FileRecord]) -> None:
        """Write the record of a step whose files have been written, and remove its earlier files."""
        before = self.records.get(step)
        for path in set(before.files) - set(written) if before and self.is_own(step) else ():
            (self.root / path).unlink(missing_ok=True)  # before the record, so that no file without a record remains
            self._places.pop(path)
        self._keys[step] = digest([step, inputs])
        record = Record(step, self._keys[step], inputs, written)
        write_atomically(self.root / record_path(step), record.to_json())
        self.records[step] = self._own[step] = record
        self._place(record, self.root)
        for path in (*written, *(before.files if before else ()), record_path(step)):
            self._lost.pop(path, None)
            self.corrupted.pop(path, None)

    def write_recipe(self, content: dict[str, Any]) -> None:
        import tomli_w

        self.save(RECIPE_STEP, content, {RECIPE: tomli_w.dumps(content).encode()})

    def remove_lost(self, path: str) -> None:
        """Remove a missing or corrupted file that is not needed anymore, together with the files of its step."""
        if (step := self.step_of(path)) in self._own:
            self.remove(step)
        elif path in self.corrupted:
            (self.root / path).unlink(missing_ok=True)

    def remove(self, step: str) -> None:
        """Remove the files of a step, and its record."""
        for path in self.records[step].files:
            (self.root / path).unlink(missing_ok=True)
            self._places.pop(path)
            self._lost.pop(path, None)
        (self.root / record_path(step)).unlink(missing_ok=True)
        del self.records[step], self._own[step]

    def clear(self) -> None:
        """Remove all files of the run, including the recipe, but keep the log."""
        for step in list(self._own):
            self.remove(step)
        for folder in (BASE, INCOMPLETE_BASE, UNITS):
            shutil.rmtree(self.root / folder, ignore_errors=True)
        for name in (*self.corrupted, COPIED_FROM):
            (self.root / name).unlink(missing_ok=True)
        self.read_records()
        _remove_empty_folders(self.root)

    def delete(self) -> list[str]:
        """Remove all files of the run, its log except the lock, and folders that are then empty.

        Returns:
            Names of other files in the folder. They do not belong to the run and are not removed.

        Raises:
            RunBusy: another process is writing to the run.
            BadRun: a file cannot be removed.
        """
        with locked_folder(self.root, removes_log=True):
            self.read_records()
            try:
                self._remove_abandoned()
                self.clear()
            except OSError as error:
                raise BadRun(f"'{self.root}' could not be removed: {one_line(error)}.") from error
            foreign = self.foreign()
        _remove_empty_folders(self.root)
        return foreign

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Return a context manager that locks the run for writing, and checks all files.

        Raises:
            RunBusy: another process, or another part of this process, has locked the run.
            BadRun: the run directory is not writable.
        """
        with locked_folder(self.root):
            self._remove_abandoned()
            self.read_records()
            self._keys, self._lost = {}, self.damaged()
            try:
                yield
            finally:
                self._lost = {}

    def _remove_abandoned(self) -> None:
        """Remove files that killed processes were writing."""
        for path in self.root.rglob(f"*{TEMPORARY}"):
            if path.is_file() and is_abandoned(path):
                path.unlink(missing_ok=True)

    def remove_base(self) -> None:
        """Remove the base, for example if a process was killed before it wrote the recipe of a copy."""
        for name in (BASE, INCOMPLETE_BASE):
            shutil.rmtree(self.root / name, ignore_errors=True)
        self.read_records()

    def start_copy(self, source: RunFiles, link: Callable[[Path, Path], object] = os.link) -> None:
        """Make the run ``source`` the base of this run. Files are hard-linked if possible, and copied otherwise.

        Tables that combine all models are not copied. The folder ``base/`` appears when it is complete.

        Raises:
            BadRun: ``source`` has missing or corrupted files.
        """
        if damaged := source.damaged():
            name, problem = next(iter(damaged.items()))
            raise BadRun(f"'{name}' in the run '{source.root}' {problem}. Repair that run first.")
        self.remove_base()
        incomplete = self.root / INCOMPLETE_BASE
        for step, record in source.records.items():
            if not step.startswith(TABLES):
                for path in record.files:
                    link_or_copy(source.path(path), incomplete / path, link)
                write_atomically(incomplete / record_path(step), record.to_json())
        incomplete.rename(self.root / BASE)
        write_atomically(self.root / COPIED_FROM, json.dumps(str(source.root.absolute())).encode())
        self.read_records()


def _write(root: Path, path: str, content: Content) -> tuple[str, FileRecord]:
    with written_atomically(root / path) as file:
        write_to(file, content)
        file.seek(0)
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.seek(0, os.SEEK_END)
    return path, FileRecord(size, checksum)


def write_to(file: IO[bytes], content: Content) -> None:
    if isinstance(content, bytes):
        file.write(content)
    elif isinstance(content, pd.DataFrame):
        write_tables([content], file)
    elif isinstance(content, Mapping):
        write_arrays(content, file)
    elif content is not None:
        content(file)


def damage_sentences(damaged: Mapping[str, str], foreign: Sequence[str]) -> list[str]:
    """Return a message for each file in the results of `RunFiles.damaged` and `RunFiles.foreign`."""
    return [f"'{name}' {problem}." for name, problem in damaged.items()] + [
        f"'{name}' has no record, so it is not part of the run." for name in foreign
    ]


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


def _remove_empty_folders(root: Path) -> None:
    for folder, _, _ in os.walk(root, topdown=False):
        with suppress(OSError):  # not empty
            os.rmdir(folder)


@contextmanager
def locked_folder(folder: Path, what: str = "run", removes_log: bool = False) -> Iterator[None]:
    """Return a context manager that locks ``folder`` for writing. The folder is created if it is missing.

    The lock file remains after the lock is released, because a different process may have opened it.

    Args:
        what: type of the content, for error messages.
        removes_log: whether to remove the log, including the lock file, before the lock is released, unless an error
            occurs. Processes that have opened the removed lock file cannot lock it.

    Raises:
        RunBusy: another process, or another thread in this process, has locked the folder.
        BadRun: the folder is not writable, or has links to places outside.
    """
    refuse_links(folder)
    lock = FileLock(folder / LOCK, timeout=0, thread_local=False)
    try:
        (folder / LOG).mkdir(parents=True, exist_ok=True)
        lock_context = lock.acquire()
    except Timeout as error:
        raise RunBusy(
            f"Another process is writing to the {what} '{folder}'. Wait until it ends, or stop it first."
        ) from error
    except OSError as error:
        raise BadRun(
            f"'{folder}' is not writable ({error.strerror or one_line(error)}). "
            f"Change its permissions, or choose another folder."
        ) from error
    with lock_context:
        with suppress(BadRun):  # allow deleting a run when the disk is full; the lock excludes other writers
            write_atomically(folder / WRITER, json.dumps(_this_process()).encode())
        try:
            yield
        finally:
            with suppress(OSError):
                (folder / WRITER).unlink(missing_ok=True)
        if removes_log:  # last, because other processes can then create a new lock file
            _remove_log(folder)


def is_being_written(folder: Path) -> bool:
    """Return whether a process, or another thread in this process, has locked ``folder`` for writing.

    The check reads the file `WRITER` and tries to acquire the lock only if the writer is on another machine.
    """
    try:
        writer = read_json(folder / WRITER)
        if writer["machine"] != platform.node():
            return _is_locked(folder)
        return process_of(int(writer["pid"]), float(writer["born"])) is not None
    except (BadRun, ValueError, KeyError, TypeError, OverflowError):
        return False


def _remove_log(folder: Path) -> None:
    """Remove the log, and finally the lock file."""
    lock = folder / LOCK
    for path in sorted((folder / LOG).glob("*"), key=lambda path: path == lock):
        with suppress(OSError):  # Windows does not remove open files
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _is_locked(folder: Path) -> bool:
    """Check whether the lock is held by trying to acquire it."""
    lock = FileLock(confined(LOCK, folder), timeout=0, thread_local=False)
    try:
        with lock:
            return False
    except Timeout:
        return True
    except OSError:  # the folder is not writable
        return False


def _this_process() -> dict[str, Any]:
    return {"machine": platform.node(), "pid": os.getpid(), "born": psutil.Process().create_time()}
