"""A run or a scan that a process computes: how far it is, and the buttons that cancel, resume and remove it."""

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
    """Return how far a computation is, or why it ended, as Markdown.

    Args:
        otherwise: what is said where nothing keeps it from being complete.
    """
    if report is None or report.state == "done":
        return otherwise
    if report.state == "running":
        return plain(report.so_far)
    return f"stopped: {plain(report.error)}" if report.state == "failed" else "cancelled; what is complete stays"


def controls(
    key: str,
    out: Path,
    report: Report | None,
    resume: Callable[[], None] | None,
    remove: Callable[[], object] | None,
    loss: str = "",
    hint: str | None = None,
) -> None:
    """Show the buttons of a computation: to cancel it while it runs, else those for which there is a function.

    Args:
        key: its name in the keys of the buttons.
        loss: what is said before it is removed, as Markdown.
        hint: of the button that resumes it.
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
