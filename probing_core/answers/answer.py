"""Answer of one model, or of the detector, for one image: the probability that it was edited, and a verbal answer.

From the crops of an image to the percentage on a page:

0. `Predictor.ask` (api/predictor.py) gets class probabilities p_k for the central square and the tiles of an image, and
   `crops.join` averages them in log space. Tiles have a weight of 0.8 for groups that resizing removes, such as noise,
   and of 0.5 for all other groups.
   The detector uses the tiles only for large images, which it compares with large photographs. It compares images with
   hardly any color with grayscale photographs, and leaves out the color group (`ReferenceSets.answer`).
1. The edit score (`edit_score`) is s = max log p_k - log p_identity, over all transformations k.
2. The probability (`Posterior.edited`) has the log odds (s - offset) / temperature + log(prior / (1 - prior)). The
   offset of a model is random, because it differs between sources of images: the probability is the mean over
   N(offset, spread^2). Temperature, offset and spread are fitted on photographs whose edits are known:
   `probing_core.answers.calibration.model_posteriors` for models, `probing_core.answers.reference_sets` for the
   detector. They are fitted when a run is opened and are not stored. The prior is `PRIOR`, unless the visitor moves its
   slider.
3. The verbal answer (`answer_word`) is looked up in the table `LOWEST_PERCENT` by the rounded percentage. The p-value
   is shown next to the answer but does not affect it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from probing_core.answers.crops import Prediction
from probing_core.errors import BadConfig
from probing_core.measures.classification import MIN_SCORED_PROBABILITY
from probing_core.probes import array_file

PRIOR = 0.5
"""Prior probability that an image was edited: the assumed fraction of edited images."""


def require_prior(prior: float) -> None:
    """Raise `BadConfig` if a prior is not strictly between 0 and 1."""
    if not 0 < prior < 1:
        raise BadConfig(f"The prior is the fraction of edited images, between 0 and 1, such as 0.5; got {prior}.")


def edit_score(log_probabilities: np.ndarray, groups: Sequence[str], without_color: bool = False) -> np.ndarray:
    """Return the edit scores (N,): the largest log odds of any transformation against identity.

    The maximum is used instead of the sum, so that thirty small probabilities for a clean image do not add up to an
    edit. Scores are NaN if no transformation is left.

    Args:
        log_probabilities: (N, K).
        groups: (K,) group of each class, including ``identity``.
        without_color: whether to leave out the color group, as the detector does for images that have no color.
    """
    group = np.asarray(groups)
    edits = (group != "identity") & ~(without_color & (group == "color"))
    if not edits.any():  # the run has only color transformations, and the image has no color
        return np.full(len(log_probabilities), np.nan)
    clean = np.logaddexp.reduce(log_probabilities[:, group == "identity"], axis=1)
    return log_probabilities[:, edits].max(1) - clean


def score_of(prediction: Prediction, no_color: bool = False, whole_only: bool = False) -> float:
    """Return the edit score of an image, from the full image and its tiles or from the full image alone."""
    probabilities = prediction.crop_probabilities[:1] if whole_only else prediction.probabilities[None]
    return float(edit_score(log_of(probabilities), prediction.groups, no_color)[0])


def scores_of_crops(prediction: Prediction, no_color: bool = False) -> np.ndarray:
    """Return the edit scores (1 + T,) of the full image and of each of its T tiles, in this order."""
    return edit_score(log_of(prediction.crop_probabilities), prediction.groups, no_color)


def log_of(probabilities: np.ndarray) -> np.ndarray:
    """Return the natural logarithms (``float64``) of ``probabilities``, clipped below at `MIN_SCORED_PROBABILITY`."""
    return np.log(np.maximum(np.asarray(probabilities, np.float64), MIN_SCORED_PROBABILITY))


def given_edited(probabilities: np.ndarray, groups: Sequence[str], without_color: bool = False) -> np.ndarray:
    """Return ``probabilities`` (..., K) given that the image was edited: 0 for identity, normalized to sum to 1."""
    group = np.asarray(groups)
    excluded = (group == "identity") | (without_color & (group == "color"))
    p = np.where(excluded, 0.0, np.asarray(probabilities, np.float64))
    return p / np.maximum(p.sum(-1, keepdims=True), MIN_SCORED_PROBABILITY)


MAX_TRANSFER_ERROR = 0.12
"""Maximum calibration error on left-out sources up to which a probability is stated."""

NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
"""Points and weights of the Gauss-Hermite quadrature over the offset."""


@dataclass(frozen=True)
class Posterior:
    """Conversion of edit scores into probabilities that images were edited.

    Attributes:
        temperature: divisor of scores; infinite for a model that is no better than the prior.
        offset: score at which the probability is the prior, as a mean over sources.
        spread: standard deviation of the offset between sources.
        sources: number of sources used for calibration; with one source, the spread is unknown.
        transfer_error: calibration error on sources that were left out; None if no source could be left out.
    """

    temperature: float = np.inf
    offset: float = 0.0
    spread: float = 0.0
    sources: int = 1
    transfer_error: float | None = None

    @property
    def decides(self) -> bool:
        """Whether the probabilities differ from the prior and hold for images from other sources."""
        return bool(np.isfinite(self.temperature)) and self.transfers

    @property
    def transfers(self) -> bool:
        return self.transfer_error is None or self.transfer_error <= MAX_TRANSFER_ERROR

    def edited(self, scores: np.ndarray, prior: float = PRIOR) -> np.ndarray:
        """Return the probabilities (N,) that images were edited, under ``prior``.

        They are means of sigmoid((score - o) / temperature + log(prior / (1 - prior))) over o ~ N(offset, spread^2).
        """
        odds = (np.asarray(scores, np.float64) - self.offset) / self.temperature + np.log(prior) - np.log1p(-prior)
        if not self.spread or not np.isfinite(self.temperature):
            return sigmoid(odds)
        shifted = odds[:, None] - self.spread / self.temperature * NODES
        return sigmoid(shifted) @ (NODE_WEIGHTS / NODE_WEIGHTS.sum())

    def to_bytes(self) -> bytes:
        """Return the temperature and the offset as a safetensors file; equal numbers give equal bytes."""
        numbers = {"temperature": np.array([self.temperature]), "offset": np.array([self.offset])}
        return array_file.to_bytes(numbers, "noticing", {})

    @classmethod
    def from_bytes(cls, data: bytes) -> Posterior:
        """Read the output of `to_bytes`.

        Raises:
            BadRun: the bytes are corrupted or have different content.
        """
        with array_file.expected("A calibration (safetensors with temperature and offset)"):
            numbers, _ = array_file.from_bytes(data, "noticing")
            return cls(float(numbers["temperature"][0]), float(numbers["offset"][0]))


def sigmoid(odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(odds, -500, 500)))


def probability_edited(scores: np.ndarray, posterior: Posterior | None, prior: float = PRIOR) -> np.ndarray:
    """Return the probabilities (N,) that images were edited, as shown by every page, command and table.

    They are NaN if there is no posterior, or if it does not transfer to other sources.
    """
    if posterior is None or not posterior.transfers:
        return np.full(len(scores), np.nan)
    return posterior.edited(scores, prior)


EDITED, PROBABLY_EDITED, INCONCLUSIVE = "edited", "probably edited", "inconclusive"
PROBABLY_UNEDITED, NO_EDIT_DETECTED = "probably unedited", "no edit detected"

LOWEST_PERCENT = {EDITED: 90, PROBABLY_EDITED: 60, INCONCLUSIVE: 40, PROBABLY_UNEDITED: 10, NO_EDIT_DETECTED: 0}
"""Answer -> minimum displayed (rounded) probability in percent."""

ANSWERS = tuple(LOWEST_PERCENT)

FOUND = (EDITED, PROBABLY_EDITED)
"""Answers according to which an image was edited."""


def answer_word(edited: float | None) -> str:
    """Return the verbal answer for a probability that an image was edited; `INCONCLUSIVE` for None or NaN.

    >>> answer_word(0.93), answer_word(0.2), answer_word(None)
    ('edited', 'probably unedited', 'inconclusive')
    """
    if edited is None or math.isnan(edited):
        return INCONCLUSIVE
    percent = round(100 * edited)
    return next(answer for answer, lowest in LOWEST_PERCENT.items() if percent >= lowest)


class Unavailable(StrEnum):
    """Reason why the probability that an image was edited is unavailable."""

    TOO_FEW = "too few photographs to calibrate"
    NOT_SEPARATED = "scores do not separate clean from edited images"
    NOT_TRANSFERABLE = "calibration does not transfer to new sources"


@dataclass(frozen=True)
class Evidence:
    """Evidence of the detector for one image, ``verdict`` in its row of ``probing predict --json``.

    Attributes:
        p: p-value, the fraction of clean photographs that score at least as high; None if there are too few of them.
        n: number of photographs that p is based on.
        kind: kind of the image and of the photographs that it is compared with: ``view``, ``large`` or ``gray``.
        no_color: whether the image has hardly any color, so that the color group was left out.
        detection_rate: fraction of edited images of this kind with p of at most 0.05; None if not measured.
    """

    p: float | None
    n: int
    kind: str
    no_color: bool
    detection_rate: float | None


@dataclass(frozen=True, eq=False)
class Answer:
    """Whether one image was edited, and if so, how.

    Methods receive the prior, the fraction of edited images, as an argument, so a different prior requires no new
    forward pass.

    Attributes:
        prediction: class probabilities of the image.
        score: edit score.
        posterior: conversion of the score into a probability; None for the reason in ``unavailable``.
        verdict: evidence of the detector; None for models.
        unavailable: why there is no probability; None if there is one.
    """

    prediction: Prediction
    score: float
    posterior: Posterior | None
    verdict: Evidence | None = None
    unavailable: Unavailable | None = None

    @classmethod
    def of_model(cls, prediction: Prediction, posterior: Posterior) -> Answer:
        unavailable = None if posterior.transfers else Unavailable.NOT_TRANSFERABLE
        return cls(prediction, score_of(prediction), posterior, unavailable=unavailable)

    def edited(self, prior: float = PRIOR) -> float | None:
        """Return the probability that the image was edited; None if it is ``unavailable``."""
        p = float(probability_edited(np.array([self.score]), self.posterior, prior)[0])
        return None if math.isnan(p) else p

    def answer(self, prior: float = PRIOR) -> str:
        """Return the verbal answer, one of `ANSWERS`."""
        return answer_word(self.edited(prior))

    def classes(self) -> list[dict[str, Any]]:
        """Return ``class``, ``group`` and ``probability`` of each transformation given an edit, most probable first.

        The probabilities sum to 1; identity is left out.
        """
        return classes_of(self.prediction, no_color=self.verdict is not None and self.verdict.no_color)

    def row(self, image: str, prior: float = PRIOR) -> dict[str, Any]:
        """Return the row of `Predictor.predict` for the image named ``image``."""
        row = {
            "image": image,
            "model": self.prediction.model,
            "crops": self.prediction.kind,
            "edited": self.edited(prior),
            "answer": self.answer(prior),
            "classes": self.classes(),
        }
        return row if self.verdict is None else row | {"verdict": asdict(self.verdict)}


def classes_of(prediction: Prediction, no_color: bool = False) -> list[dict[str, Any]]:
    """Return `Answer.classes` of a prediction; for ``no_color``, classes of the color group have a probability of 0."""
    probabilities = given_edited(prediction.probabilities, prediction.groups, no_color)
    classes = zip(prediction.classes, prediction.groups, probabilities, strict=True)
    return [
        {"class": name, "group": group, "probability": float(p)}
        for name, group, p in sorted(classes, key=lambda entry: -entry[2])
        if group != "identity"
    ]
