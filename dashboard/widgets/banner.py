"""Progress of background processes, shown on every page."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.jobs import processes
from dashboard.text import plain
from dashboard.widgets import messages
from probing_core.results import RunPlace, find_runs
from probing_core.run.progress import Report

BUSY_S = 3.0
IDLE_S = 30.0
"""Update intervals in seconds while a process is running, and otherwise."""


def show() -> None:
    """Show the progress of all computations, and a button that opens a completed run."""
    busy = _busy(_reports())
    st.fragment(_show_progress, run_every=BUSY_S if busy else IDLE_S)(busy)


def watch(name: str) -> None:
    """Notify the visitor when the run ``name`` ends, even if it ends immediately."""
    st.session_state.setdefault("_watched", set()).add(name)


def _busy(reports: list[tuple[RunPlace, Report]]) -> bool:
    return any(report.state == "running" for _, report in reports)


@messages.guarded
def _show_progress(busy: bool) -> None:
    watched: set[str] = st.session_state.setdefault("_watched", set())
    reports = _reports()
    if _busy(reports) != busy:
        st.rerun()  # only a rerun of the full script changes the interval
    for place, report in reports:
        if report.state == "running":
            watched.add(place.name)
            st.progress(report.share, text=plain(f"Computing the run '{place.name}'. {report.so_far}"))
        elif place.name in watched and report.state == "done":
            _offer(place.name, watched)
        elif place.name in watched and report.state == "failed":
            st.warning(f"The run '{plain(place.name)}' failed: {plain(report.error)}", icon=":material/error:")


def _reports() -> list[tuple[RunPlace, Report]]:
    reports = [(place, processes.report_of(place.path)) for place in find_runs()]
    return [(place, report) for place, report in reports if report is not None]


def _offer(name: str, watched: set[str]) -> None:
    if state.stored_choice("run") == name:
        watched.discard(name)
        return
    st.success(f"The run '{plain(name)}' is complete.", icon=":material/check_circle:")
    if st.button("Open run", key=f"open-{name}", type="primary"):
        state.choose("run", name)
        watched.discard(name)
        st.rerun()
