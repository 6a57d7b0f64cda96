"""The models of a run and its detector, loaded to predict of further pictures as they did when they joined it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from probing_core.compute import memory
from probing_core.compute.live.answer import LiveProbe, Prediction
from probing_core.compute.live.tiles import PictureCrops
from probing_core.compute.names import DETECTOR
from probing_core.detector.detecting import detect
from probing_core.detector.detector import Detector
from probing_core.errors import BadRun
from probing_core.models import load_embedder
from probing_core.models.base import LoadedEmbedder
from probing_core.run.layout import DETECTOR_FILE
from probing_core.run.models import HOW_TO_RESTORE, differences
from probing_core.run.probes import read_live_probe
from probing_core.run.store import Files, without_none
from probing_core.transforms.base import Image


class LoadedModels:
    """Loads each model when it is first needed, and closes the one that was used longest ago where memory is short.

    Args:
        device, precision: as in `load_embedder`.
    """

    def __init__(self, device: str = "auto", precision: str = "auto") -> None:
        self._device, self._precision = device, precision
        self._loaded: OrderedDict[str, LoadedEmbedder] = OrderedDict()

    def embed(self, entry: Mapping[str, Any], pictures: Sequence[Image]) -> np.ndarray:
        """Return embeddings (N, D) of ``pictures`` by the model of ``entry``; errors as of `load`."""
        return np.asarray(self.load(entry).embed_layers(pictures)[entry["name"]])

    def load(self, entry: Mapping[str, Any]) -> LoadedEmbedder:
        """Return the model of ``entry``, its ``model.toml``.

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


class CropPredictor:
    """Predicts of crops of pictures; reads each probe, and the detector, when it is first asked.

    Args:
        entries: name of a model -> its ``model.toml``.
        files: name of a model, or `DETECTOR` -> the files that it is read from.
        models: that embed the crops.
        novelty: whether the novelty of pictures is read, by which they are known or strange; scores need none.
    """

    def __init__(
        self,
        entries: Mapping[str, Mapping[str, Any]],
        files: Mapping[str, Files],
        models: LoadedModels,
        novelty: bool = True,
    ) -> None:
        self._entries, self._files, self._models, self._novelty = entries, files, models, novelty
        self._probes: dict[str, LiveProbe] = {}
        self._detector: Detector | None = None

    def predict(self, model: str, crops: Sequence[PictureCrops]) -> list[Prediction]:
        """Return what ``model``, or the detector, predicts of each picture; all crops are embedded together."""
        if model == DETECTOR:
            return detect(self.detector(), crops)
        probe = self.probe(model)
        pictures = [crop for picture in crops for crop in picture.pictures]
        return probe.predict(model, self._models.embed(self._entries[model], pictures), crops)

    def probe(self, model: str) -> LiveProbe:
        """Return what ``model`` predicts with."""
        if model not in self._probes:
            self._probes[model] = read_live_probe(self._files[model], model, self._novelty)
        return self._probes[model]

    def detector(self) -> Detector:
        """Return the detector of alterations.

        Raises:
            BadRun: the run has none.
        """
        if self._detector is None:
            files = self._files[DETECTOR]
            if not files.has(DETECTOR_FILE):
                raise BadRun(
                    f"The run '{files.root}' has no detector of alterations; runs that are made with "
                    f"--calibrate-on CORPUS have one."
                )
            self._detector = Detector.from_bytes(files.read_bytes(DETECTOR_FILE))
        return self._detector
