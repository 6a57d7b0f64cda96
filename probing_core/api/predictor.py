"""One picture -> every model's answer, by the deployment probes of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd
from cachetools import LRUCache, cached
from PIL import Image as pillow

from probing_core.compute.live import (
    PRIOR,
    Noticing,
    PictureCrops,
    Prediction,
    alteration_score,
    cut,
    if_altered,
    log_of,
    noticing_at,
    predictions_of,
    require_prior,
    word,
)
from probing_core.compute.names import DEPLOYMENT, DETECTOR
from probing_core.detector.detector import Detector, detect, has_no_color
from probing_core.detector.features import prepare
from probing_core.detector.verdicts import LEVEL, Judge, Verdict
from probing_core.errors import BadRun, UnknownName
from probing_core.images import as_image, to_image
from probing_core.results.run import Run, open_run
from probing_core.run.layout import DETECTOR_FILE, scored_views_path
from probing_core.run.live import LoadedModels, has_scored_views, read_noticing, read_probe
from probing_core.transforms import resolve
from probing_core.transforms.base import Image


@dataclass(frozen=True, eq=False)
class Answer:
    """What one model answers about one picture: whether it was altered, and if so, how.

    The prior, the share of altered pictures among such pictures, is an argument: another prior needs no new forward
    pass.

    Attributes:
        prediction: the probabilities behind the answer.
        noticing: how the model's score becomes the probability that the picture was altered.
        verdict: of the detector alone, whose rate of false alarms is guaranteed.
    """

    prediction: Prediction
    noticing: Noticing
    verdict: Verdict | None = None

    def altered(self, prior: float = PRIOR) -> float:
        """Return the probability that the picture was altered."""
        if self.verdict is not None:
            return self.verdict.altered(prior)
        logs = log_of(self.prediction.probabilities)
        return float(self.noticing.altered(alteration_score(logs[None], self.prediction.groups), prior)[0])

    def answer(self, prior: float = PRIOR) -> str:
        """Return one of the five words: altered, rather altered, cannot tell, rather untouched, untouched."""
        return word(self.altered(prior)) if self.verdict is None else self.verdict.answer(prior)

    def classes(self) -> list[dict[str, Any]]:
        """Return what was done if the picture was altered: ``class``, ``group``, ``probability``, most probable first.

        The probabilities sum to 1; identity is left out.
        """
        found = self.prediction
        probabilities = found.probabilities
        if self.verdict is not None and self.verdict.no_color:
            probabilities = np.where(np.asarray(found.groups) == "color", 0, probabilities)
        shares = zip(found.classes, found.groups, if_altered(probabilities, found.groups), strict=True)
        return [
            {"class": name, "group": group, "probability": float(p)}
            for name, group, p in sorted(shares, key=lambda one: -one[2])
            if group != "identity"
        ]

    def row(self, image: str, prior: float = PRIOR) -> dict[str, Any]:
        """Return a row of `Predictor.predict`."""
        row = {
            "image": image,
            "model": self.prediction.model,
            "crops": self.prediction.kind,
            "altered": self.altered(prior),
            "answer": self.answer(prior),
            "classes": self.classes(),
        }
        return row if self.verdict is None else row | {"verdict": asdict(self.verdict)}


class Predictor:
    """Answers with the models of one run; loads each when it is first needed. Threads may share it.

    Args:
        run: an opened `probing_core.Run`, or the directory of one; by default the reference run.
        device: as in `load_embedder`.
        precision: likewise.
        level: of the detector's verdicts: the share of untouched pictures that may be called altered.

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
        self._probe = cache(lambda model: (read_probe(self.store, model, DEPLOYMENT), read_noticing(self.store, model)))

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models that can predict."""
        return tuple(self._entries)

    @property
    def has_detector(self) -> bool:
        """Return whether the run has a detector of alterations; it answers as `DETECTOR`, before all models."""
        return self.store.has(DETECTOR_FILE)

    def predict(
        self,
        images: Sequence[Image],
        *,
        models: Sequence[str] | str | None = None,
        names: Sequence[str] | None = None,
        prior: float = PRIOR,
    ) -> list[dict[str, Any]]:
        """Return one row for each image and model, as ``probing predict --json`` prints them.

        A row has ``image``, ``model``, ``crops`` (``direct``: the picture unchanged; ``combined``: reduced,
        and as tiles), ``altered`` (the probability that it was), ``answer`` (altered, rather altered, cannot tell,
        rather untouched, untouched) and ``classes``: a list of ``class``, ``group`` and ``probability`` given that the
        picture was altered, most probable first, which sum to 1. The detector's row also has ``verdict``, the fields
        of `Verdict`.

        Args:
            images: of any sizes, (H, W, 3) ``uint8``, or (H, W) if they are gray.
            models: names; by default the detector and all models of the run.
            names: of the images; by default their positions.
            prior: share of altered pictures among such pictures.

        Raises:
            BadConfig: the prior is not between 0 and 1.
            UnknownName: the run has no such model.
        """
        require_prior(prior)
        crops = self.cut(images)
        names = [str(i) for i in range(len(crops))] if names is None else names
        answers = [self.ask(model, crops) for model in self._chosen(models)]
        return [of_model[i].row(name, prior) for i, name in enumerate(names[: len(crops)]) for of_model in answers]

    def cut(self, images: Sequence[Image]) -> list[PictureCrops]:
        """Return what models receive for each image: the whole as a view of the run, and the tiles of a large one."""
        return [cut(as_image(image), self.recipe.view) for image in images]

    def ask(self, model: str, crops: Sequence[PictureCrops]) -> list[Answer]:
        """Return the answers of ``model``, or of the detector, about each picture; all crops are embedded together.

        Raises:
            BadRun: the run has no detector, or the model has changed since its probe was trained.
        """
        if model == DETECTOR:
            found = detect(self.detector, crops)
            verdicts = [
                self.judge.verdict(one, has_no_color(each.whole)) for one, each in zip(found, crops, strict=True)
            ]
            return [Answer(one, Noticing(), verdict) for one, verdict in zip(found, verdicts, strict=True)]
        probe, noticing = self._probe(model)
        embeddings = self._loaded.embed(self._entries[model], [crop for each in crops for crop in each.pictures])
        groups = tuple(resolve(name).group for name in probe.classes)
        found = predictions_of(model, probe.classes, groups, crops, probe.probabilities(embeddings), embeddings)
        return [Answer(one, noticing_at(noticing, one.kind)) for one in found]

    @cached_property
    def detector(self) -> Detector:
        """Return the run's detector of alterations.

        Raises:
            BadRun: it has none.
        """
        if not self.has_detector:
            raise BadRun(
                f"The run '{self.store.root}' has no detector of alterations; runs that are made with --calibrate-on "
                f"CORPUS have one."
            )
        return Detector.from_bytes(self.store.read_bytes(DETECTOR_FILE))

    @cached_property
    def judge(self) -> Judge:
        """Return the judge that turns predictions of the detector into verdicts."""
        has = has_scored_views(self.store, DETECTOR)
        return Judge.from_rows(self.store.read_table(scored_views_path(DETECTOR)) if has else None, self.level)

    def prepare(self, model: str) -> None:
        """Load what the first answer of ``model`` needs."""
        if model == DETECTOR:
            _ = self.detector, self.judge
            prepare(self.recipe.view, self.recipe.view)
        else:
            self._probe(model)
            self._loaded.load(self._entries[model])

    def _chosen(self, models: Sequence[str] | str | None) -> tuple[str, ...]:
        if not models:
            return (*([DETECTOR] if self.has_detector else []), *self.models)
        named = [models] if isinstance(models, str) else list(models)
        unknown = [name for name in named if name not in self._entries and name != DETECTOR]
        if unknown:
            raise UnknownName(f"The run has no model '{unknown[0]}' to predict with. It has: {', '.join(self.models)}.")
        return tuple(sorted(named, key=lambda name: name != DETECTOR))


def predict(
    images: Any,
    run: Path | str | Run | None = None,
    *,
    models: Sequence[str] | str | None = None,
    names: Sequence[str] | None = None,
    prior: float = PRIOR,
    device: str = "auto",
) -> pd.DataFrame:
    """Return the answers of every model of a run about pictures, one row for each picture and model.

    The models of the last run stay in memory for the next call.

    Args:
        images: one picture or several: arrays (H, W, 3) ``uint8``, pictures of Pillow, tensors (C, H, W) or paths.
        run: an opened run, or the directory of one; by default the reference run.
        models: names; by default the detector and all models of the run.
        names: of the images, in the column ``image``; by default paths, or positions.
        prior: share of altered pictures among such pictures.
        device: as in `load_embedder`.

    Returns:
        The rows of `Predictor.predict`.

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
    return pd.DataFrame(predictor.predict(pictures, models=models, names=names, prior=prior))


@cached(LRUCache(maxsize=1), key=lambda run, device: (run.path.resolve(), run.digest, device), lock=Lock())
def _predictor(run: Run, device: str) -> Predictor:
    return Predictor(run, device)
