"""Runs as files to send, each made once for all visitors."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import streamlit as st

from probing_core.results import Run
from probing_core.results.explorer import write_shared_file

MAX_KEPT = 3
"""Files on disk at most; the one that was made first goes first."""

_making = threading.Lock()


@st.cache_resource(show_spinner=False)
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="probing-")


def path_of(run: Run) -> Path:
    """Return where the file of ``run`` is, once `make` has made it."""
    return Path(_folder().name) / f"{run.digest}.html"


def make(run: Run, progress: Callable[[int, int], None]) -> None:
    """Make the file of ``run``; one file is made at a time, and a second visitor waits for the first one's.

    Raises:
        BadRun: no model of the run has both a map and predictions.
    """
    with _making:
        path = path_of(run)
        if not path.exists():
            write_shared_file(run, path, progress=progress)
            for old in sorted(path.parent.glob("*.html"), key=lambda one: one.stat().st_mtime)[:-MAX_KEPT]:
                old.unlink()
