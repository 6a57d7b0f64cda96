"""The "Explore" page: linked maps, confusion matrix and images for two models."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from dashboard import state
from dashboard.components.explorer import explorer, explorer_of, selection, shown_models
from dashboard.data import cache, own_picture, shared_files
from dashboard.page import fragment, page
from dashboard.text import plain
from dashboard.widgets import asking, comparison, messages, tables
from probing_core.errors import ProbingError
from probing_core.measures.notation import in_percent, model_title
from probing_core.measures.statistics import with_place
from probing_core.results import Run
from probing_core.results.explorer.data import ABOUT_EXPLORER, SHARED_MODELS, ranked_models, shared_models
from probing_core.results.explorer.shared_file import leaving, licenses_of

EXPORTED = "exported"
"""Name of the selection of the models in the exported file."""

PROGRESS_S = 1.0
"""Interval in seconds at which the progress of the export is updated."""


@page(
    "Explore",
    "All views share one selection. Models marked (zoo) have the same architecture, training data and compute budget, "
    "but different training objectives.",
)
def show() -> None:
    run = messages.run_with_models()
    st.caption(" ".join(filter(None, [ABOUT_EXPLORER, _without_map(run)])))
    explorer(run, _own_picture(run))
    comparison.offer(shown_models(run))
    _export(run)


def _without_map(run: Run) -> str:
    """Return a sentence on the models of the run that the explorer does not contain, empty if it contains all."""
    drawn = {model.name for model in explorer_of(run).data.models}
    missing = [model_title(model) for model in with_place(run.models["name"]) if model not in drawn]
    return f"Models without a map in this run: {plain(', '.join(missing))}." if missing else ""


def _own_picture(run: Run) -> dict[str, Any] | None:
    picture = own_picture.pinned()
    if picture is None:
        return None
    left, right = st.columns([5, 1], vertical_alignment="center")
    data, models = explorer_of(run).data, shown_models(run)
    places, problems = {}, []
    for model in models:
        why_not = own_picture.why_no_place(run, data, model)
        try:
            if not why_not and (place := own_picture.recorded_place(run, model, picture)):
                places[model] = place
            elif not why_not:
                asking.embed_gallery(run, model, own_picture.gallery_samples(data))
                places[model] = own_picture.place_of(run, data, model, picture)
        except ProbingError as error:
            why_not = "the image could not be embedded"
            st.warning(plain(str(error)), icon=":material/error:")
        if why_not:
            problems.append(f"{plain(picture.name)} is not on the map of {plain(model_title(model))}: {why_not}.")
    star = f"The star shows the estimated position of **{plain(picture.name)}** among its nearest neighbors."
    left.markdown(" ".join([star] * bool(places) + problems))
    if right.button("Remove", key="unpin"):
        own_picture.pin(None)
        st.rerun()
    return {"title": picture.name, "places": places} if places else None


def _export(run: Run) -> None:
    models = cache.computed(run, ranked_models)
    default = cache.computed(run, shared_models, tuple(shown_models(run)))
    file = shared_files.file_of(run, tuple(state.stored_choices(EXPORTED, models) or default))
    waits = file.is_being_written
    fragment(_create_and_download, PROGRESS_S if waits else None)(run, models, default, waits)


def _create_and_download(run: Run, models: list[str], default: list[str], waited: bool) -> None:
    with st.popover("Export as one HTML file", icon=":material/attach_file:"):
        st.markdown(
            "The file works offline and opens with your current selection. It contains the ranking of all models, the "
            "claims, and the explorer for the models below."
        )
        selected = state.choice(
            st.multiselect,
            f"Models in the explorer (up to {SHARED_MODELS})",
            EXPORTED,
            default,
            models,
            own_default=True,
            max_selections=SHARED_MODELS,
            format_func=model_title,
        )
        file = shared_files.file_of(run, tuple(selected or default))
        data = explorer_of(run).data
        st.caption(plain(leaving(data, *licenses_of(run, data))))
        if size := file.size:
            # The session state, which contains the selection, is not available during the download.
            content = partial(file.content, selection())
            tables.download_file(
                content, "shared-file", f"Download ({size / 1e6:.0f} MB)", f"{run.name}.html", "text/html"
            )
        elif file.is_being_written:
            st.progress(file.share, f"Adding images: {in_percent(file.share)}" if file.share else "Preparing the file")
        else:
            st.button("Create file", on_click=file.start)
            if file.error:
                st.error(plain(file.error), icon=":material/error:")
    if file.is_being_written != waited:  # only a rerun of the page changes the interval of this fragment
        st.rerun()


show()
