"""The models of a run, loaded to embed further pictures as they did when they joined it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from probing_core.compute import memory
from probing_core.embedders import load_embedder
from probing_core.embedders.base import LoadedEmbedder
from probing_core.errors import BadRun
from probing_core.runs.models import HOW_TO_RESTORE, differences
from probing_core.runs.store import without_none
from probing_core.transforms.base import Image


class LoadedModels:
    """Loads each model when it is first needed, and closes the one that was used longest ago where memory is short.

    Args:
        device, precision: as in `load_embedder`.
    """

    def __init__(self, device: str = "auto", precision: str = "auto") -> None:
        self._device, self._precision = device, precision
        self._loaded: OrderedDict[str, LoadedEmbedder] = OrderedDict()

    def has(self, entry: Mapping[str, Any]) -> bool:
        """Return whether the model of ``entry`` (its ``model.toml``) is loaded."""
        return entry["request"] in self._loaded

    def embed(self, entry: Mapping[str, Any], pictures: Sequence[Image]) -> np.ndarray:
        """Return embeddings (N, D) of ``pictures`` by the model of ``entry``; errors as of `load`."""
        return np.asarray(self.load(entry).embed_layers(pictures)[entry["name"]])

    def load(self, entry: Mapping[str, Any]) -> LoadedEmbedder:
        """Return the model of ``entry``.

        Raises:
            BadRun: its embeddings mean something else now.
        """
        name, request = entry["name"], entry["request"]
        if request in self._loaded:
            self._loaded.move_to_end(request)
            return self._loaded[request]
        while self._loaded and memory.is_taken(memory.LIVE_MODELS):
            self._loaded.popitem(last=False)[1].close()
        embedder = load_embedder(request, device=self._device, precision=self._precision)
        meant, _ = differences(entry["recipe"], without_none(embedder.recipes()[name]))
        if meant:
            embedder.close()
            raise BadRun(
                f"'{name}' is not what it was when its probe was trained ({', '.join(meant)} differ); {HOW_TO_RESTORE}."
            )
        self._loaded[request] = embedder
        return embedder
