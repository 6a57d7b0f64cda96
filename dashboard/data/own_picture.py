"""A picture of a visitor on the maps of a run: placed between the nearest pictures of a few photographs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.data import neighbors, predictions
from dashboard.data.pictures import VisitorPicture
from probing_core.compute.names import EVERYTHING
from probing_core.results import Run, nearest, place
from probing_core.results.explorer.data import ExplorerData

PHOTOGRAPHS = 20
"""Tested photographs whose pictures, one of each class, are compared with it."""

NEAREST = 15

PICTURE = "own-picture"
"""Name in the session under which the picture is kept."""


def pin(picture: VisitorPicture | None) -> None:
    """Show ``picture`` on the maps for the rest of the visit; None removes it."""
    st.session_state[PICTURE] = picture


def pinned() -> VisitorPicture | None:
    return st.session_state.get(PICTURE)


def why_no_place(run: Run, data: ExplorerData, model: str) -> str:
    """Return why no other picture can be placed on the map of ``model``; empty where one can."""
    if run.pictures.why_not and not run.has_embeddings(model):
        return "the pictures of this run, which it would be compared with, are not on this machine"
    if not any(one.name == model and EVERYTHING in one.places for one in data.models):
        return "the run has no map by everything of this model; choose another one above a map"
    if model not in run.live_models:
        return "this model of the run cannot embed further pictures; choose another one above a map"
    return ""


def place_of(run: Run, data: ExplorerData, model: str, picture: VisitorPicture) -> tuple[float, float]:
    """Return the place of ``picture`` on the map of ``model`` by everything, in the units of ``data``.

    Raises:
        ProbingError: a picture of `gallery_samples` cannot be made, or the model cannot be asked.
    """
    samples = gallery_samples(data)
    (query,) = predictions.embed(run, model, [predictions.crops_of(run, picture)])
    found, cosines = nearest(neighbors.embeddings(run, model, samples), query, NEAREST)
    (points,) = (one.places[EVERYTHING] for one in data.models if one.name == model)
    table = pd.DataFrame({"sample": data.sample, "x": points[:, 0], "y": points[:, 1]})
    placed = place(table, samples[found], cosines)
    assert placed is not None
    return placed


def gallery_samples(data: ExplorerData) -> np.ndarray:
    """Return one sample of each class of `PHOTOGRAPHS` tested photographs, evenly spaced."""
    points = np.arange(data.tested)
    photograph = data.photographs[data.photo]
    names = np.unique(photograph)
    chosen = names[np.unique(np.linspace(0, len(names) - 1, PHOTOGRAPHS).round().astype(int))]
    points = points[np.isin(photograph, chosen)]
    pairs = np.stack([photograph[points], data.truth[points]], axis=1)
    return np.sort(data.sample[points[np.unique(pairs, axis=0, return_index=True)[1]]])
