"""Explore: the linked maps, matrix and pictures of two models; and under them strength, and two classes compared."""

from __future__ import annotations

import streamlit as st

from dashboard.components.explorer import explorer, explorer_of
from dashboard.data import cache, shared_files
from dashboard.page import page
from dashboard.text import plain
from dashboard.views import two_classes, weak_to_strong
from dashboard.widgets import messages, pickers
from probing_core.measures.notation import in_percent
from probing_core.results import Run
from probing_core.results.explorer.shared_file import leaving, licenses_of

PARTS = {"strength": "Weak to strong", "two": "Two classes"}


@page("Explore", "What two models take pictures for, and where these lie: what is chosen in one view lights up in all.")
def show() -> None:
    run = cache.current_run()
    if run.models.empty:
        messages.empty("No model has been embedded in this run yet; `probing run --out DIR` goes on with it.")
        return
    st.caption(
        "Each dot is a photograph that was altered; near each other is what the model takes for alike. Draw a line "
        "around some, click a class, a cell or a picture."
    )
    explorer(run)
    _file_to_send(run)
    part, place = pickers.tab(PARTS)
    with place:
        {"strength": weak_to_strong.show, "two": two_classes.show}[part](run)


def _file_to_send(run: Run) -> None:
    file = shared_files.file_of(run)
    st.fragment(_make_and_download, run_every=1.0 if file.is_being_made else None)(run, file, file.is_being_made)


def _make_and_download(run: Run, file: shared_files.FileToSend, waited: bool) -> None:
    with st.popover("One file to send", icon=":material/attach_file:"):
        st.markdown("Leaderboard, claims and the explorer of six models in one HTML file, which needs no network.")
        st.caption(plain(leaving(*licenses_of(run, explorer_of(run).data))))
        if file.path.exists():
            st.download_button(
                f"Download, {file.path.stat().st_size / 1e6:.0f} MB",
                file.path.read_bytes,
                file_name=f"{run.name}.html",
                mime="text/html",
                icon=":material/download:",
                on_click="ignore",
            )
        elif file.is_being_made:
            st.progress(file.share, f"Photographs: {in_percent(file.share)}" if file.share else "Reading the run")
        else:
            st.button("Make the file", on_click=file.begin)
            if file.error:
                st.error(plain(file.error), icon=":material/error:")
    if file.is_being_made != waited:  # the page decides whether this looks again each second
        st.rerun()


show()
