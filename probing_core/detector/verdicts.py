"""From a score to a verdict: p-values by untouched photographs, the detector's power, and what was done.

P-values are conformal (Vovk et al. 2005; for outliers Bates et al. 2021): valid where the picture, if untouched, comes
from the same source as the photographs. Each photograph counts once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

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
from probing_core.images.quality import PERHAPS_NO_PHOTOGRAPH
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.notation import in_percent, transform_title
from probing_core.measures.statistics import Interval, interval

LEVEL = 0.05
"""Share of untouched pictures that may be called altered, where the photographs are of their source."""

MIN_BEYOND = 5
"""Fewest photographs expected beyond the level: with fewer, the intended level and the realized one differ too much.
That is 100 photographs for 5 %, 500 for 1 %."""

MIN_CHECKED = 2
"""Fewest large photographs expected beyond the level where its error is checked, 40 photographs for 5 %: with fewer, an
error of four times the level would often go unnoticed."""

AS_IT_IS, TURNED_GRAY = "as it is", "turned gray"
"""What was done to an untouched photograph before it was scored: nothing, or its color was removed."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Scores of untouched photographs.

    Attributes:
        view: (n,) of pictures of about the view's size.
        gray: (m,) of the same turned gray, scored without the color group.
        large: (l,) of large pictures, whole and tiles as one; empty if none were given, or if the error of these
            scores did not hold on others.
    """

    view: np.ndarray
    gray: np.ndarray
    large: np.ndarray

    def scores(self, kind: str) -> np.ndarray:
        return getattr(self, kind)


def p_values(scores: np.ndarray, untouched: np.ndarray) -> np.ndarray:
    """Return the p-values (N,) of ``scores`` (N,): (1 + ``untouched`` (n,) that are as high) / (n + 1)."""
    ordered = np.sort(np.asarray(untouched, np.float64))
    as_high = len(ordered) - np.searchsorted(ordered, np.asarray(scores, np.float64), side="left")
    return (1 + as_high) / (len(ordered) + 1)


def alarms(p: np.ndarray | float, level: float = LEVEL) -> np.ndarray:
    return np.asarray(p) <= level


def is_enough(count: int, level: float) -> bool:
    return count * level >= MIN_BEYOND - 1e-9


def calibration_of(rows: pd.DataFrame, level: float = LEVEL) -> Calibration:
    """Read the calibration that a table of scored views holds (docs/run-format.md).

    The large pictures count if, calibrated by those of role ``calibrate``, the error on those of role ``report`` is not
    above ``level`` by more than chance; until then tiles may name a group, but never decide a verdict.
    """
    untouched = rows[rows["transform"] == "identity"]
    calibrating = untouched[untouched["role"] == "calibrate"]
    at_view = calibrating[calibrating["size"] == "view"]
    color = at_view.loc[(at_view["maker"] == AS_IT_IS) & ~at_view["no_color"], "score"].to_numpy()
    gray = at_view.loc[at_view["maker"] == TURNED_GRAY, "score"].dropna().to_numpy()
    large = calibrating.loc[(calibrating["size"] == "large") & ~calibrating["no_color"], "score"].to_numpy()
    reported = untouched[(untouched["role"] == "report") & (untouched["size"] == "large") & ~untouched["no_color"]]
    enough = is_enough(len(large), level) and len(reported) * level >= MIN_CHECKED - 1e-9
    holds = enough and error_holds(p_values(reported["score"].to_numpy(), large), level, len(large))
    return Calibration(color, gray, large if holds else large[:0])


def error_holds(p: np.ndarray, level: float, calibrated_on: int) -> bool:
    """Return whether the number of alarms among ``p`` (n,) at ``level`` is plausible (95 %) for pictures of the same
    source as the ``calibrated_on`` photographs.

    Their number then has a beta-binomial distribution, since the photographs are a sample, too.
    """
    from scipy.special import betaln, gammaln

    n, found = len(p), int(alarms(p, level).sum())
    beyond = math.floor(level * (calibrated_on + 1) + 1e-9)  # ranks of the photographs that alarm
    within = calibrated_on + 1 - beyond
    if not beyond:
        return found == 0
    k = np.arange(found, n + 1)
    choices = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    as_many = np.exp(choices + betaln(k + beyond, n - k + within) - betaln(beyond, within)).sum()
    return bool(as_many > 0.05)


HALF = 0.5
"""Groups of which a smaller share is detected are named where a picture is called untouched."""

NEXT_TO_NOTHING = 3
"""A model that detects less than this multiple of the level gives no verdict."""


@dataclass(frozen=True)
class Power:
    """Shares detected, on photographs that were not used for learning, choosing or calibrating.

    Attributes:
        overall: groups weigh the same, and within each the bank and the alternatives.
        by_group: the share of each group.
    """

    level: float
    overall: Interval
    by_group: dict[str, Interval]

    @property
    def hardly_detected(self) -> tuple[str, ...]:
        """Groups of which less than half is detected."""
        return tuple(group for group, share in self.by_group.items() if share.value < HALF)

    @property
    def is_next_to_nothing(self) -> bool:
        return self.overall.value < NEXT_TO_NOTHING * self.level


def with_p_values(rows: pd.DataFrame, calibration: Calibration) -> pd.DataFrame:
    """Return ``rows`` of scored views with ``p``, each by the photographs of its kind; large ones by their whole
    alone until large photographs calibrate."""
    kind = kinds_of(rows["size"].to_numpy() == "large", rows["no_color"].to_numpy(), calibration)
    score = rows["score"].to_numpy()
    if "whole_score" in rows:
        score = np.where(kind == "large", score, rows["whole_score"].to_numpy())
    p = np.ones(len(rows))
    for name in np.unique(kind):
        mine = kind == name
        p[mine] = p_values(score[mine], calibration.scores(name))
    return rows.assign(p=p)


def kinds_of(large: np.ndarray, no_color: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Return (N,) which photographs calibrate each picture: ``view``, ``gray`` or ``large``."""
    by_tiles = np.asarray(large) & bool(len(calibration.large))
    return np.where(no_color, "gray", np.where(by_tiles, "large", "view"))


def power_of(rows: pd.DataFrame, calibration: Calibration, level: float, size: str = "view") -> Power | None:
    """Return the power at ``level`` for pictures of a size (``view``, or ``large`` where whole and tiles give one
    score) in a table of scored views; None if nothing altered was reported on."""
    altered = rows[(rows["role"] == "report") & (rows["transform"] != "identity") & (rows["size"] == size)]
    if altered.empty or not len(calibration.scores(size)):
        return None
    altered = with_p_values(altered, calibration)
    detected = alarms(altered["p"].to_numpy(), level)
    photographs = altered["base_id"].to_numpy()
    cell = (altered["group"] + "|" + altered["maker"]).astype("category").cat.codes.to_numpy(np.int64)

    def share(mine: np.ndarray) -> Interval:
        found = np.where(detected[mine], cell[mine], -1)
        return interval(balanced_accuracy(cell[mine], found, photographs[mine]), low=0, high=1)

    everything = np.ones(len(altered), bool)
    groups = altered["group"].to_numpy()
    return Power(level, share(everything), {group: share(groups == group) for group in dict.fromkeys(groups)})


ALARMS = (ALTERED, RATHER_ALTERED)
"""Answers of a detector that alarms, in tables of answers."""

SURE = 5
"""A p up to the level divided by this is called altered, and up to the level rather altered."""


NAMED, PERHAPS, MOST_LIKE = 50, 60, 90
"""Percent, as shown: what is less probable than `NAMED` is not named, a group below `PERHAPS` is named with *perhaps*,
and a transformation below `MOST_LIKE` is what the picture is *most like*."""

NOT_CLEAR = "not clear"
"""What was done, where no group is probable enough to be named."""


def is_named(probability: float) -> bool:
    return round(100 * probability) >= NAMED


def transform_in_words(transform: str, probability: float, numbers: bool = False) -> str:
    """Return the name of a transformation as certain as it is, empty below `NAMED`: ``most like Perspective``, with
    ``numbers`` followed by ``(67 %)``."""
    if not is_named(probability):
        return ""
    words = f"{'most like ' if round(100 * probability) < MOST_LIKE else ''}{transform_title(transform)}"
    return f"{words} ({in_percent(probability)})" if numbers else words


def done_in_words(
    group: str, transform: str, group_probability: float, transform_probability: float, numbers: bool = False
) -> str:
    """Return what was done to a picture that alarms, by its `Verdict`: ``perhaps codec, most like JPEG``, or
    `NOT_CLEAR`. With ``numbers``, the probabilities follow the names."""
    if not is_named(group_probability):
        return NOT_CLEAR
    words = f"{'perhaps ' if round(100 * group_probability) < PERHAPS else ''}{group}"
    words = f"{words} ({in_percent(group_probability)})" if numbers else words
    return ", ".join(filter(None, (words, transform_in_words(transform, transform_probability, numbers))))


def as_altered(p: float, n: int) -> str:
    """Return how many untouched photographs seem at least as altered as a picture, from ``p`` and ``n`` of its
    `Verdict`: ``2 of 147 (1.4 %)``."""
    count = round(p * (n + 1)) - 1
    return f"{count:,} of {n:,} ({in_percent(count / n, 1)})"


class Said(NamedTuple):
    """The verdict on one picture in words, for tables; of what is perhaps no photograph, it has the verdict alone.

    Attributes:
        verdict: in five words, or why there is none.
        done: what was done, if it alarms.
        like_it: `as_altered`, where there is a p.
    """

    verdict: str
    done: str = ""
    like_it: str = ""


def said_of(
    verdict: str,
    group: str | None,
    transform: str | None,
    group_probability: float | None,
    transform_probability: float | None,
    p: float | None,
    n: float,
    is_doubtful: bool,
) -> Said:
    """Return what every table says of a picture.

    Args:
        verdict: its word; the others are of its `Verdict`, or of the row of a scan, where what is missing is NaN.
        is_doubtful: whether it is perhaps no photograph.
    """
    if is_doubtful:
        return Said(PERHAPS_NO_PHOTOGRAPH)
    done = ""
    if group and transform and group_probability is not None and transform_probability is not None:
        words = done_in_words(group, transform, group_probability, transform_probability)
        done = words[0].upper() + words[1:]  # not `capitalize`, which takes the capitals of JPEG
    return Said(verdict, done, "" if p is None or pd.isna(p) or not n > 0 else as_altered(p, int(n)))


def by_odds(odds: float, prior: float) -> float:
    """Return the probability that a picture was altered, whether it alarms or not, from ``odds`` of its `Verdict`."""
    return float(Noticing(1.0).altered(np.array([odds]), prior)[0])


@dataclass(frozen=True)
class Verdict:
    """What the detector finds in one picture: ``verdict`` in its row of ``probing predict --json``.

    Attributes:
        alarms: whether p is at most the level: a share ``level`` of untouched pictures seems as altered.
        group, transform: what was done, if it alarms; with their probabilities given that the picture was altered.
        p: share of untouched photographs that seem as altered; None with too few of them for the level.
        n: number of photographs that p is based on.
        level: share of untouched pictures that may alarm.
        no_color: whether the picture has hardly any color (`has_no_color`), so that the color group was left out.
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
        """Return the verdict in one of five words: only a p up to the level is called altered."""
        if self.p is None:
            return CANNOT_TELL
        if self.alarms:
            return ALTERED if self.p <= self.level / SURE else RATHER_ALTERED
        return word(self.altered(prior))

    def altered(self, prior: float = PRIOR) -> float:
        """Return the probability that the picture was altered, clipped to the range of `answer`: p decides where the
        two differ."""
        if self.p is None:
            return prior
        low, high = {ALTERED: (0.91, 1.0), RATHER_ALTERED: (0.61, 0.9)}[self.answer(prior)] if self.alarms else (0, 0.5)
        return float(np.clip(by_odds(self.odds, prior), low, high))


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
        """Build the judge from a run's table of scored views (docs/run-format.md)."""
        if rows is None:
            return cls(None, None, level)
        calibration = calibration_of(rows, level)
        view, large = (power_of(rows, calibration, level, size) for size in ("view", "large"))
        color = rows[~rows["no_color"]]
        noticing = {size: noticing_by(color[color["size"] == size]) for size in ("view", "large")}
        return cls(calibration, view, level, large, noticing)

    def power_at(self, large: bool, no_color: bool) -> Power | None:
        """Return the power for ``large`` pictures (without color these are judged by their whole alone) or for
        others."""
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
        odds = 0.0 if p is None else (score - numbers.offset) / numbers.temperature
        return Verdict(found, *named, p, len(untouched), self.level, no_color, worth, odds)


def score_of(prediction: Prediction, no_color: bool, fused: bool) -> float:
    """Return the alteration score of a picture: of its whole alone, or of whole and tiles ``fused``."""
    probabilities = prediction.probabilities if fused else prediction.crop_probabilities[0]
    return float(alteration_score(log_of(probabilities)[None], prediction.groups, no_color)[0])


def what_was_done(prediction: Prediction, no_color: bool) -> tuple[str, str, float, float]:
    """Return group, class and their probabilities given that the picture was altered; the class is of that group."""
    group = np.asarray(prediction.groups)
    possible = (group != "identity") & ~(no_color & (group == "color"))
    share = np.where(possible, prediction.probabilities, 0)
    share = share / share.sum()
    by_group = {name: float(share[group == name].sum()) for name in dict.fromkeys(group[possible])}
    best = max(by_group, key=by_group.__getitem__)
    position = int(np.argmax(np.where(group == best, share, -1)))
    return str(best), prediction.classes[position], by_group[best], float(share[position])
