"""Runs as HTML files for download, each written once for all visitors by a background thread."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import streamlit as st

from dashboard.data import cache
from probing_core.errors import ProbingError
from probing_core.results import Run
from probing_core.results.explorer import with_selection, write_shared_file

MAX_KEPT = 3
"""Maximum number of files on disk; the oldest is removed first."""

MAX_WAITING = 4
"""Maximum number of files that are being written or waiting to be written."""

_threads: list[threading.Thread] = []

_writing = threading.Lock()
"""Lock held while a file is written: one at a time."""

_starting = threading.Lock()

_disk = threading.Lock()
"""Lock held while a file is read or removed: no file is removed during a download."""


class FileRemoved(ProbingError):
    """Raised if a file was removed since the page offered it."""


class FileToSend:
    """The file of one run with selected models.

    Attributes:
        path: path of the written file.
        share: fraction written so far.
        error: reason why it could not be written.
    """

    def __init__(self, run: Run, models: Sequence[str], path: Path) -> None:
        self.path, self.share, self.error = path, 0.0, ""
        self._run, self._models, self._thread = run, list(models), threading.Thread()

    @property
    def is_being_written(self) -> bool:
        return self._thread.is_alive()

    @property
    def size(self) -> int:
        """Number of bytes; 0 if the file does not exist."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def start(self) -> None:
        """Start writing the file, unless this was already done or too many files are waiting."""
        with _starting:
            if self.is_being_written or self.size:
                return
            _threads[:] = [thread for thread in _threads if thread.is_alive()]
            if len(_threads) >= MAX_WAITING:
                self.error = "The server is busy with other files. Try again in a few minutes."
                return
            self.share, self.error = 0.0, ""
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._thread = threading.Thread(target=self._write, daemon=True)
            _threads.append(self._thread)
            self._thread.start()

    def content(self, selection: Mapping[str, Any] | None) -> bytes:
        """Return the file, which opens with ``selection``.

        Raises:
            FileRemoved: the file was removed in favor of newer files.
        """
        with _disk:
            try:
                content = self.path.read_bytes()
            except FileNotFoundError as error:
                raise FileRemoved("The file was removed to make room for newer ones. Create it again.") from error
        return with_selection(self._run, content, selection)

    def _write(self) -> None:
        try:
            with _writing:
                write_shared_file(self._run, self.path, self._models, progress=self._note)
                self._remove_others()
        except ProbingError as error:
            self.error = str(error)
        except Exception as error:  # of any kind: nobody waits for this thread
            logging.getLogger(__name__).exception("The shared file of '%s' could not be written", self._run.path)
            self.error = f"The file could not be written: {_reason(error)}."

    def _remove_others(self) -> None:
        with _disk:
            files = sorted(self.path.parent.glob("*.html"), key=lambda file: file.stat().st_mtime)
            for old in files[:-MAX_KEPT]:
                old.unlink()

    def _note(self, completed: int, total: int) -> None:
        self.share = completed / total


def _reason(error: Exception) -> str:
    """Return the reason for ``error`` as text, without server paths."""
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__


@st.cache_resource(show_spinner=False)
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="probing-")


@st.cache_resource(hash_funcs=cache.BY_DIGEST, max_entries=16, show_spinner=False)
def file_of(run: Run, models: tuple[str, ...]) -> FileToSend:
    """Return the file of ``run`` with ``models``, which all visitors share."""
    name = hashlib.sha256("\n".join(models).encode()).hexdigest()[:16]
    return FileToSend(run, models, Path(_folder().name) / f"{run.digest}-{name}.html")
