"""How much a map tells: what the nearest neighbors on it, and in the embedding, have in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from dashboard.data import cache
from dashboard.text import plain
from probing_core.compute.readings import nearest_embeddings, nearest_points, read_as, shares_among
from probing_core.measures.notation import in_percent
from probing_core.results import Run

NEIGHBORS = 10
QUERIES = 500
"""Pictures whose neighbors are looked at, drawn at random; shares are within 2 points of those of all."""

MAX_SAMPLES = 50_000
"""Samples of a run whose embeddings are read for this; of more it would take seconds."""

LABELS = {"transform": "transformation", "base_id": "photograph"}
"""Columns of samples, and what they are called."""


def show(run: Run, models: Sequence[str], reading: str) -> None:
    """Show for each of ``models``, which have a map in this reading, what neighbors have in common."""
    for model in models:
        on_map = _in_words(cache.computed(run, on_maps, model, reading))
        words = f"Of the {NEIGHBORS} nearest on the map of {plain(model)}, {on_map}"
        if run.has_embeddings(model) and run.sample_count <= MAX_SAMPLES:
            found = _in_words(cache.computed(run, in_embeddings, model, reading))
            words += f"; of the {NEIGHBORS} nearest in its embedding, {found}"
        st.caption(f"{words}.")


def _in_words(shares: dict[str, float]) -> str:
    return " and ".join(f"{in_percent(share)} {_kind(name)}" for name, share in shares.items())


def _kind(name: str) -> str:
    return "have the same transformation" if name == "transform" else "are of the same photograph"


def on_maps(run: Run, model: str, reading: str) -> dict[str, float]:
    """Return for each of `LABELS` the share of neighbors on the map that have the label of a picture."""
    placed = cache.existing_map(run, model, reading)
    queries = _queries(len(placed))
    near = nearest_points(placed[["x", "y"]].to_numpy(), queries, NEIGHBORS)
    return shares_among(near, queries, _labels(run, placed["sample"].to_numpy()))


def in_embeddings(run: Run, model: str, reading: str) -> dict[str, float]:
    """Return the same of neighbors in the embedding, of which the run must have embeddings."""
    lazy = run.lazy_embeddings(model)
    assert lazy is not None
    X = read_as(lazy, run.sample_columns("image_id", "transform"), reading)[:]
    queries = _queries(len(X))
    return shares_among(nearest_embeddings(X, queries, NEIGHBORS), queries, _labels(run, np.arange(len(X))))


def _queries(count: int) -> np.ndarray:
    return np.random.default_rng(0).choice(count, min(QUERIES, count), replace=False)


def _labels(run: Run, samples: np.ndarray) -> dict[str, np.ndarray]:
    columns = run.sample_columns(*LABELS)
    return {name: columns[name].cat.codes.to_numpy()[samples] for name in LABELS}
