"""Progress of a run or a scan in a background process, and buttons to cancel, resume and delete it."""

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
    """Return the progress of a computation, or the reason why it stopped, as Markdown.

    Args:
        report: progress report of the computation, if any.
        otherwise: text to return if there is no report or the computation is complete.
    """
    if report is None or report.state == "done":
        return otherwise
    if report.state == "running":
        return plain(report.so_far)
    return f"failed: {plain(report.error)}" if report.state == "failed" else "canceled (completed steps are kept)"


def controls(
    key: str,
    out: Path,
    report: Report | None,
    resume: Callable[[], None] | None,
    remove: Callable[[], object] | None,
    loss: str = "",
    hint: str | None = None,
) -> None:
    """Show the buttons for a computation: Cancel while it is running, otherwise Resume and Delete.

    Args:
        key: suffix of the widget keys of the buttons.
        out: folder of the computation.
        report: progress report of the computation, if any.
        resume: function that resumes the computation; None hides the Resume button.
        remove: function that deletes the computation; None hides the Delete button.
        loss: confirmation message for deleting the computation, as Markdown.
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
