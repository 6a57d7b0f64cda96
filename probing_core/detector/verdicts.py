"""The answer to "was this picture altered?": a verdict with its p-value, and what was done if it was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from probing_core.compute.live.answer import Prediction
from probing_core.detector.calibration import LEVEL, Calibration, alarms, calibration_of, is_enough, p_values
from probing_core.detector.power import Power, kinds_of, power_of
from probing_core.detector.score import alteration_score, log_of

UNTOUCHED = "untouched"
ALTERED = "altered"
STRANGE = "strange"
NOT_CALIBRATED = "not calibrated"
CANNOT_DETECT = "cannot detect"

ALARMS = (ALTERED, STRANGE)
"""Answers of a model that alarms, for tables of answers; `Verdict.alarms` tells of one."""

SURE = 0.01
"""p below which a picture is called altered without "perhaps": of untouched ones, one in a hundred seems as altered."""


@dataclass(frozen=True)
class Verdict:
    """What is answered about one picture: ``verdict`` in a row of ``probing predict --json``.

    Attributes:
        answer: ``untouched`` where p is above the level; ``strange`` where it is not and the picture lies farther
            from all that was learned than 99 % of held-out pictures; else ``altered``. ``not calibrated`` with too few
            untouched photographs for the level, ``cannot detect`` where the model detects next to nothing.
        group, transform: what was done, if ``altered``; with their probabilities given that it was.
        p: share of untouched photographs that seem as altered; None without any.
        n: how many photographs p rests on.
        no_color: whether the picture has no color, so that the color group was left out.
        power: share of altered pictures that the model detects at the level; None if not measured.
    """

    answer: str
    group: str | None
    transform: str | None
    group_probability: float | None
    transform_probability: float | None
    p: float | None
    n: int
    no_color: bool
    power: float | None

    @property
    def alarms(self) -> bool:
        """Return whether the model finds that the picture is not untouched."""
        return self.answer in ALARMS

    @property
    def can_tell(self) -> bool:
        """Return whether the model is calibrated and finds enough of the altered pictures."""
        return self.alarms or self.answer == UNTOUCHED

    @property
    def is_calibrated(self) -> bool:
        """Return whether there were enough untouched photographs for an answer."""
        return self.answer != NOT_CALIBRATED

    @property
    def words(self) -> str:
        """The answer as people read it."""
        return in_words(self.answer, self.p)


def in_words(answer: str, p: float | None) -> str:
    """Return an answer as people read it: ``perhaps altered`` where ``p`` is near the level."""
    return f"perhaps {ALTERED}" if answer == ALTERED and p is not None and p >= SURE else answer


@dataclass(frozen=True, eq=False)
class Judge:
    """Turns predictions of one model into verdicts.

    Attributes:
        calibration: None where the run has none for the model.
        power: on pictures of about the view's size, and on larger ones that are judged by their whole alone.
        power_large: on larger ones that are judged by whole and tiles.
    """

    calibration: Calibration | None
    power: Power | None
    level: float = LEVEL
    power_large: Power | None = None

    @classmethod
    def from_rows(cls, rows: pd.DataFrame | None, level: float = LEVEL) -> Judge:
        """Build the judge by a run's table of scored views (docs/run-format.md)."""
        if rows is None:
            return cls(None, None, level)
        calibration = calibration_of(rows, level)
        view, large = (power_of(rows, calibration, level, size) for size in ("view", "large"))
        return cls(calibration, view, level, large)

    def power_at(self, large: bool, no_color: bool) -> Power | None:
        """Return the power on ``large`` pictures, which without color are judged by their whole alone, or on others."""
        by_tiles = large and not no_color and self.calibration is not None and len(self.calibration.large)
        return self.power_large if by_tiles else self.power

    def verdict(self, prediction: Prediction, no_color: bool) -> Verdict:
        if self.calibration is None:
            return Verdict(NOT_CALIBRATED, None, None, None, None, None, 0, no_color, None)
        large = prediction.kind == "combined"
        power = self.power_at(large, no_color)
        kind = str(kinds_of(np.array([large]), np.array([no_color]), self.calibration)[0])
        untouched = self.calibration.scores(kind)
        score = score_of(prediction, no_color, fused=kind == "large")
        p = float(p_values(np.array([score]), untouched)[0]) if len(untouched) else None
        named: tuple[str | None, str | None, float | None, float | None] = (None, None, None, None)
        if p is None or not is_enough(len(untouched), self.level):
            answer = NOT_CALIBRATED
        elif power is not None and power.is_next_to_nothing:
            answer = CANNOT_DETECT
        elif not alarms(p, self.level):
            answer = UNTOUCHED
        elif not prediction.known:
            answer = STRANGE
        else:
            answer, named = ALTERED, what_was_done(prediction, no_color)
        worth = None if power is None else power.overall.value
        return Verdict(answer, *named, p, len(untouched), no_color, worth)


def score_of(prediction: Prediction, no_color: bool, fused: bool) -> float:
    """Return the alteration score of a picture: of its whole alone, or of whole and tiles ``fused``."""
    probabilities = prediction.probabilities if fused else prediction.crop_probabilities[0]
    return float(alteration_score(log_of(probabilities)[None], prediction.groups, no_color)[0])


def what_was_done(prediction: Prediction, no_color: bool) -> tuple[str, str, float, float]:
    """Return (group, class, their probabilities) given that the picture was altered; the class is of that group."""
    group = np.asarray(prediction.groups)
    possible = (group != "identity") & ~(no_color & (group == "color"))
    share = np.where(possible, prediction.probabilities, 0)
    share = share / share.sum()
    by_group = {name: float(share[group == name].sum()) for name in dict.fromkeys(group[possible])}
    best = max(by_group, key=by_group.__getitem__)
    position = int(np.argmax(np.where(group == best, share, -1)))
    return str(best), prediction.classes[position], by_group[best], float(share[position])
