"""Maps that a run has not made yet; a background process draws them as soon as a visitor asks for them."""

from __future__ import annotations

import streamlit as st

from dashboard import rights
from dashboard.data import cache
from dashboard.jobs import processes
from dashboard.text import plain
from dashboard.widgets import messages
from probing_core.errors import ProbingError
from probing_core.results import Run

POLL_S = 1.0


@st.fragment(run_every=POLL_S)
@messages.guarded
def draw_missing(run: Run, models: list[str], reading: str) -> None:
    """Start a process that draws the maps of ``models``, and show its progress and each map in this reading once it is
    complete."""
    able = [m for m in models if run.has_embeddings(m)]
    if unable := [m for m in models if m not in able]:
        messages.empty(
            f"This run ships neither a map nor embeddings of {plain(', '.join(unable))}, so none can be drawn; "
            "a run computed here (`probing run`, or the page New run) has both."
        )
    if not able:
        return
    now = cache.open_run(run.path)
    if any(now.has_map(m, reading) for m in able):
        st.rerun()
    report = processes.report_of(run.path)
    if report is not None and report.state == "running":
        st.progress(report.share, text=plain(report.so_far))
        return
    if not rights.allowed():
        messages.empty(rights.refusal("Drawing a map"))
        return
    started: set[tuple[str, str]] = st.session_state.setdefault("_maps_asked", set())
    fresh = [m for m in able if (str(run.path), m) not in started]
    if not fresh:
        _try_again(run, able, report.error if report is not None else "")
        return
    try:
        processes.draw_maps(run.path)
    except ProbingError as error:
        st.error(plain(str(error)), icon=":material/error:")
    else:
        st.progress(0.0, text=f"Drawing the map of {plain(', '.join(fresh))}")
    started.update((str(run.path), m) for m in fresh)


def _try_again(run: Run, models: list[str], error: str) -> None:
    words = f": {plain(error)}" if error else ", because its process was stopped."
    st.warning(f"The map of {plain(', '.join(models))} was not drawn{words}", icon=":material/error:")
    if st.button("Try again", key="draw-again"):
        st.session_state["_maps_asked"] -= {(str(run.path), m) for m in models}
        st.rerun()
