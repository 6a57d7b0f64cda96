"""The models of a run, loaded to embed more pictures as they did when they joined it."""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from probing_core.compute import parallel
from probing_core.errors import BadRun
from probing_core.models import load_embedder
from probing_core.models.base import LoadedEmbedder
from probing_core.run.models import HOW_TO_RESTORE, differences
from probing_core.run.store import without_none
from probing_core.transforms.base import Image


class LoadedModels:
    """Loads each model when it is first needed, and closes the one that was used longest ago where memory is short.

    Several threads may ask: each model has its own lock, so that one that is being loaded holds up no other.

    Args:
        device, precision: as in `load_embedder`.
    """

    def __init__(self, device: str = "auto", precision: str = "auto") -> None:
        self._device, self._precision = device, precision
        self._loaded: OrderedDict[str, LoadedEmbedder] = OrderedDict()
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._changing = threading.Lock()  # of the two above; never held while a model is loaded

    def embed(self, entry: Mapping[str, Any], pictures: Sequence[Image]) -> np.ndarray:
        """Return embeddings (N, D) of ``pictures`` by the model of ``entry``; errors as of `load`."""
        with self._lock(entry["request"]):
            return np.asarray(self._load(entry).embed_layers(pictures)[entry["name"]])

    def load(self, entry: Mapping[str, Any]) -> None:
        """Load the model of ``entry``, its ``model.toml``.

        Raises:
            BadRun: its embeddings mean something else now.
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
        embedder = load_embedder(request, device=self._device, precision=self._precision)
        meant, _ = differences(entry["recipe"], without_none(embedder.recipes()[name]))
        if meant:
            embedder.close()
            raise BadRun(
                f"'{name}' is not what it was when its probe was trained ({', '.join(meant)} differ); {HOW_TO_RESTORE}."
            )
        embedder.keep_embedding()
        with self._changing:
            self._loaded[request] = embedder
        return embedder

    def _make_room(self) -> None:
        """Close the models that were used longest ago and embed nothing now, as long as memory is short."""
        while parallel.is_taken(parallel.MEMORY_OF_LIVE_MODELS):
            with self._changing:
                idle = next((name for name in self._loaded if self._locks[name].acquire(blocking=False)), None)
                if idle is None:
                    return
                oldest = self._loaded.pop(idle)
            try:
                oldest.close()
            finally:
                self._locks[idle].release()
