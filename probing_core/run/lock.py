"""Lock a folder, so that only one process writes to it. A killed process releases its lock."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from probing_core.errors import BadRun, RunBusy, one_line
from probing_core.paths import confined, refuse_links
from probing_core.run.files import process_of, read_json, write_atomically
from probing_core.run.layout import LOCK, LOG, WRITER


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
