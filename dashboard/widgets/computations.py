"""A run or a scan in a background process: its progress, and buttons to cancel, resume and remove it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from dashboard.jobs import processes
from dashboard.text import plain
from probing_core.run.progress import Report


def is_running(report: Report | None) -> bool:
    return report is not None and report.state == "running"


def status(report: Report | None, otherwise: str) -> str:
    """Return the progress of a computation, or why it ended, as Markdown.

    Args:
        otherwise: text to return if there is no report.
    """
    if report is None or report.state == "done":
        return otherwise
    if report.state == "running":
        return plain(report.so_far)
    return f"stopped: {plain(report.error)}" if report.state == "failed" else "canceled; completed steps are kept"


def controls(
    key: str,
    out: Path,
    report: Report | None,
    resume: Callable[[], None] | None,
    remove: Callable[[], object] | None,
    loss: str = "",
    hint: str | None = None,
) -> None:
    """Show the buttons for a computation: Cancel while it runs, otherwise Resume and Delete if given.

    Args:
        key: name of the computation in the keys of the buttons.
        loss: message shown before the computation is removed, as Markdown.
        hint: help text of the Resume button.
    """
    if is_running(report):
        if st.button("Cancel", key=f"cancel-{key}"):
            processes.cancel(out)
        return
    if resume and st.button("Resume", key=f"resume-{key}", help=hint):
        resume()
    if remove:
        with st.popover("Delete", key=f"remove-{key}"):
            st.markdown(loss)
            if st.button("Delete", key=f"remove-now-{key}", type="primary"):
                remove()
                st.rerun()
