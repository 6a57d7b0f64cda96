"""Answers for new images, from the deployment probes and the detector of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache, cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import pandas as pd
from cachetools import LRUCache, cached

from probing_core.answers.answer import PRIOR, Answer, require_prior
from probing_core.answers.crops import Crops, cut, predictions_of
from probing_core.answers.reference_sets import ReferenceSets
from probing_core.arguments import NAMES, TEXT, checked
from probing_core.compute.task_names import DEPLOYMENT, DETECTOR
from probing_core.detector.detector import Detector, detect
from probing_core.detector.features import prepare
from probing_core.errors import BadConfig, BadRun, UnknownName
from probing_core.images import is_one_image, to_images
from probing_core.images.quality import has_no_color
from probing_core.results.run import Run, open_run
from probing_core.run.files import read_object
from probing_core.run.layout import DETECTOR_FILE
from probing_core.run.live import LoadedModels, read_posteriors, read_probe, read_reference_sets
from probing_core.transforms import resolve

COLUMNS = ("image", "model", "crops", "edited", "answer", "unavailable", "no_color", "classes")
"""Columns of `predict`. Rows of the detector also have ``verdict``."""


class Predictor:
    """Predictor that uses the models of a run to determine whether images were edited.

    Each model is loaded when it is first used. Predictors are thread-safe.

    Examples:
        >>> from skimage.data import cat
        >>> blurred = probing_core.transform(cat(), "gaussian-blur", strength=3)
        >>> predictor = probing_core.Predictor()
        >>> rows = predictor.predict([blurred], models=["baseline/handcrafted"])
        >>> rows[0]["answer"]
        'edited'

    Args:
        run: a `probing_core.Run` or its directory; by default the reference run.
        device: as in `load_embedder`.
        precision: as in `load_embedder`.

    Raises:
        BadRun: the run does not exist, or has no probes.
    """

    @checked(device=TEXT, precision=TEXT)
    def __init__(
        self,
        run: Path | str | Run | None = None,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        opened = open_run(run)
        self.store, self.recipe = opened.store, opened.recipe
        self._entries = {entry["name"]: entry for entry in opened.entries if entry["name"] in opened.live_models}
        if not self._entries:
            raise BadRun(
                f"The run '{self.store.root}' has no trained probes yet. Complete it first.",
                hint=f"Run `probing run --out {self.store.root}`.",
            )
        self._loaded = LoadedModels(device, precision)
        self._probe = cache(
            lambda model: (read_probe(self.store, model, DEPLOYMENT), read_posteriors(self.store, model))
        )

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models that can make predictions for new images."""
        return tuple(self._entries)

    @property
    def has_detector(self) -> bool:
        """Whether the run has an edit detector. Its answers have the model name `DETECTOR` and are listed first."""
        return self.store.has(DETECTOR_FILE)

    @checked(models=NAMES, names=NAMES)
    def predict(
        self,
        images: Any,
        *,
        models: Sequence[str] | str | None = None,
        names: Iterable[str] | str | None = None,
        prior: float = PRIOR,
    ) -> list[dict[str, Any]]:
        """Predict whether images were edited.

        Args:
            images: one image or several images of any size, as in `predict`.
            models: model names; by default the detector and all models of the run.
            names: one name for each image; by default paths or positions.
            prior: prior probability that an image was edited.

        Returns:
            One row for each image and model, as in ``probing predict --json``. A row has ``image``, ``model``,
            ``crops`` (``direct``: resized central square; ``combined``: resized central square and tiles), ``edited``
            (the probability that the image was edited), ``answer`` (edited, probably edited, inconclusive, probably
            unedited, no edit detected, may not be a photograph), ``unavailable`` (if ``edited`` is None, the reason,
            one of `probing_core.answers.answer.Unavailable`), ``no_color`` (whether the image is nearly gray; it cannot
            be determined whether its color was removed, so ``answer`` is about all other edits) and ``classes``, a list
            of ``class``, ``group`` and ``probability`` given that the image was edited, most probable first. These
            probabilities sum to 1. The list is empty for an image that may not be a photograph. Rows of the detector
            also have ``verdict``, with the fields of `Evidence`.

        Raises:
            BadConfig: the prior is not strictly between 0 and 1, or the numbers of images and names differ.
            BadImage: an image cannot be read.
            BadRun: a model has changed since its probe was trained, or the run has no detector.
            UnknownName: the run has no such model.
        """
        require_prior(prior)
        chosen = self._chosen(models)
        images = [images] if is_one_image(images) else list(images)
        names = _names_of(images, names)
        crops = self.cut(images)
        answers = [self.ask(model, crops) for model in chosen]
        return [of_model[i].row(name, prior) for i, name in enumerate(names) for of_model in answers]

    def cut(self, images: Any) -> list[Crops]:
        """Cut each image into a resized central square and, if the image is large, tiles.

        Args:
            images: as in `predict`.

        Raises:
            BadImage: an image cannot be read.
        """
        return [cut(image, self.recipe.view) for image in to_images(images)]

    def ask(self, model: str, crops: Sequence[Crops]) -> list[Answer]:
        """Compute the answer of one model, or of the detector, for each image.

        The ``deployment`` probe of the model, or the detector, predicts class probabilities for each crop.
        `predictions_of` combines the probabilities of the crops of an image. An `Answer` converts the result to the
        probability that the image was edited, using the calibration of the model or, for the detector, the reference
        sets of clean photographs (`ReferenceSets.answer`).

        Raises:
            BadRun: the run has no detector, or the model has changed since its probe was trained.
        """
        no_color = [has_no_color(each.whole) for each in crops]
        if model == DETECTOR:
            predictions = detect(self.detector, crops)
            return [self.reference_sets.answer(*each) for each in zip(predictions, no_color, strict=True)]
        probe, posteriors = self._probe(model)
        embeddings = self._loaded.embed(self._entries[model], [crop for each in crops for crop in each.images])
        groups = tuple(resolve(name).group for name in probe.classes)
        probabilities = probe.probabilities(embeddings)
        predictions = predictions_of(model, probe.classes, groups, crops, probabilities, embeddings)
        return [Answer.of_model(each, posteriors, gray) for each, gray in zip(predictions, no_color, strict=True)]

    @cached_property
    def detector(self) -> Detector:
        """Edit detector of the run.

        Raises:
            BadRun: the run has no detector.
        """
        if not self.has_detector:
            raise BadRun(
                f"The run '{self.store.root}' has no edit detector. Calibration photographs are required to train it.",
                hint="Run `probing run` with --calibrate-on CORPUS.",
            )
        return read_object(self.store.path(DETECTOR_FILE), Detector.from_bytes, DETECTOR_FILE)

    @cached_property
    def reference_sets(self) -> ReferenceSets:
        """Reference sets of the detector, that is, clean photographs to compare images with."""
        return read_reference_sets(self.store)

    def prepare(self, model: str) -> None:
        """Load everything that ``model`` requires for its first answer."""
        if model == DETECTOR:
            _ = self.detector, self.reference_sets
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
            raise UnknownName(f"The run has no model '{unknown[0]}'. Available models: {', '.join(self.models)}.")
        return tuple(sorted(named, key=lambda name: name != DETECTOR))


@checked(models=NAMES, names=NAMES, device=TEXT)
def predict(
    images: Any,
    run: Path | str | Run | None = None,
    *,
    models: Sequence[str] | str | None = None,
    names: Iterable[str] | str | None = None,
    prior: float = PRIOR,
    device: str = "auto",
) -> pd.DataFrame:
    """Predict whether images were edited, with the models of a run.

    The models of the most recent run remain in memory for the next call.

    Examples:
        >>> from skimage.data import cat
        >>> blurred = probing_core.transform(cat(), "gaussian-blur", strength=3)
        >>> rows = probing_core.predict(blurred, models="baseline/handcrafted")
        >>> rows["answer"].tolist()
        ['edited']

    Args:
        images: one image or several images: arrays (H, W, 3) or (H, W) ``uint8``, Pillow images, tensors (C, H, W),
            paths, or the bytes of image files.
        run: a `probing_core.Run` or its directory; by default the reference run.
        models: model names; by default the detector and all models of the run.
        names: one name for each image, for the column ``image``; by default paths or positions.
        prior: prior probability that an image was edited.
        device: as in `load_embedder`.

    Returns:
        One row for each image and model, with the columns of `Predictor.predict`.

    Raises:
        BadConfig: the prior is not strictly between 0 and 1, or the numbers of images and names differ.
        BadImage: an image cannot be read.
        BadRun: the run does not exist or has no probes, or a model has changed since its probe was trained.
        UnknownName: the run has no such model.
    """
    rows = _predictor(open_run(run), device).predict(images, models=models, names=names, prior=prior)
    return pd.DataFrame(rows, columns=None if rows else list(COLUMNS))


def _names_of(images: Sequence[Any], names: Iterable[str] | str | None) -> list[str]:
    if names is None:
        return [str(image) if isinstance(image, str | Path) else str(i) for i, image in enumerate(images)]
    listed = [names] if isinstance(names, str) else [str(name) for name in names]
    if len(listed) != len(images):
        raise BadConfig(f"Expected one name per image, got {len(listed)} names for {len(images)} images.")
    return listed


@cached(LRUCache(maxsize=1), key=lambda run, device: (run.path.resolve(), run.digest, device), lock=Lock())
def _predictor(run: Run, device: str) -> Predictor:
    return Predictor(run, device)
