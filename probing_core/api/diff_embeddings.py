"""Effect of an edit on embeddings: distances, retrieval of originals, and duplicate detection."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import cv2
import numpy as np
from platformdirs import user_cache_path

from probing_core.corpora import open_corpus
from probing_core.corpora.corpus import Corpus
from probing_core.errors import BadConfig, BadCorpus
from probing_core.images import Image
from probing_core.measures.neighbors import UNRELATED, directions, ranks, threshold, unrelated_pairs
from probing_core.measures.notation import model_titles
from probing_core.measures.statistics import Interval, interval, mean
from probing_core.models import expand, load_embedder
from probing_core.models.embedder import LoadedEmbedder
from probing_core.run.files import write_atomically
from probing_core.run.progress import Progress
from probing_core.run.run_files import digest

HASHES = ("baseline/phash", "baseline/dhash")
"""Image hashes, which are compared in addition to the models."""

REFERENCE_PHOTOGRAPHS = 200
"""Number of reference photographs with which images are compared, in addition to the user's images."""

LARGEST_SIDE = 512
"""Shorter side in pixels to which larger images are reduced before they are embedded."""

MAX_COMPARED = 1000
"""Maximum number of originals among which distances are measured."""


@dataclass(frozen=True)
class ModelEffect:
    """Effect of the edit on the embeddings of one model.

    Attributes:
        shift: mean distance between the two embeddings of a pair, in units of the median distance between photographs.
        found: fraction of edited images whose nearest neighbor among all originals and the reference photographs is
            their original.
        recall: fraction of edited images whose similarity to their original exceeds the threshold at a false-positive
            rate of `probing_core.measures.neighbors.UNRELATED`.
        threshold: this threshold, a cosine similarity.
        gallery: number of originals and reference photographs.
        shifts: shift of each pair.
    """

    model: str
    title: str
    shift: Interval
    found: Interval
    recall: Interval
    threshold: float
    gallery: int
    shifts: np.ndarray


def reduced(image: Image) -> Image:
    """Reduce a large image, so that many images fit into memory until they are embedded."""
    scale = LARGEST_SIDE / min(image.shape[:2])
    if scale >= 1:
        return image
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def load_encoders(
    models: Sequence[str | LoadedEmbedder], device: str, precision: str, progress: Progress
) -> dict[str, LoadedEmbedder]:
    """Load models and the image hashes.

    Args:
        models: names of models, or loaded models.

    Raises:
        BadConfig: a model cannot embed images.
    """
    models = [models] if isinstance(models, str) else list(models)
    for model in models:
        if not isinstance(model, str | LoadedEmbedder):
            raise BadConfig(f"models must contain names or loaded models; got {type(model).__name__}.")
    names = expand([model for model in models if isinstance(model, str)])
    wanted: dict[str, str | LoadedEmbedder] = {model.name: model for model in models if not isinstance(model, str)}
    wanted |= {name: name for name in (*names, *HASHES)}
    encoders: dict[str, LoadedEmbedder] = {}
    for i, (name, model) in enumerate(wanted.items()):
        progress.update("load", i, len(wanted), f"Loading {name}")
        loaded = load_embedder(model, device=device, precision=precision) if isinstance(model, str) else model
        if not loaded.embeds_pictures:
            raise BadConfig(f"'{name}' contains embeddings of samples. Name a model that embeds images.")
        encoders[name] = loaded
    return encoders


class Encoders:
    """Loaded models, and the embeddings of all pairs so far.

    Args:
        models: names of models, or loaded models. Image hashes are added.
    """

    def __init__(self, models: Sequence[str | LoadedEmbedder], device: str, precision: str, progress: Progress) -> None:
        self.loaded = load_encoders(models, device, precision, progress)
        self._before: dict[str, list[np.ndarray]] = defaultdict(list)
        self._after: dict[str, list[np.ndarray]] = defaultdict(list)

    def add(self, befores: Sequence[Image], afters: Sequence[Image]) -> None:
        """Embed further pairs."""
        if not befores:
            return
        for name, model in self.loaded.items():
            self._before[name].append(model.embed(list(befores)))
            self._after[name].append(model.embed(list(afters)))

    def effects(self, progress: Progress) -> tuple[ModelEffect, ...]:
        """Measure the effect on each model. The models come first, then the image hashes."""
        if not self._before:
            return ()
        titles, effects = model_titles(self.loaded), []
        reference = Reference()
        for i, (name, model) in enumerate(self.loaded.items()):
            progress.update("reference", i, len(self.loaded), "Embedding reference photographs")
            before, after = (np.concatenate(parts[name]) for parts in (self._before, self._after))
            effects.append(_effect(name, titles[name], before, after, reference_embeddings(model, reference)))
        progress.update("reference", len(self.loaded), len(self.loaded), "Embedding reference photographs")
        return tuple(effects)


def _effect(name: str, title: str, before: np.ndarray, after: np.ndarray, reference: np.ndarray) -> ModelEffect:
    count = len(before)
    everything = directions(np.concatenate([before, after, reference]))
    before, after, reference = np.split(everything, [count, 2 * count])
    compared = np.concatenate([before[:MAX_COMPARED], reference])
    gallery = np.concatenate([before, reference])
    photographs = _photographs(before, reference)
    shifts = np.linalg.norm(after - before, axis=1) / max(1e-9, _median_distance(compared))
    ahead = ranks(after, before, [gallery], photographs[:count], photographs)
    of_compared = np.concatenate([photographs[: len(compared) - len(reference)], photographs[count:]])
    at = threshold(unrelated_pairs(compared, of_compared, UNRELATED), UNRELATED).value
    kept = np.einsum("ij,ij->i", before, after) > at
    clusters = np.arange(count)
    return ModelEffect(
        model=name,
        title=title,
        shift=interval(mean(shifts, clusters)),
        found=interval(mean(ahead < 1, clusters), low=0, high=1),
        recall=interval(mean(kept, clusters), low=0, high=1),
        threshold=at,
        gallery=len(gallery),
        shifts=shifts,
    )


SAME_PHOTOGRAPH = 0.9999
"""Cosine similarity from which a reference photograph is the same as one of the user's images."""


def _photographs(before: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return the photograph of each original and each reference photograph, as a number."""
    cosines = reference @ before.T
    nearest = cosines.argmax(axis=1)
    is_same = cosines[np.arange(len(reference)), nearest] >= SAME_PHOTOGRAPH
    own = len(before) + np.arange(len(reference))
    return np.concatenate([np.arange(len(before)), np.where(is_same, nearest, own)])


def _median_distance(vectors: np.ndarray) -> float:
    cosines = (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]
    return float(np.sqrt(2 - 2 * np.clip(np.median(cosines), -1, 1)))


class Reference:
    """Photographs with which the user's images are compared: those of the reference run, or the packaged photographs.

    They are only decoded if a model has not embedded them before.
    """

    def __init__(self) -> None:
        corpus = _reference_corpus()
        self.ids = _reference_ids(corpus)
        self.key = [corpus.fingerprint, *self.ids]
        self._corpus = corpus

    @cached_property
    def images(self) -> list[Image]:
        return [self._corpus.load(image_id) for image_id in self.ids]


def reference_embeddings(model: LoadedEmbedder, reference: Reference) -> np.ndarray:
    """Return the embeddings (P, D) of the reference photographs. They are stored in the user's cache folder."""
    path = _cached(model, reference.key)
    try:
        vectors = np.load(path, allow_pickle=False)
    except (OSError, ValueError):
        vectors = None
    if vectors is None or vectors.ndim != 2 or len(vectors) != len(reference.ids):
        vectors = model.embed(reference.images)
        write_atomically(path, _npy(vectors))
    return vectors


@cache
def _reference_corpus() -> Corpus:
    try:
        return open_corpus("reference")
    except BadCorpus:
        return open_corpus("photos")


def _reference_ids(corpus: Corpus) -> list[str]:
    rows = corpus.rows.drop_duplicates("base_id")
    if (rows["split"] == "test").sum() >= REFERENCE_PHOTOGRAPHS:
        rows = rows[rows["split"] == "test"]
    return list(rows["image_id"].iloc[:: max(1, len(rows) // REFERENCE_PHOTOGRAPHS)][:REFERENCE_PHOTOGRAPHS])


def _cached(model: LoadedEmbedder, key: list[str]) -> Path:
    name = digest([model.name, model.recipe(), model.precision, *key])
    return user_cache_path("probing-core", appauthor=False) / "diff" / f"{name}.npy"


def _npy(vectors: np.ndarray) -> bytes:
    import io

    buffer = io.BytesIO()
    np.save(buffer, vectors, allow_pickle=False)
    return buffer.getvalue()
