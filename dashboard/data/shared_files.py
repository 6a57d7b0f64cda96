"""Runs as files to send, each made once for all visitors, in the background, so that nobody has to wait."""

from __future__ import annotations

import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import streamlit as st

from dashboard.data import cache
from probing_core.errors import ProbingError
from probing_core.results import Run
from probing_core.results.explorer import write_shared_file

MAX_KEPT = 3
"""Largest number of files on disk; the oldest is removed first."""

_one_at_a_time = threading.Lock()
_beginning = threading.Lock()


class FileToSend:
    """The file of one run.

    Attributes:
        share: how much of it is done, from 0 to 1.
        error: why it could not be made.
    """

    def __init__(self, run: Run) -> None:
        self.path, self.share, self.error = Path(_folder().name) / f"{run.digest}.html", 0.0, ""
        self._run, self._thread = run, threading.Thread()

    @property
    def is_being_made(self) -> bool:
        return self._thread.is_alive()

    def begin(self) -> None:
        """Begin to make it, unless somebody else has."""
        with _beginning:
            if not self.is_being_made and not self.path.exists():
                self.share, self.error = 0.0, ""
                self._thread = threading.Thread(target=self._make, daemon=True)
                self._thread.start()

    def _make(self) -> None:
        try:
            with _one_at_a_time:
                write_shared_file(self._run, self.path, progress=self._note)
                made = sorted(self.path.parent.glob("*.html"), key=lambda one: one.stat().st_mtime)
                for old in made[:-MAX_KEPT]:
                    old.unlink()
        except ProbingError as error:
            self.error = str(error)

    def _note(self, done: int, total: int) -> None:
        self.share = done / total


@st.cache_resource(show_spinner=False)
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="probing-")


@st.cache_resource(hash_funcs=cache.BY_DIGEST, max_entries=2 * MAX_KEPT, show_spinner=False)
def file_of(run: Run) -> FileToSend:
    return FileToSend(run)
