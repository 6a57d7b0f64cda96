"""The detector's verdict on a picture, with its p-value, and what was done if it was altered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from probing_core.compute.live import (
    ALTERED,
    CANNOT_TELL,
    PRIOR,
    RATHER_ALTERED,
    Noticing,
    Prediction,
    alteration_score,
    log_of,
    noticing_by,
    word,
)
from probing_core.detector.calibration import LEVEL, Calibration, alarms, calibration_of, is_enough, p_values
from probing_core.detector.power import Power, kinds_of, power_of

ALARMS = (ALTERED, RATHER_ALTERED)
"""Answers of a detector that alarms, for tables of answers; `Verdict.alarms` tells of one."""

SURE = 5
"""A p of the level divided by this, or less, is called altered, and up to the level rather altered."""


@dataclass(frozen=True)
class Verdict:
    """What the detector finds in one picture: ``verdict`` in its row of ``probing predict --json``.

    Attributes:
        alarms: whether p is at most the level: so altered seems a share ``level`` of untouched pictures.
        group, transform: what was done, if it alarms; with their probabilities given that the picture was altered.
        p: share of untouched photographs that seem as altered; None with too few of them for the level.
        n: how many photographs p is based on.
        level: share of untouched pictures that may alarm.
        no_color: whether the picture has no color, so that the color group was left out.
        power: share of altered pictures that alarm at the level; None if not measured.
        odds: natural logarithm of the odds that it was altered, under a prior of one half.
    """

    alarms: bool
    group: str | None
    transform: str | None
    group_probability: float | None
    transform_probability: float | None
    p: float | None
    n: int
    level: float
    no_color: bool
    power: float | None
    odds: float

    def answer(self, prior: float = PRIOR) -> str:
        """Return the verdict in one of five words: only a p at or below the level is called altered."""
        if self.p is None:
            return CANNOT_TELL
        if self.alarms:
            return ALTERED if self.p <= self.level / SURE else RATHER_ALTERED
        return word(self.altered(prior))

    def altered(self, prior: float = PRIOR) -> float:
        """Return the probability that the picture was altered, kept within the range of `answer`: p decides where the
        two differ."""
        if self.p is None:
            return prior
        low, high = {ALTERED: (0.9, 1.0), RATHER_ALTERED: (0.6, 0.9)}[self.answer(prior)] if self.alarms else (0.0, 0.5)
        return float(np.clip(Noticing(1.0).altered(np.array([self.odds]), prior)[0], low, high))


@dataclass(frozen=True, eq=False)
class Judge:
    """Turns predictions of the detector into verdicts.

    Attributes:
        calibration: None where the run has none.
        power: on pictures of about the view's size, and on larger ones that are judged by their whole alone.
        power_large: on larger ones that are judged by whole and tiles.
        noticing: ``view`` or ``large`` -> how a score becomes a probability.
    """

    calibration: Calibration | None
    power: Power | None
    level: float = LEVEL
    power_large: Power | None = None
    noticing: Mapping[str, Noticing] = field(default_factory=dict)

    @classmethod
    def from_rows(cls, rows: pd.DataFrame | None, level: float = LEVEL) -> Judge:
        """Build the judge by a run's table of scored views (docs/run-format.md)."""
        if rows is None:
            return cls(None, None, level)
        calibration = calibration_of(rows, level)
        view, large = (power_of(rows, calibration, level, size) for size in ("view", "large"))
        color = rows[~rows["no_color"]]
        noticing = {size: noticing_by(color[color["size"] == size]) for size in ("view", "large")}
        return cls(calibration, view, level, large, noticing)

    def power_at(self, large: bool, no_color: bool) -> Power | None:
        """Return the power on ``large`` pictures, which without color are judged by their whole alone, or on others."""
        by_tiles = large and not no_color and self.calibration is not None and len(self.calibration.large)
        return self.power_large if by_tiles else self.power

    def verdict(self, prediction: Prediction, no_color: bool) -> Verdict:
        if self.calibration is None:
            return Verdict(False, None, None, None, None, None, 0, self.level, no_color, None, 0.0)
        large = prediction.kind == "combined"
        power = self.power_at(large, no_color)
        kind = str(kinds_of(np.array([large]), np.array([no_color]), self.calibration)[0])
        untouched = self.calibration.scores(kind)
        score = score_of(prediction, no_color, fused=kind == "large")
        able = is_enough(len(untouched), self.level) and not (power is not None and power.is_next_to_nothing)
        p = float(p_values(np.array([score]), untouched)[0]) if able else None
        found = p is not None and bool(alarms(p, self.level))
        named: tuple[str | None, str | None, float | None, float | None] = (None, None, None, None)
        if found:
            named = what_was_done(prediction, no_color)
        worth = None if power is None else power.overall.value
        numbers = self.noticing.get("large" if kind == "large" else "view", Noticing())
        odds = (score - numbers.offset) / numbers.temperature
        return Verdict(found, *named, p, len(untouched), self.level, no_color, worth, odds)


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
