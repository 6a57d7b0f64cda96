"""Image search in the gallery of a run, with stored or newly computed embeddings."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import numpy as np
import streamlit as st

from dashboard.data import cache, predictions
from dashboard.data.previews import versions
from probing_core.answers.crops import Crops
from probing_core.compute.lazy_rows import LazyRows
from probing_core.results import Run, retrieval
from probing_core.transforms import prepare_source, resolve

MAX_EMBEDDED = 1000
"""Maximum number of gallery images that the dashboard embeds if the run does not contain embeddings."""

EMBEDDED_AT_ONCE = 32
"""Number of images embedded per batch."""


class Gallery:
    """Newly computed embeddings of selected samples, for runs that do not contain embeddings.

    The embeddings are shared by all visitors and are kept when a visitor leaves.

    Attributes:
        run: run that provides the images.
        samples: numbers of the samples.
    """

    def __init__(self, run: Run, samples: np.ndarray) -> None:
        self.run, self.samples = run, samples
        self._turn = threading.Lock()
        self._crops: list[Crops] = []
        self._blocks: dict[str, list[np.ndarray]] = {}

    def steps(self, model: str) -> Iterator[tuple[int, int]]:
        """Compute the missing embeddings of ``model`` in batches.

        Yields:
            Number of completed samples and total number of samples, before each batch.

        Raises:
            ProbingError: an image or the model is not available.
        """
        while (count := self._embedded(model)) < len(self.samples):
            yield count, len(self.samples)
            with self._turn:
                start = self._embedded(model)  # another visitor may have computed embeddings in the meantime
                stop = start + EMBEDDED_AT_ONCE
                for sample in self.samples[len(self._crops) : stop]:
                    self._crops.append(Crops(self.run.picture(int(sample))[1]))
                if some := self._crops[start:stop]:
                    answers = predictions.predictor_of(self.run).ask(model, some)
                    self._blocks[model].append(np.stack([answer.prediction.embedding for answer in answers]))

    def rows(self, model: str) -> LazyRows:
        """Return the embeddings of ``model`` in the order of ``samples``. Missing embeddings are computed first.

        Raises:
            ProbingError: an image or the model is not available.
        """
        for _ in self.steps(model):
            pass
        return LazyRows(tuple(self._blocks[model]))

    def _embedded(self, model: str) -> int:
        return sum(map(len, self._blocks.setdefault(model, [])))


@st.cache_resource(hash_funcs=cache.BY_DIGEST, max_entries=4, show_spinner=False)
def gallery_of(run: Run, samples: np.ndarray) -> Gallery:
    return Gallery(run, samples)


def embeddings(run: Run, model: str, samples: np.ndarray) -> LazyRows:
    """Return the embeddings of samples, either stored in the run or computed by `Gallery.rows`."""
    stored = run.lazy_embeddings(model)
    return gallery_of(run, samples).rows(model) if stored is None else stored.at(samples)


def gallery_steps(run: Run, model: str, samples: np.ndarray) -> Iterator[tuple[int, int]]:
    """Compute missing embeddings in batches (see `Gallery.steps`), unless the run contains embeddings."""
    return iter(()) if run.has_embeddings(model) else gallery_of(run, samples).steps(model)


def gallery(run: Run) -> np.ndarray:
    """Return the samples that form the gallery of a search (see `retrieval.gallery`)."""
    return cache.computed(run, retrieval.gallery)


def searchable(run: Run, models: Sequence[str]) -> list[str]:
    """Return the ``models`` that can search the gallery of the run.

    A model can search the gallery if it can embed new images and its embeddings of the gallery are stored in the run or
    can be computed. They can be computed if the images are available and the gallery has at most `MAX_EMBEDDED` images.
    """
    makes = len(gallery(run)) <= MAX_EMBEDDED and not run.pictures.why_not
    return [model for model in models if model in run.live_models and (makes or run.has_embeddings(model))]


EXAMPLES = 12
"""Number of images that `telling_example` compares."""


def ranks(run: Run, before: np.ndarray, after: Sequence[np.ndarray], model: str, original: str) -> list[int]:
    """Return the rank of the original according to ``model`` for each image in ``after`` (see `search_gallery`)."""
    rows = embeddings(run, model, gallery(run))
    *queries, clean = predictions.embed(run, model, [Crops(image) for image in (*after, before)])
    position = _place_of(run, original) if original else clean
    return [retrieval.search(rows, query, 1, position).place for query in queries]


def telling_example(run: Run, models: tuple[str, ...], transform: str, ids: tuple[str, ...]) -> str:
    """Return the ID of the image with the largest ratio between the ranks of the original for two models.

    The images are transformed at the initial strength of the slider.

    Args:
        models: names of the two models.
        transform: name of the transformation.
        ids: IDs of the images to compare.

    Raises:
        ProbingError: an image is not available, or a model cannot embed it.
    """
    view, change = run.recipe.view, resolve(transform)
    strength = change.strength_at(0.5)
    pairs = [versions(prepare_source(run.pictures.source(image_id), view), view, change, strength) for image_id in ids]
    places = []
    for model in models:
        rows = embeddings(run, model, gallery(run))
        queries = predictions.embed(run, model, [Crops(after) for _, after in pairs])
        by_image = zip(queries, ids, strict=True)
        places.append(
            [retrieval.search(rows, query, 1, _place_of(run, image_id)).place for query, image_id in by_image]
        )
    first, second = np.log(places)
    return ids[int(np.abs(first - second).argmax())]


def _place_of(run: Run, image_id: str) -> int:
    ids = run.sample_columns("image_id")["image_id"].to_numpy()[gallery(run)]
    return int(np.flatnonzero(ids == image_id)[0])


def search_gallery(
    run: Run, before: np.ndarray, after: np.ndarray, model: str, original: str, count: int
) -> retrieval.Near:
    """Search the gallery of the run for the images that are most similar to ``after`` according to ``model``.

    Args:
        before: image without the transformation.
        after: transformed image.
        original: ID of the original in the run. If it is empty, ``before`` is added to the gallery.
        count: number of images to return.
    """
    rows = embeddings(run, model, gallery(run))
    query, clean = predictions.embed(run, model, [Crops(image) for image in (after, before)])
    return retrieval.search(rows, query, count, _place_of(run, original) if original else clean)
