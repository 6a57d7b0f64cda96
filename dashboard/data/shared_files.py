"""Export of runs as HTML files. A background thread writes each file once for all visitors."""

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
"""Maximum number of files on disk. The oldest files are removed first."""

MAX_WAITING = 4
"""Maximum number of files that are being written or waiting to be written."""

_threads: list[threading.Thread] = []

_writing = threading.Lock()
"""Lock held while a file is written, so that only one file is written at a time."""

_starting = threading.Lock()

_disk = threading.Lock()
"""Lock held while a file is read or removed, so that no file is removed during a download."""


class FileRemoved(ProbingError):
    """Raised if a file was removed after it had been offered for download."""


class FileToSend:
    """Exported HTML file of a run with selected models.

    Attributes:
        path: path of the file.
        share: fraction of the file that has been written.
        error: reason why the file could not be written, or an empty string.
    """

    def __init__(self, run: Run, models: Sequence[str], path: Path) -> None:
        self.path, self.share, self.error = path, 0.0, ""
        self._run, self._models, self._thread = run, list(models), threading.Thread()

    @property
    def is_being_written(self) -> bool:
        return self._thread.is_alive()

    @property
    def size(self) -> int:
        """Size of the file in bytes, or 0 if the file does not exist."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def start(self) -> None:
        """Start writing the file unless it exists or is being written. If too many files are waiting, set ``error``."""
        with _starting:
            if self.is_being_written or self.size:
                return
            _threads[:] = [thread for thread in _threads if thread.is_alive()]
            if len(_threads) >= MAX_WAITING:
                self.error = "The server is busy with other exports. Try again in a few minutes."
                return
            self.share, self.error = 0.0, ""
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._thread = threading.Thread(target=self._write, daemon=True)
            _threads.append(self._thread)
            self._thread.start()

    def content(self, selection: Mapping[str, Any] | None) -> bytes:
        """Return the bytes of the file with ``selection`` as the initial selection of the explorer.

        Raises:
            FileRemoved: the file was removed because newer files were written.
        """
        with _disk:
            try:
                content = self.path.read_bytes()
            except FileNotFoundError as error:
                raise FileRemoved("The file was deleted to make room for newer files. Create it again.") from error
        return with_selection(self._run, content, selection)

    def _write(self) -> None:
        try:
            with _writing:
                write_shared_file(self._run, self.path, self._models, progress=self._note)
                self._remove_others()
        except ProbingError as error:
            self.error = str(error)
        except Exception as error:  # the thread has no caller that could handle the error
            logging.getLogger(__name__).exception("The HTML file of '%s' could not be written", self._run.path)
            self.error = f"The file could not be written: {_reason(error)}."

    def _remove_others(self) -> None:
        with _disk:
            files = sorted(self.path.parent.glob("*.html"), key=lambda file: file.stat().st_mtime)
            for old in files[:-MAX_KEPT]:
                old.unlink()

    def _note(self, completed: int, total: int) -> None:
        self.share = completed / total


def _reason(error: Exception) -> str:
    """Return the reason for ``error`` without paths on the server."""
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
    """Return the HTML file of ``run`` with ``models``. All visitors share the file."""
    name = hashlib.sha256("\n".join(models).encode()).hexdigest()[:16]
    return FileToSend(run, models, Path(_folder().name) / f"{run.digest}-{name}.html")
