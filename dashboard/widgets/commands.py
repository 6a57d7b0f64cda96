"""Commands that run in separate processes while a page shows their progress."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import streamlit as st

from dashboard.jobs.processes import Command
from dashboard.text import plain
from dashboard.widgets.messages import guarded
from probing_core.errors import ProbingError

POLL_S = 0.5
"""Interval in seconds at which the progress of a command is shown."""


class Started(NamedTuple):
    """A command, and the input of the form for which it was started."""

    subject: Any
    command: Command


def begin(key: str, subject: Any, start: Callable[[], Command]) -> None:
    """Start a command, and terminate the previous command with the same key.

    Args:
        key: name of the command in the session.
        subject: input of the form. `started` returns the command only while the input is the same.
        start: function that starts the command.

    Raises:
        ProbingError: the visitor has no permission.
    """
    stop(key)
    st.session_state[key] = Started(subject, start())


def started(key: str, subject: Any) -> Command | None:
    """Return the command that was started for ``subject``, if any. A command for a different input is terminated."""
    known: Started | None = st.session_state.get(key)
    if known is not None and known.subject != subject:
        stop(key)
        return None
    return known and known.command


def stop(key: str) -> None:
    """Terminate the command and forget its result."""
    if (known := st.session_state.pop(key, None)) is not None:
        known.command.stop()


def output(command: Command) -> str | None:
    """Return the output of a command that has ended. If the command failed, show its error and return None."""
    try:
        return command.output()
    except ProbingError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return None


def show_progress(command: Command, show: Callable[[str], object]) -> None:
    """Call ``show`` with the progress of a running command regularly, and rerun the page when it has ended."""

    @st.fragment(run_every=POLL_S)
    @guarded
    def progress() -> None:
        if not command.is_running:
            st.rerun(scope="app")
        show(command.progress)

    progress()
