"""One picture -> every model's probabilities, by the deployment probes of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image as pillow

from probing_core.api.loaded import CropPredictor, LoadedModels
from probing_core.compute.live.answer import Prediction
from probing_core.compute.live.tiles import PictureCrops, cut
from probing_core.compute.names import DETECTOR
from probing_core.detector.calibration import LEVEL
from probing_core.detector.detector import Detector
from probing_core.detector.features import prepare
from probing_core.detector.score import has_no_color
from probing_core.detector.verdicts import Judge, Verdict
from probing_core.errors import BadConfig, BadRun, UnknownName
from probing_core.images import as_image
from probing_core.images.conversion import to_image
from probing_core.results.run import Run, open_run
from probing_core.run.layout import DETECTOR_FILE, scored_views_path
from probing_core.run.probes import has_scored_views
from probing_core.transforms.base import Image


class Predictor:
    """Predicts with the models of one run; loads each when it is first needed.

    Args:
        run: an opened `probing_core.Run`, or the directory of one, which is opened; by default the reference run.
        device: as in `load_embedder`.
        precision: as in `load_embedder`.
        level: of verdicts: the share of untouched pictures that may be called altered.

    Raises:
        BadRun: there is no such run, or it has no probes to predict with.
    """

    def __init__(
        self,
        run: Path | str | Run | None = None,
        device: str = "auto",
        precision: str = "auto",
        level: float = LEVEL,
    ) -> None:
        opened = open_run(run)
        self.store, self.recipe, self.level = opened.store, opened.recipe, level
        self._entries = {entry["name"]: entry for entry in opened.entries if entry["name"] in opened.live_models}
        if not self._entries:
            raise BadRun(f"The run '{self.store.root}' has no trained probes yet; `probing run` completes it.")
        self._loaded = LoadedModels(device, precision)
        self._of_crops = CropPredictor(
            self._entries, dict.fromkeys((DETECTOR, *self._entries), self.store), self._loaded
        )
        self._judges: dict[str, Judge] = {}

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models that can predict live."""
        return tuple(self._entries)

    @property
    def has_detector(self) -> bool:
        """Whether the run has a detector of alterations; it answers under the name `DETECTOR`, before all models."""
        return self.store.has(DETECTOR_FILE)

    def predict(
        self,
        images: Sequence[Image],
        *,
        task: str = "fine",
        models: Sequence[str] | None = None,
        names: Sequence[str] | None = None,
    ) -> list[dict[str, Any]]:
        """Return one row an image and model, as ``probing predict --json`` prints them.

        A row has ``image``, ``model``, ``task``, ``crops`` (``direct``: the picture as it is; ``combined``: reduced,
        and as tiles), ``known`` (whether it lies among what the probe has learned from), ``verdict`` (the fields of
        `Verdict`) and ``classes``: a list of ``class``, ``group`` and ``probability``, most probable first, whose
        probabilities sum to 1.

        Args:
            images: of any sizes, (H, W, 3) ``uint8``, or (H, W) if they are gray.
            task: ``fine`` or ``group``.
            models: names; the detector and all models of the run if not given.
            names: of the images; their positions if not given.
        """
        chosen = self._answering(models)
        crops = self.cut(images)
        return self.rows(crops, {model: self.predict_crops(model, crops) for model in chosen}, task, names)

    def cut(self, images: Sequence[Image]) -> list[PictureCrops]:
        """Return of each image what models are given of it: it whole, as a view of the run, and where it is large its
        tiles.
        """
        return [cut(as_image(image), self.recipe.view) for image in images]

    def rows(
        self,
        crops: Sequence[PictureCrops],
        predictions: Mapping[str, Sequence[Prediction]],
        task: str = "fine",
        names: Sequence[str] | None = None,
    ) -> list[dict[str, Any]]:
        """Return the rows of `predict` of images that were cut, by what models predict of them.

        Args:
            crops: one an image (`cut`).
            predictions: model -> its prediction of each (`predict_crops`).
        """
        if task not in ("fine", "group"):
            raise BadConfig(f"Live predictions answer the task 'fine' or 'group'; got '{task}'.")
        rows = []
        for i, picture in enumerate(crops):
            no_color = has_no_color(picture.whole)
            for model, of_model in predictions.items():
                prediction = of_model[i]
                scored = (
                    [(g, g, p) for g, p in prediction.by_group.items()]
                    if task == "group"
                    else list(zip(prediction.classes, prediction.groups, prediction.probabilities, strict=True))
                )
                rows.append(
                    {
                        "image": str(i) if names is None else names[i],
                        "model": model,
                        "task": task,
                        "crops": prediction.kind,
                        "known": prediction.known,
                        "verdict": asdict(self.judge(model).verdict(prediction, no_color)),
                        "classes": [
                            {"class": cls, "group": group, "probability": float(p)}
                            for cls, group, p in sorted(scored, key=lambda row: -row[2])
                        ],
                    }
                )
        return rows

    def predict_crops(self, model: str, crops: Sequence[PictureCrops]) -> list[Prediction]:
        """Return what ``model`` predicts of each picture; all crops are embedded together."""
        return self._of_crops.predict(model, crops)

    def detector(self) -> Detector:
        """Return the run's detector of alterations.

        Raises:
            BadRun: it has none.
        """
        return self._of_crops.detector()

    def prepare(self, model: str) -> None:
        """Load what the first answer of ``model`` would wait for; what is loaded takes no time."""
        self.judge(model)
        if model == DETECTOR:
            self.detector()
            prepare(self.recipe.view, self.recipe.view)
        else:
            self._of_crops.probe(model)
            self._loaded.load(self._entries[model])

    def judge(self, model: str) -> Judge:
        """Return what turns predictions of ``model`` into verdicts."""
        if model not in self._judges:
            path = scored_views_path(model)
            rows = self.store.read_table(path) if has_scored_views(self.store, model) else None
            self._judges[model] = Judge.from_rows(rows, self.level)
        return self._judges[model]

    def verdicts(self, model: str, crops: Sequence[PictureCrops]) -> list[Verdict]:
        """Return the verdict of ``model`` on each picture."""
        judge = self.judge(model)
        predictions = self.predict_crops(model, crops)
        return [
            judge.verdict(prediction, has_no_color(picture.whole))
            for prediction, picture in zip(predictions, crops, strict=True)
        ]

    def fusion_fitted_on(self, model: str) -> int:
        """Return how many pictures the fusion rule was fitted on; 0: it is the starting rule."""
        return self._of_crops.probe(model).fusion.fitted_on

    def _answering(self, models: Sequence[str] | None) -> tuple[str, ...]:
        """Return the detector, where there is one and it was not left out, before the models."""
        models = _several(models)
        named = DETECTOR in (models or ())
        others = tuple(model for model in models or () if model != DETECTOR)
        first = (DETECTOR,) if named or (not models and self.has_detector) else ()
        return (*first, *(self._chosen(others) if others or not named else ()))

    def _chosen(self, models: Sequence[str] | None) -> tuple[str, ...]:
        models = _several(models)
        unknown = [m for m in models or () if m not in self._entries]
        if unknown:
            raise UnknownName(f"The run has no model '{unknown[0]}' to predict with. It has: {', '.join(self.models)}.")
        return tuple(models) if models else self.models


def _several(names: Sequence[str] | None) -> Sequence[str] | None:
    """Return ``names``; a name alone is one name, and not its letters."""
    return (names,) if isinstance(names, str) else names


def predict(
    images: Any,
    run: Path | str | Run | None = None,
    *,
    task: str = "fine",
    models: Sequence[str] | str | None = None,
    names: Sequence[str] | None = None,
    device: str = "auto",
) -> pd.DataFrame:
    """Return what every model of a run predicts was done to pictures, one row a picture and model.

    The models of the last run stay in memory for the next call.

    Args:
        images: one picture or several: arrays (H, W, 3) ``uint8``, pictures of Pillow, tensors (C, H, W) or paths.
        run: an opened run, or the directory of one; the reference run if not given.
        task: ``fine`` or ``group``.
        models: names; the detector and all models of the run if not given.
        names: of the images, in the column ``image``; paths, or positions, if not given.
        device: as in `load_embedder`.

    Returns:
        The rows of ``probing predict --json``: ``image``, ``model``, ``task``, ``crops``, ``known``, ``verdict`` (a
        mapping) and ``classes`` (a list of ``class``, ``group`` and ``probability``, most probable first).

    Raises:
        BadImage: a picture cannot be read.
        BadRun: there is no run, or it has no probes.
        UnknownName: it has no such model.
    """
    single = isinstance(images, str | Path | pillow.Image) or getattr(images, "ndim", 4) < 4
    several = [images] if single else list(images)
    if names is None:
        names = [str(one) if isinstance(one, str | Path) else str(i) for i, one in enumerate(several)]
    pictures = [to_image(one) for one in several]
    predictor = _predictor(open_run(run), device)
    return pd.DataFrame(predictor.predict(pictures, task=task, models=_several(models), names=names))


_last: dict[tuple[Path, str, str], Predictor] = {}
"""What the last call of `predict` has asked, by the run as it was then, and the device."""


def _predictor(run: Run, device: str) -> Predictor:
    key = run.path.resolve(), run.digest, device
    found = _last.get(key)
    if found is None:
        found = Predictor(run, device)
        _last.clear()
        _last[key] = found
    return found
