"""Nearest neighbors of a picture in a run, by embeddings that the run holds, or that are made here of its gallery."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import streamlit as st

from dashboard.data import cache, predictions
from probing_core.compute.lazy_rows import LazyRows
from probing_core.compute.live import PictureCrops
from probing_core.results import Run, retrieval

MAX_EMBEDDED = 1000
"""Largest number of pictures of a gallery that are embedded here, where the run holds no embeddings of them."""

EMBEDDED_AT_ONCE = 32
"""Pictures embedded between two steps."""


class Step(NamedTuple):
    """How far a gallery is.

    Attributes:
        cut: whether all its pictures are cut, and ``done`` counts those that are embedded.
        done, total: numbers of pictures.
    """

    cut: bool
    done: int
    total: int


class Gallery:
    """Embeddings of some samples of a run, for a run that holds none.

    Results are kept, so that no work is lost when a visitor leaves, and two who wait share it.

    Attributes:
        run: cuts the pictures as it did for its own embeddings.
        samples: of the run.
    """

    def __init__(self, run: Run, samples: np.ndarray) -> None:
        self.run, self.samples = run, samples
        self._turn = threading.Lock()
        self._crops: list[PictureCrops] = []
        self._blocks: dict[str, list[np.ndarray]] = {}

    def steps(self, model: str) -> Iterator[Step]:
        """Make the missing embeddings by ``model``, and yield before each part of them.

        Raises:
            PicturesMissing: a picture cannot be made.
        """
        total = len(self.samples)
        while (done := len(self._crops)) < total:
            yield Step(False, done, total)
            with self._turn:
                for sample in self.samples[len(self._crops) :][:EMBEDDED_AT_ONCE]:
                    self._crops.append(PictureCrops(self.run.picture(int(sample))[1]))
        while (done := self._embedded(model)) < total:
            yield Step(True, done, total)
            with self._turn:
                some = self._crops[self._embedded(model) :][:EMBEDDED_AT_ONCE]
                if some:  # else another visitor has made the rest meanwhile
                    found = predictions.predictor_of(self.run).ask(model, some)
                    self._blocks[model].append(np.stack([each.prediction.embedding for each in found]))

    def rows(self, model: str) -> LazyRows:
        """Return the embeddings by ``model`` in the order of ``samples``; what is missing is made; errors as of
        `steps`."""
        for _ in self.steps(model):
            pass
        return LazyRows(tuple(self._blocks[model]))

    def _embedded(self, model: str) -> int:
        return sum(map(len, self._blocks.setdefault(model, [])))


@st.cache_resource(hash_funcs=cache.BY_DIGEST, max_entries=2, show_spinner=False)
def _gallery_of(run: Run) -> Gallery:
    return Gallery(run, cache.computed(run, retrieval.gallery))


def embeds_gallery(run: Run) -> bool:
    """Return whether the run's gallery can be embedded here: its pictures can be made, and are not too many."""
    return len(cache.computed(run, retrieval.gallery)) <= MAX_EMBEDDED and not run.pictures.why_not


def searchable(run: Run, models: Sequence[str]) -> list[str]:
    """Return those of ``models`` that can search the run's gallery for a further picture: by embeddings that the run
    holds, or by such as are made here."""
    live = [model for model in models if model in run.live_models]
    return [model for model in live if run.has_embeddings(model) or embeds_gallery(run)]


def gallery_steps(run: Run, model: str) -> Iterator[Step]:
    """Make what `search_gallery` needs of the gallery, as `Gallery.steps`; nothing where the run holds
    embeddings."""
    return iter(()) if run.has_embeddings(model) else _gallery_of(run).steps(model)


def search_gallery(
    run: Run, before: np.ndarray, after: np.ndarray, model: str, original: str, count: int
) -> retrieval.Near:
    """Return the pictures of the run's gallery that are near to ``after`` by ``model``, in positions in it.

    Args:
        original: id of the image that ``after`` was made from; empty if it is none of the run's, so that ``before``
            joins the gallery.
    """
    samples = cache.computed(run, retrieval.gallery)
    stored = run.lazy_embeddings(model)
    rows = _gallery_of(run).rows(model) if stored is None else stored.at(samples)
    query, clean = predictions.embed(run, model, [PictureCrops(image) for image in (after, before)])
    ids = run.sample_columns("image_id")["image_id"].to_numpy()[samples]
    return retrieval.search(rows, query, count, int(np.flatnonzero(ids == original)[0]) if original else clean)
