"""Explore: the linked maps, matrix and pictures of two models; below them strength."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.components.explorer import explorer, explorer_of, shown_models
from dashboard.data import own_picture, shared_files
from dashboard.page import page
from dashboard.text import plain
from dashboard.widgets import asking, messages, tables
from probing_core.errors import ProbingError
from probing_core.measures.notation import in_percent, model_title
from probing_core.results import Run
from probing_core.results.explorer.data import ABOUT_EXPLORER
from probing_core.results.explorer.shared_file import leaving, licenses_of


@page(
    "Explore",
    "How two models see the same pictures. What you choose in one view is chosen in all. Models marked (zoo) are the "
    "encoders that come with the project: one network, trained alike but for the objective.",
)
def show() -> None:
    run = messages.run_with_models()
    st.caption(f"{ABOUT_EXPLORER} Choose a cell or a class, or draw around dots.")
    explorer(run, _own_picture(run))
    _file_to_send(run)


def _own_picture(run: Run) -> dict[str, Any] | None:
    picture = own_picture.pinned()
    if picture is None:
        return None
    left, right = st.columns([5, 1], vertical_alignment="center")
    data, shown = explorer_of(run).data, shown_models(run)
    places, lacking = {}, []
    for model in shown:
        why_not = own_picture.why_no_place(run, data, model)
        try:
            if not why_not:
                asking.embed_gallery(run, model, own_picture.gallery_samples(data))
                places[model] = own_picture.place_of(run, data, model, picture)
        except ProbingError as error:
            why_not = "it could not be embedded"
            st.warning(plain(str(error)), icon=":material/error:")
        if why_not:
            lacking.append(f"{plain(picture.name)} has no place on the map of {plain(model_title(model))}: {why_not}.")
    star = f"The star is **{plain(picture.name)}**, amid the pictures that the model finds most like it."
    left.markdown(" ".join([star] * bool(places) + lacking))
    if right.button("Take it away", key="unpin"):
        own_picture.pin(None)
        st.rerun()
    return {"title": picture.name, "places": places} if places else None


def _file_to_send(run: Run) -> None:
    file = shared_files.file_of(run)
    st.fragment(_make_and_download, run_every=1.0 if file.is_being_made else None)(run, file, file.is_being_made)


def _make_and_download(run: Run, file: shared_files.FileToSend, waited: bool) -> None:
    with st.popover("One file to send", icon=":material/attach_file:"):
        st.markdown("Leaderboard, claims and the explorer of six models in one HTML file, which needs no network.")
        st.caption(plain(leaving(*licenses_of(run, explorer_of(run).data))))
        if file.path.exists():
            label = f"Download, {file.path.stat().st_size / 1e6:.0f} MB"
            tables.download_file(file.path.read_bytes, "shared-file", label, f"{run.name}.html", "text/html")
        elif file.is_being_made:
            st.progress(file.share, f"Photographs: {in_percent(file.share)}" if file.share else "Reading the run")
        else:
            st.button("Make the file", on_click=file.begin)
            if file.error:
                st.error(plain(file.error), icon=":material/error:")
    if file.is_being_made != waited:  # the page decides whether this looks again each second
        st.rerun()


show()
