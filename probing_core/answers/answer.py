"""Answers of models and the detector: the probability that an image was edited, and a verbal answer.

An answer is computed in the following steps:

1. The image is cut into a central square and, if it is large, tiles (`crops.cut`). Class probabilities p_k are
   predicted for each crop (`Predictor.ask` in api/predictor.py), and `crops.join` averages them in log space. Tiles
   have a weight of 0.8 for groups whose traces are removed by resizing, such as noise, and 0.5 for all other groups.
2. The edit score (`edit_score`) is s = max_k log p_k - log p_identity, where k ranges over the transformations. Tiles
   are used only if there is a calibration for large images (`Answer.of_model`, `ReferenceSets.answer`). Otherwise, s is
   the score of the central square. For nearly gray images, the color group is excluded, because a removed color leaves
   no trace. The detector compares these images with photographs converted to grayscale.
3. The log odds of an edit (`Posterior.probability`) are (s - offset) / temperature + log(prior / (1 - prior)). For
   models, the offset differs between sources of images, so the probability is averaged over offsets drawn from
   N(offset, spread^2). The default prior is `PRIOR`.
4. Temperature, offset and spread are fitted on clean and edited photographs when the first answer is requested, by
   `calibration.model_posteriors` for models and by `reference_sets` for the detector, which has no spread. If there are
   too few photographs for a model, its temperature and offset from training are used (``probes/noticing.safetensors``).
5. The probability is unavailable for one of the reasons in `Unavailable`: the image may not be a photograph
   (`quality.is_flat`), the detector has too few photographs to calibrate, a model has no calibration from step 4, the
   scores do not separate clean from edited images, the calibration error on held-out sources is above 0.12
   (`MAX_TRANSFER_ERROR`), or the image is nearly gray and a model, unlike the detector, is not calibrated for it.
6. The probability is rounded to a whole percentage, and `answer_word` looks up the verbal answer in `LOWEST_PERCENT`.
   Without a probability, the answer is `INCONCLUSIVE`. `probability_in_words` formats 0% as <1%, and 100% as >99%.
   `answer_in_words` combines the verbal answer and the probability. For nearly gray images, it adds that the answer
   does not cover color.

The p-value of the detector (`reference_sets.p_values`) is shown next to the answer but does not affect it.
docs/detector.md contains measured error rates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from numbers import Real
from typing import Any

import numpy as np

from probing_core.answers.crops import DIRECT, Prediction
from probing_core.errors import BadConfig
from probing_core.images.quality import PERHAPS_NO_PHOTOGRAPH
from probing_core.measures.classification import MIN_SCORED_PROBABILITY
from probing_core.measures.notation import in_percent
from probing_core.probes.probe import arrays_from_bytes, arrays_to_bytes, expected

PRIOR = 0.5
"""Default prior probability of an edit, that is, the assumed fraction of edited images."""


def require_prior(prior: float) -> None:
    """Check that a prior is strictly between 0 and 1.

    Raises:
        BadConfig: the prior is not strictly between 0 and 1.
    """
    if not (isinstance(prior, Real) and 0 < prior < 1):
        raise BadConfig(f"The prior (the fraction of edited images) must be strictly between 0 and 1; got {prior}.")


def edit_score(log_probabilities: np.ndarray, groups: Sequence[str], without_color: bool = False) -> np.ndarray:
    """Compute edit scores: the maximum log odds of any transformation versus identity.

    The maximum is used instead of the sum, because for a clean image, the small probabilities of many transformations
    would add up.

    Args:
        log_probabilities: (N, K) log probabilities.
        groups: (K,) group of each class, including ``identity``.
        without_color: whether to exclude the color group, as the detector does for images without color.

    Returns:
        (N,) edit scores, or NaN if all transformations are excluded.
    """
    group = np.asarray(groups)
    edits = (group != "identity") & ~(without_color & (group == "color"))
    if not edits.any():  # the run has only color transformations, and the image has no color
        return np.full(len(log_probabilities), np.nan)
    clean = np.logaddexp.reduce(log_probabilities[:, group == "identity"], axis=1)
    return log_probabilities[:, edits].max(1) - clean


def score_of(prediction: Prediction, no_color: bool = False, whole_only: bool = False) -> float:
    """Compute the edit score of an image from its prediction.

    Args:
        no_color: whether to exclude the color group.
        whole_only: whether to use only the central square and ignore tiles.
    """
    probabilities = prediction.crop_probabilities[:1] if whole_only else prediction.probabilities[None]
    return float(edit_score(log_of(probabilities), prediction.groups, no_color)[0])


def log_of(probabilities: np.ndarray) -> np.ndarray:
    """Compute natural logarithms (``float64``) of probabilities, clipped to at least `MIN_SCORED_PROBABILITY`."""
    return np.log(np.maximum(np.asarray(probabilities, np.float64), MIN_SCORED_PROBABILITY))


def given_edited(probabilities: np.ndarray, groups: Sequence[str], without_color: bool = False) -> np.ndarray:
    """Compute class probabilities conditional on an edit.

    Args:
        probabilities: (..., K) class probabilities.
        groups: (K,) group of each class.
        without_color: whether to exclude the color group.

    Returns:
        (..., K) probabilities, which sum to 1. Identity and, if excluded, the color group have probability 0.
    """
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
    NO_COLOR = "not calibrated for images without color"


MAX_TRANSFER_ERROR = 0.12
"""Calibration error on held-out sources above which probabilities are unavailable."""

NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
"""Nodes and weights of the Gauss-Hermite quadrature over the offset."""


@dataclass(frozen=True)
class Posterior:
    """Calibration that converts edit scores to probabilities that images were edited.

    Attributes:
        temperature: divisor of the scores; infinite if the model is no better than the prior.
        offset: mean over sources of the score at which the probability equals the prior.
        spread: standard deviation of this score between sources.
        sources: number of sources used to estimate the spread. With a single source, the spread is unknown.
        transfer_error: calibration error on held-out sources, or None if no source could be held out.
    """

    temperature: float = np.inf
    offset: float = 0.0
    spread: float = 0.0
    sources: int = 1
    transfer_error: float | None = None

    @property
    def unavailable(self) -> Unavailable | None:
        """Reason why probabilities are unavailable, or None if they are available."""
        if not np.isfinite(self.temperature):
            return Unavailable.NOT_SEPARATED
        if self.transfer_error is not None and self.transfer_error > MAX_TRANSFER_ERROR:
            return Unavailable.NOT_TRANSFERABLE
        return None

    def probability(self, scores: np.ndarray, prior: float = PRIOR) -> np.ndarray:
        """Convert edit scores (N,) to probabilities (N,) that the images were edited.

        A probability is the mean of sigmoid((score - o) / temperature + log(prior / (1 - prior))) over
        o ~ N(offset, spread^2).
        """
        odds = (np.asarray(scores, np.float64) - self.offset) / self.temperature + np.log(prior) - np.log1p(-prior)
        if not self.spread or not np.isfinite(self.temperature):
            return sigmoid(odds)
        shifted = odds[:, None] - self.spread / self.temperature * NODES
        return sigmoid(shifted) @ (NODE_WEIGHTS / NODE_WEIGHTS.sum())

    def to_bytes(self) -> bytes:
        """Serialize the temperature and the offset as safetensors. Equal values yield equal bytes."""
        numbers = {"temperature": np.array([self.temperature]), "offset": np.array([self.offset])}
        return arrays_to_bytes(numbers, "noticing", {})

    @classmethod
    def from_bytes(cls, data: bytes) -> Posterior:
        """Load a posterior from bytes returned by `to_bytes`.

        Raises:
            BadRun: the bytes are corrupted or have a different format.
        """
        with expected("A calibration (safetensors with temperature and offset)"):
            numbers, _ = arrays_from_bytes(data, "noticing")
            return cls(float(numbers["temperature"][0]), float(numbers["offset"][0]))


def sigmoid(odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(odds, -500, 500)))


def probability_edited(scores: np.ndarray, posterior: Posterior | None, prior: float = PRIOR) -> np.ndarray:
    """Convert edit scores (N,) to probabilities (N,) that the images were edited.

    The result is NaN if probabilities are unavailable. The dashboard and the command line show these probabilities.
    """
    if posterior is None or posterior.unavailable:
        return np.full(len(scores), np.nan)
    return posterior.probability(scores, prior)


EDITED, PROBABLY_EDITED, INCONCLUSIVE = "edited", "probably edited", "inconclusive"
PROBABLY_UNEDITED, NO_EDIT_DETECTED = "probably unedited", "no edit detected"

LOWEST_PERCENT = {EDITED: 90, PROBABLY_EDITED: 60, INCONCLUSIVE: 40, PROBABLY_UNEDITED: 10, NO_EDIT_DETECTED: 0}
"""Verbal answer -> minimum displayed (rounded) probability in percent."""

ANSWERS = tuple(LOWEST_PERCENT)

FOUND = (EDITED, PROBABLY_EDITED)
"""Verbal answers for images that are classified as edited."""


def answer_word(probability: float | None, is_flat: bool = False) -> str:
    """Return the verbal answer for a probability that an image was edited.

    Examples:
        >>> answer_word(0.93), answer_word(0.2), answer_word(None)
        ('edited', 'probably unedited', 'inconclusive')

    Args:
        probability: probability of an edit. If it is None or NaN, the answer is `INCONCLUSIVE`.
        is_flat: whether the image may not be a photograph. The answer is then `PERHAPS_NO_PHOTOGRAPH`.
    """
    if is_flat:
        return PERHAPS_NO_PHOTOGRAPH
    if probability is None or math.isnan(probability):
        return INCONCLUSIVE
    percent = round(100 * probability)
    return next(word for word, lowest in LOWEST_PERCENT.items() if percent >= lowest)


def probability_in_words(probability: float | None) -> str:
    """Format a probability in percent, or return an empty string for None or NaN.

    Probabilities that round to 0% or 100% are formatted as ``<1%`` and ``>99%``.
    """
    if probability is None or math.isnan(probability):
        return ""
    return {0: "<1%", 100: ">99%"}.get(round(100 * probability), in_percent(probability))


def answer_in_words(word: str, probability: float | None = None, no_color: bool = False) -> str:
    """Format a verbal answer with the probability of an edit. Without a probability, only the answer is returned.

    Examples:
        >>> answer_in_words("edited", 0.93)
        'edited (93%)'
        >>> answer_in_words("probably unedited", 0.2)
        'probably unedited (probability of an edit: 20%)'

    Args:
        word: verbal answer.
        probability: probability of an edit; None or NaN if it is unavailable or shown elsewhere.
        no_color: whether the image is nearly gray, so that the answer does not cover color.
    """
    percent = probability_in_words(probability)
    stated = percent if word in FOUND else f"probability of an edit: {percent}"
    text = f"{word} ({stated})" if percent else word
    return f"{APART_FROM_COLOR}: {text}" if no_color and word in ANSWERS else text


APART_FROM_COLOR = "apart from color"
"""Prefix of answers for nearly gray images."""


@dataclass(frozen=True)
class Evidence:
    """Evidence of the detector for one image: the value of ``verdict`` in ``probing predict --json``.

    Attributes:
        p: p-value of the image (`reference_sets.p_values`), or None if there are too few clean photographs.
        n: number of clean photographs on which the p-value is based.
        kind: kind of the image, and of the photographs that it is compared with: ``view``, ``large`` or ``gray``.
        no_color: whether the image is nearly gray, so that the color group was excluded.
        detection_rate: fraction of edited images of this kind with a p-value of at most 0.05, or None if it was not
            measured.
    """

    p: float | None
    n: int
    kind: str
    no_color: bool
    detection_rate: float | None


@dataclass(frozen=True, eq=False)
class Answer:
    """Answer for one image: whether it was edited and, if so, how.

    The prior is an argument of the methods, so a different prior does not require another forward pass.

    Attributes:
        prediction: class probabilities of the image.
        score: edit score.
        posterior: calibration of the score, or None if there are too few photographs to calibrate.
        evidence: evidence of the detector, or None for models.
        no_color: whether the image is nearly gray. The answer is then about all edits except color edits.
    """

    prediction: Prediction
    score: float
    posterior: Posterior | None
    evidence: Evidence | None = None
    no_color: bool = False

    @classmethod
    def of_model(cls, prediction: Prediction, posteriors: Mapping[str, Posterior], no_color: bool = False) -> Answer:
        """Create the answer of a model.

        Without a calibration for large images, only the central square of a large image is scored, and the calibration
        for small images is used.

        Args:
            prediction: class probabilities of the image.
            posteriors: kind of image (``direct`` or ``combined``) -> calibration.
            no_color: whether the image is nearly gray.
        """
        kind = prediction.kind if prediction.kind in posteriors else DIRECT
        score = score_of(prediction, no_color, whole_only=kind == DIRECT)
        return cls(prediction, score, posteriors.get(kind), no_color=no_color)

    @property
    def unavailable(self) -> Unavailable | None:
        """Reason why the probability is unavailable, or None if it is available."""
        if self.prediction.is_flat:
            return Unavailable.NO_PHOTOGRAPH
        if math.isnan(self.score):  # the run has only color transformations, and the image has no color
            return Unavailable.NOT_SEPARATED
        if self.no_color and self.evidence is None:  # models are calibrated on images with color
            return Unavailable.NO_COLOR
        return Unavailable.TOO_FEW if self.posterior is None else self.posterior.unavailable

    def probability(self, prior: float = PRIOR) -> float | None:
        """Return the probability that the image was edited, or None if it is `unavailable`."""
        if self.unavailable:
            return None
        return float(probability_edited(np.array([self.score]), self.posterior, prior)[0])

    def word(self, prior: float = PRIOR) -> str:
        """Return the verbal answer: one of `ANSWERS`, or `PERHAPS_NO_PHOTOGRAPH`."""
        return answer_word(self.probability(prior), self.prediction.is_flat)

    def classes(self) -> list[dict[str, Any]]:
        """Return the probability of each transformation given that the image was edited, most probable first.

        Each entry has the keys ``class``, ``group`` and ``probability``. The probabilities sum to 1. Identity is
        excluded.
        """
        return classes_of(self.prediction, self.no_color)

    def row(self, image: str, prior: float = PRIOR) -> dict[str, Any]:
        """Return the row of `Predictor.predict` for the image named ``image``."""
        row = {
            "image": image,
            "model": self.prediction.model,
            "crops": self.prediction.kind,
            "edited": self.probability(prior),
            "answer": self.word(prior),
            "unavailable": self.unavailable,
            "no_color": self.no_color,
            "classes": [] if self.prediction.is_flat else self.classes(),
        }
        return row if self.evidence is None else row | {"verdict": asdict(self.evidence)}


def classes_of(prediction: Prediction, no_color: bool = False) -> list[dict[str, Any]]:
    """Return the classes of a prediction, as in `Answer.classes`.

    Args:
        no_color: whether to set the probability of the color group to 0.
    """
    probabilities = given_edited(prediction.probabilities, prediction.groups, no_color)
    classes = zip(prediction.classes, prediction.groups, probabilities, strict=True)
    return [
        {"class": name, "group": group, "probability": float(p)}
        for name, group, p in sorted(classes, key=lambda entry: -entry[2])
        if group != "identity"
    ]
