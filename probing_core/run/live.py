"""Read the probes and the calibration of a run, and load its models, for predictions on new images."""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from probing_core.answers.answer import Posterior
from probing_core.answers.calibration import model_posteriors
from probing_core.answers.crops import DIRECT
from probing_core.answers.reference_sets import ReferenceSets
from probing_core.compute.task_names import DEPLOYMENT, DETECTOR, NOTICING
from probing_core.errors import BadRun
from probing_core.models import load_embedder, processor
from probing_core.models.compiled import for_one_caller
from probing_core.models.embedder import LoadedEmbedder
from probing_core.probes.probe import LinearProbe
from probing_core.run.files import read_object
from probing_core.run.layout import DETECTOR_FILE, probe_path, scored_views_path
from probing_core.run.models import HOW_TO_RESTORE, differences, without_none
from probing_core.run.run_files import RunFiles
from probing_core.transforms.transformation import Image


def read_probe(store: RunFiles, model: str, task: str) -> LinearProbe:
    """Read a linear probe of a run.

    Raises:
        BadRun: the run has no probe for this model and task.
    """
    name = probe_path(model, task)
    if not store.has(name):
        raise BadRun(
            f"The run has no '{task}' probe for '{model}'. Complete the run first.", hint="Run `probing run --out DIR`."
        )
    return read_object(store.path(name), LinearProbe.from_bytes, name)


def read_posteriors(store: RunFiles, model: str) -> Mapping[str, Posterior]:
    """Return the posteriors that convert edit scores of ``model`` to probabilities, by kind of image.

    A posterior is fitted on the ``--calibrate-on`` photographs for each kind of image with enough scores. For crops,
    the posterior from training (`read_fitted_posterior`) is used if there are not enough scores.
    """
    fitted = read_fitted_posterior(store, model)
    posteriors = {} if fitted is None else {DIRECT: fitted}
    if has_scored_views(store, model):
        posteriors |= model_posteriors(store.read_table(scored_views_path(model)))
    return posteriors


def read_fitted_posterior(store: RunFiles, model: str) -> Posterior | None:
    """Read the posterior that was fitted during training.

    Returns None if the run does not include it, as in the shipped reference run for additional seeds of the zoo.
    """
    name = probe_path(model, NOTICING)
    return read_object(store.path(name), Posterior.from_bytes, name) if store.has(name) else None


def read_reference_sets(store: RunFiles) -> ReferenceSets:
    """Read the detector scores of clean photographs, with which the scores of new images are compared.

    There are no reference sets if the run has no detector.
    """
    has = has_scored_views(store, DETECTOR)
    return ReferenceSets.from_rows(store.read_table(scored_views_path(DETECTOR)) if has else None)


def has_scored_views(store: RunFiles, model: str) -> bool:
    """Return whether the run has scores that were computed with the current probe of ``model`` or the current detector.

    Scores from a different probe would give an incorrect calibration. Such scores remain if a run is interrupted before
    it recomputes them, or if it was copied from a run with a different probe.
    """
    path = scored_views_path(model)
    if not store.has(path):
        return False
    maker, views = (
        store.step_of(DETECTOR_FILE if model == DETECTOR else probe_path(model, DEPLOYMENT)),
        store.step_of(path),
    )
    if maker is None or views is None:
        return False
    return store.records[views].inputs.get(maker) in (None, store.key(maker))


class LoadedModels:
    """Cache of loaded models.

    A model is loaded when it is first needed. The least recently used models are closed when memory runs low. Threads
    can share a cache: each model has its own lock, so loading one model does not block the others.
    """

    def __init__(self, device: str = "auto", precision: str = "auto") -> None:
        self._device, self._precision = device, precision
        self._loaded: OrderedDict[str, LoadedEmbedder] = OrderedDict()
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._changing = threading.Lock()  # for the two attributes above; never held while a model is loaded

    def embed(self, entry: Mapping[str, Any], pictures: Sequence[Image]) -> np.ndarray:
        """Embed ``pictures`` with the model described by ``entry`` (the content of its ``model.toml``).

        Returns:
            (N, D) embeddings.

        Raises:
            BadRun: the embeddings of the model have changed since its probe was trained.
        """
        with self._lock(entry["request"]):
            return np.asarray(self._load(entry).embed_layers(pictures)[entry["name"]])

    def load(self, entry: Mapping[str, Any]) -> None:
        """Load the model described by ``entry`` (the content of its ``model.toml``).

        Raises:
            BadRun: the embeddings of the model have changed since its probe was trained.
        """
        with self._lock(entry["request"]):
            self._load(entry)

    def _lock(self, request: str) -> threading.Lock:
        with self._changing:
            return self._locks[request]

    def _load(self, entry: Mapping[str, Any]) -> LoadedEmbedder:
        name, request = entry["name"], entry["request"]
        with self._changing:
            if request in self._loaded:
                self._loaded.move_to_end(request)
                return self._loaded[request]
        self._make_room()
        with for_one_caller():  # each model has a lock
            embedder = load_embedder(request, device=self._device, precision=self._precision)
        meant, _ = differences(entry["recipe"], without_none(embedder.recipes()[name]))
        if meant:
            embedder.close()
            raise BadRun(
                f"'{name}' has changed since its probe was trained (changed: {', '.join(meant)}). {HOW_TO_RESTORE}."
            )
        embedder.keep_embedding()
        with self._changing:
            self._loaded[request] = embedder
        return embedder

    def _make_room(self) -> None:
        """Close the least recently used idle models until enough memory is available."""
        while processor.is_taken(processor.MEMORY_OF_LIVE_MODELS):
            with self._changing:
                idle = next((name for name in self._loaded if self._locks[name].acquire(blocking=False)), None)
                if idle is None:
                    return
                oldest = self._loaded.pop(idle)
            try:
                oldest.close()
            finally:
                self._locks[idle].release()
