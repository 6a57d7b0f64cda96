"""Answer of one model, or of the detector, for one image: the probability that it was edited, and a verbal answer.

From an image to the percentage on a page:

1. The image is cut into a central square and, if it is large, tiles (`crops.cut`). Class probabilities p_k are
   predicted for each crop (`Predictor.ask` in api/predictor.py), and `crops.join` averages them in log space. Tiles
   have a weight of 0.8 for groups that resizing removes, such as noise, and of 0.5 for all other groups.
2. The edit score (`edit_score`) is s = max log p_k - log p_identity, over all transformations k. Tiles are used only if
   there is a calibration for large images; otherwise, the score is that of the central square (`Answer.of_model`,
   `ReferenceSets.answer`). The detector compares images with hardly any color with grayscale photographs, and leaves
   out the color group.
3. The probability (`Posterior.probability`) has the log odds (s - offset) / temperature + log(prior / (1 - prior)). The
   offset of a model is random, because it differs between sources of images: the probability is the mean over
   N(offset, spread^2). The prior is `PRIOR`, unless the visitor moves its slider.
4. Temperature, offset and spread are fitted on photographs whose edits are known, when the first answer is requested:
   by `calibration.model_posteriors` for models, and by `reference_sets` for the detector. With too few of these
   photographs, a model uses the temperature and the offset from training (``probes/noticing.safetensors``).
5. No probability is stated for a reason in `Unavailable`: the image may not be a photograph (`quality.is_flat`), there
   are too few photographs to calibrate, the scores do not separate clean from edited images, or the calibration error
   on left-out sources is above 0.12 (`MAX_TRANSFER_ERROR`).
6. The probability is rounded to percent. The verbal answer (`answer_word`) is looked up in the table `LOWEST_PERCENT`
   by the rounded percentage, and is `INCONCLUSIVE` without one. `probability_in_words` writes <1% instead of 0%, and
   >99% instead of 100%.

The p-value of the detector (`reference_sets.p_values`) is shown next to the answer but does not affect it. Measured
error rates are in docs/detector.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from probing_core.answers.crops import DIRECT, Prediction
from probing_core.errors import BadConfig
from probing_core.images.quality import PERHAPS_NO_PHOTOGRAPH
from probing_core.measures.classification import MIN_SCORED_PROBABILITY
from probing_core.measures.notation import in_percent
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


def log_of(probabilities: np.ndarray) -> np.ndarray:
    """Return the natural logarithms (``float64``) of ``probabilities``, clipped below at `MIN_SCORED_PROBABILITY`."""
    return np.log(np.maximum(np.asarray(probabilities, np.float64), MIN_SCORED_PROBABILITY))


def given_edited(probabilities: np.ndarray, groups: Sequence[str], without_color: bool = False) -> np.ndarray:
    """Return ``probabilities`` (..., K) given that the image was edited: 0 for identity, normalized to sum to 1."""
    group = np.asarray(groups)
    excluded = (group == "identity") | (without_color & (group == "color"))
    p = np.where(excluded, 0.0, np.asarray(probabilities, np.float64))
    return p / np.maximum(p.sum(-1, keepdims=True), MIN_SCORED_PROBABILITY)


class Unavailable(StrEnum):
    """Reason why the probability that an image was edited is unavailable."""

    NO_PHOTOGRAPH = PERHAPS_NO_PHOTOGRAPH
    TOO_FEW = "too few photographs to calibrate"
    NOT_SEPARATED = "scores do not separate clean from edited images"
    NOT_TRANSFERABLE = "calibration does not transfer to new sources"


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
    def unavailable(self) -> Unavailable | None:
        """Reason why no probability is stated: it would equal the prior, or not hold for images from other sources."""
        if not np.isfinite(self.temperature):
            return Unavailable.NOT_SEPARATED
        if self.transfer_error is not None and self.transfer_error > MAX_TRANSFER_ERROR:
            return Unavailable.NOT_TRANSFERABLE
        return None

    def probability(self, scores: np.ndarray, prior: float = PRIOR) -> np.ndarray:
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

    They are NaN if there is no posterior, or if it is `Posterior.unavailable`.
    """
    if posterior is None or posterior.unavailable:
        return np.full(len(scores), np.nan)
    return posterior.probability(scores, prior)


EDITED, PROBABLY_EDITED, INCONCLUSIVE = "edited", "probably edited", "inconclusive"
PROBABLY_UNEDITED, NO_EDIT_DETECTED = "probably unedited", "no edit detected"

LOWEST_PERCENT = {EDITED: 90, PROBABLY_EDITED: 60, INCONCLUSIVE: 40, PROBABLY_UNEDITED: 10, NO_EDIT_DETECTED: 0}
"""Answer -> minimum displayed (rounded) probability in percent."""

ANSWERS = tuple(LOWEST_PERCENT)

FOUND = (EDITED, PROBABLY_EDITED)
"""Answers according to which an image was edited."""


def answer_word(probability: float | None, is_flat: bool = False) -> str:
    """Return the verbal answer for a probability that an image was edited; `INCONCLUSIVE` for None or NaN.

    >>> answer_word(0.93), answer_word(0.2), answer_word(None)
    ('edited', 'probably unedited', 'inconclusive')

    Args:
        probability: the probability.
        is_flat: whether the answer is `PERHAPS_NO_PHOTOGRAPH` instead.
    """
    if is_flat:
        return PERHAPS_NO_PHOTOGRAPH
    if probability is None or math.isnan(probability):
        return INCONCLUSIVE
    percent = round(100 * probability)
    return next(word for word, lowest in LOWEST_PERCENT.items() if percent >= lowest)


def probability_in_words(probability: float | None) -> str:
    """Return a probability in percent, but never 0% or 100%: ``>99%`` for 0.998; empty for None or NaN."""
    if probability is None or math.isnan(probability):
        return ""
    return {0: "<1%", 100: ">99%"}.get(round(100 * probability), in_percent(probability))


def answer_in_words(word: str, probability: float | None) -> str:
    """Return ``edited (probability of an edit: 93%)``, or the word alone if there is no probability."""
    percent = probability_in_words(probability)
    return f"{word} (probability of an edit: {percent})" if percent else word


@dataclass(frozen=True)
class Evidence:
    """Evidence of the detector for one image: ``verdict`` in its row of ``probing predict --json``.

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
        posterior: conversion of the score into a probability; None if there are too few photographs to fit one.
        evidence: evidence of the detector; None for models.
    """

    prediction: Prediction
    score: float
    posterior: Posterior | None
    evidence: Evidence | None = None

    @classmethod
    def of_model(cls, prediction: Prediction, posteriors: Mapping[str, Posterior]) -> Answer:
        """Return the answer of a model.

        Without a calibration for large images, a large image is scored by its central square alone, as the views on
        which the calibration for small images is fitted.

        Args:
            prediction: class probabilities of the image.
            posteriors: kind of an image (``direct``, ``combined``) -> its calibration.
        """
        kind = prediction.kind if prediction.kind in posteriors else DIRECT
        return cls(prediction, score_of(prediction, whole_only=kind == DIRECT), posteriors.get(kind))

    @property
    def unavailable(self) -> Unavailable | None:
        """Reason why there is no probability; None if there is one."""
        if self.prediction.is_flat:
            return Unavailable.NO_PHOTOGRAPH
        return Unavailable.TOO_FEW if self.posterior is None else self.posterior.unavailable

    def probability(self, prior: float = PRIOR) -> float | None:
        """Return the probability that the image was edited; None if it is `unavailable`."""
        if self.unavailable:
            return None
        p = float(probability_edited(np.array([self.score]), self.posterior, prior)[0])
        return None if math.isnan(p) else p

    def word(self, prior: float = PRIOR) -> str:
        """Return the verbal answer: one of `ANSWERS`, or `PERHAPS_NO_PHOTOGRAPH`."""
        return answer_word(self.probability(prior), self.prediction.is_flat)

    def classes(self) -> list[dict[str, Any]]:
        """Return ``class``, ``group`` and ``probability`` of each transformation given an edit, most probable first.

        The probabilities sum to 1; identity is left out.
        """
        return classes_of(self.prediction, no_color=self.evidence is not None and self.evidence.no_color)

    def row(self, image: str, prior: float = PRIOR) -> dict[str, Any]:
        """Return the row of `Predictor.predict` for the image named ``image``."""
        row = {
            "image": image,
            "model": self.prediction.model,
            "crops": self.prediction.kind,
            "edited": self.probability(prior),
            "answer": self.word(prior),
            "unavailable": self.unavailable,
            "classes": [] if self.prediction.is_flat else self.classes(),
        }
        return row if self.evidence is None else row | {"verdict": asdict(self.evidence)}


def classes_of(prediction: Prediction, no_color: bool = False) -> list[dict[str, Any]]:
    """Return `Answer.classes` of a prediction; for ``no_color``, classes of the color group have a probability of 0."""
    probabilities = given_edited(prediction.probabilities, prediction.groups, no_color)
    classes = zip(prediction.classes, prediction.groups, probabilities, strict=True)
    return [
        {"class": name, "group": group, "probability": float(p)}
        for name, group, p in sorted(classes, key=lambda entry: -entry[2])
        if group != "identity"
    ]
