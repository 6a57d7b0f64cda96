"""The files of a run that each page reads, recorded while tests open pages."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dashboard.reads import ALL_TABLES, EVERY_PAGE, READS
from probing_core.run.graph import TABLE
from probing_core.run.layout import PARQUET
from probing_core.run.store import RunFiles

FILES = [
    (path, re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)))) for row in TABLE.rows for path in row.outputs
]
"""Files of the table of runs, and what the path of one looks like."""

OVERVIEW = "What does your image embedding know?"


def titled(page: str) -> str:
    """The title that stands on a page."""
    return OVERVIEW if page == "Overview" else page


def file_of(name: str) -> str:
    """The file of the table that ``name`` is: without placeholders where there is one, else with as few as can be."""
    fitting = [path for path, form in FILES if (form.match if path.endswith("/") else form.fullmatch)(name)]
    return min(fitting, key=lambda path: path.count("{"), default=name)


def not_declared(page: str, read: set[str]) -> set[str]:
    """What was read of a page and is not in `dashboard.reads`."""
    shipped = {f"tables/{name}.parquet" for name in ("copies", "retrieval-strength", "variance-layers")}  # format 1
    read = read - {*READS[page], *EVERY_PAGE} - (shipped if page == "Retrieval" else set())
    return {path for path in read if not (page == ALL_TABLES and path.endswith(PARQUET))}


@contextmanager
def recorded() -> Iterator[dict[str, set[str]]]:
    """Give files by the title of the page whose script reads them; filled while it lasts.

    What threads read that load models ahead is not of the page that happens to be open.
    """
    found: dict[str, set[str]] = defaultdict(set)
    plain = RunFiles.path

    def noting(self: RunFiles, name: str) -> Path:
        context = get_script_run_ctx(suppress_warning=True)
        asks = sys._getframe(1).f_code.co_name == "has"  # whether it is there
        if context is not None and "_page" in context.session_state and not asks:
            found[context.session_state["_page"]].add(file_of(name))
        return plain(self, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunFiles, "path", noting)
        yield found
