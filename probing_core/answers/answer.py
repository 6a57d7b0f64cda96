"""What one model, or the detector, answers about one image."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from probing_core.answers.crops import Prediction
from probing_core.answers.posterior import Posterior, Unavailable, answers_for
from probing_core.answers.reference_sets import ReferenceSets, Verdict
from probing_core.answers.scores import given_edited, score_of
from probing_core.answers.words import PRIOR


@dataclass(frozen=True, eq=False)
class Answer:
    """Whether one image was edited, and if so, how.

    The prior, the fraction of such images that is edited, is an argument: another prior needs no new forward pass.

    Attributes:
        prediction: the probabilities behind the answer.
        score: the edit score.
        posterior: turns the score into a probability; None for the reason in ``unavailable``.
        verdict: of the detector alone.
        unavailable: why there is no probability; None if there is one.
    """

    prediction: Prediction
    score: float
    posterior: Posterior | None
    verdict: Verdict | None = None
    unavailable: Unavailable | None = None

    @classmethod
    def of_model(cls, prediction: Prediction, posterior: Posterior) -> Answer:
        unavailable = None if posterior.transfers else Unavailable.NOT_TRANSFERABLE
        return cls(prediction, score_of(prediction), posterior, unavailable=unavailable)

    @classmethod
    def of_detector(cls, prediction: Prediction, no_color: bool, sets: ReferenceSets) -> Answer:
        score, kind = sets.score_and_kind(prediction, no_color)
        verdict = sets.verdict(score, kind, no_color)
        return cls(prediction, score, sets.posterior(kind), verdict, sets.unavailable(kind))

    def edited(self, prior: float = PRIOR) -> float | None:
        """Return the probability that the image was edited; None where it is ``unavailable``."""
        return answers_for(np.array([self.score]), self.posterior, prior)[0][0]

    def answer(self, prior: float = PRIOR) -> str:
        """Return edited, probably edited, inconclusive, probably unedited or no edit detected."""
        return answers_for(np.array([self.score]), self.posterior, prior)[1][0]

    def classes(self) -> list[dict[str, Any]]:
        """Return how the image was edited if it was: ``class``, ``group``, ``probability``, most probable first.

        The probabilities sum to 1; identity is left out.
        """
        return classes_of(self.prediction, no_color=self.verdict is not None and self.verdict.no_color)

    def row(self, image: str, prior: float = PRIOR) -> dict[str, Any]:
        """Return a row of `Predictor.predict`."""
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
    """Return the classes of `Answer.classes`; without color, those of the color group have a probability of 0."""
    probabilities = given_edited(prediction.probabilities, prediction.groups, no_color)
    classes = zip(prediction.classes, prediction.groups, probabilities, strict=True)
    return [
        {"class": name, "group": group, "probability": float(p)}
        for name, group, p in sorted(classes, key=lambda one: -one[2])
        if group != "identity"
    ]
