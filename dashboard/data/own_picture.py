"""Position of a visitor's image on the maps of a run, estimated from its nearest neighbors."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.data import cache, example_answers, neighbors, predictions
from dashboard.data.pictures import VisitorPicture, computing
from probing_core.compute.lazy_rows import LazyRows
from probing_core.compute.task_names import BY_EMBEDDING
from probing_core.errors import ProbingError
from probing_core.models.hub import no_downloads
from probing_core.results import Run, nearest, place
from probing_core.results.explorer.data import ExplorerData

PHOTOGRAPHS = 20
"""Number of test photographs to which the image is compared, with one sample of each class per photograph."""

NEAREST = 15

PICTURE = "own-picture"
"""Session key of the visitor's image."""


def pin(picture: VisitorPicture | None) -> None:
    """Show ``picture`` on the maps for the rest of the session, or remove the image if ``picture`` is None."""
    st.session_state[PICTURE] = picture


def pinned() -> VisitorPicture | None:
    return st.session_state.get(PICTURE)


def why_no_place(run: Run, data: ExplorerData, model: str) -> str:
    """Return the reason why a visitor's image cannot be placed on the map of ``model``, or an empty string."""
    if run.pictures.why_not and not run.has_embeddings(model):
        return "the images of this run, which are required for the comparison, are not available on this computer"
    if not any(points.name == model and BY_EMBEDDING in points.places for points in data.models):
        return (
            "the run has no map of the full embedding of this model; use the menu above a map to select a different "
            "model"
        )
    if model not in run.live_models:
        return "this model cannot embed new images; use the menu above a map to select a different model"
    return ""


def recorded_place(run: Run, model: str, picture: VisitorPicture) -> tuple[float, float] | None:
    """Return the recorded position of an example image of the reference run, or None for any other image."""
    return example_answers.places(run).get((model, predictions.digest_of(predictions.crops_of(run, picture))))


def place_of(run: Run, data: ExplorerData, model: str, picture: VisitorPicture) -> tuple[float, float]:
    """Estimate the position (x, y) of ``picture`` on the map of the full embedding of ``model``.

    The coordinates have the same units as the maps in ``data``.

    Raises:
        ProbingError: an image of `gallery_samples` is not available, or the model cannot embed the image.
    """
    (query,) = predictions.embed(run, model, [predictions.crops_of(run, picture)])
    return place_in(data, model, neighbors.embeddings(run, model, gallery_samples(data)), query)


def place_in(data: ExplorerData, model: str, gallery: LazyRows, query: np.ndarray) -> tuple[float, float]:
    """Estimate the position (x, y) of an embedding from its nearest neighbors.

    Args:
        data: maps of the run.
        model: name of the model.
        gallery: embeddings of `gallery_samples`.
        query: embedding of the image.
    """
    indices, cosines = nearest(gallery, query, NEAREST)
    (points,) = (
        points_of_model.places[BY_EMBEDDING] for points_of_model in data.models if points_of_model.name == model
    )
    table = pd.DataFrame({"sample": data.sample, "x": points[:, 0], "y": points[:, 1]})
    placed = place(table, gallery_samples(data)[indices], cosines)
    assert placed is not None
    return placed


def prepare_gallery(run: Run, data: ExplorerData, models: Sequence[str]) -> None:
    """Embed the gallery in a thread, so that an image is shown on the maps of ``models`` without delay.

    Errors are shown when the visitor opens the maps.
    """
    able = [model for model in models if not why_no_place(run, data, model) and not run.has_embeddings(model)]
    if able:
        _prepare_gallery(run, tuple(able), gallery_samples(data))


@st.cache_resource(hash_funcs=cache.BY_DIGEST, max_entries=8, show_spinner=False)
def _prepare_gallery(run: Run, models: tuple[str, ...], samples: np.ndarray) -> threading.Thread:
    gallery = neighbors.gallery_of(run, samples)

    def embed() -> None:
        for model in models:
            steps, is_done = gallery.steps(model), False
            with suppress(ProbingError), no_downloads():
                while not is_done:
                    with computing:  # visitors who request an answer wait for at most one batch
                        is_done = next(steps, None) is None

    # Not a daemon thread, because the process would crash if it ended during the import of PyTorch.
    thread = threading.Thread(target=embed, name="gallery")
    thread.start()
    return thread


def gallery_samples(data: ExplorerData) -> np.ndarray:
    """Return one sample of each class for each of `PHOTOGRAPHS` evenly spaced test photographs."""
    points = np.arange(data.tested)
    photograph = data.photographs[data.crop]
    names = np.unique(photograph)
    chosen = names[np.unique(np.linspace(0, len(names) - 1, PHOTOGRAPHS).round().astype(int))]
    points = points[np.isin(photograph, chosen)]
    pairs = np.stack([photograph[points], data.truth[points]], axis=1)
    return np.sort(data.sample[points[np.unique(pairs, axis=0, return_index=True)[1]]])
