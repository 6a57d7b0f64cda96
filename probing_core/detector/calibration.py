"""From a score to a p-value: how many untouched photographs, of those that nothing was learned from, score as high.

Conformal p-values (Vovk et al. 2005; for outliers Bates et al. 2021): valid where the picture, if untouched, comes from
the same source as the photographs. Each photograph counts once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

LEVEL = 0.05
"""Share of untouched pictures that may be called altered, where the photographs are of their source."""

MIN_BEYOND = 5
"""Photographs that must be expected beyond the level; with fewer, the level that was meant and that which is realized
differ too much: 100 photographs for 5 %, 500 for 1 %."""

MIN_CHECKED = 2
"""Large photographs that must be expected beyond the level where its error is checked, 40 for 5 %: with fewer, an error
of four times the level would often go unnoticed."""

AS_IT_IS, TURNED_GRAY = "as it is", "turned gray"
"""What was done to an untouched photograph before it was scored: nothing, or its color was taken off."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Scores of untouched photographs.

    Attributes:
        view: (n,) of pictures at about the view's size.
        gray: (m,) of the same turned gray, scored without the color group.
        large: (l,) of large pictures, whole and tiles as one; empty if none were given, or if the error of these
            scores did not hold on others.
    """

    view: np.ndarray
    gray: np.ndarray
    large: np.ndarray

    def scores(self, kind: str) -> np.ndarray:
        """Return those of ``view``, ``gray`` or ``large``."""
        return getattr(self, kind)


def p_values(scores: np.ndarray, untouched: np.ndarray) -> np.ndarray:
    """Return (N,) (1 + photographs that score as high) / (n + 1).

    Args:
        scores: (N,) of pictures.
        untouched: (n,) of the photographs.
    """
    ordered = np.sort(np.asarray(untouched, np.float64))
    as_high = len(ordered) - np.searchsorted(ordered, np.asarray(scores, np.float64), side="left")
    return (1 + as_high) / (len(ordered) + 1)


def alarms(p: np.ndarray | float, level: float = LEVEL) -> np.ndarray:
    """Return which of the p-values ``p`` alarm at ``level``."""
    return np.asarray(p) <= level


def is_enough(count: int, level: float) -> bool:
    """Return whether ``count`` photographs calibrate ``level``."""
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
    gray = at_view.loc[at_view["maker"] == TURNED_GRAY, "score"].to_numpy()
    large = calibrating.loc[(calibrating["size"] == "large") & ~calibrating["no_color"], "score"].to_numpy()
    reported = untouched[(untouched["role"] == "report") & (untouched["size"] == "large") & ~untouched["no_color"]]
    enough = is_enough(len(large), level) and len(reported) * level >= MIN_CHECKED - 1e-9
    holds = enough and error_holds(p_values(reported["score"].to_numpy(), large), level, len(large))
    return Calibration(color, gray, large if holds else large[:0])


def error_holds(p: np.ndarray, level: float, calibrated_on: int) -> bool:
    """Return whether so many alarms among ``p`` (n,) at ``level`` are no surprise, at 95 %, among pictures of the same
    source as the ``calibrated_on`` photographs.

    Their number has a beta-binomial distribution then: the photographs are a draw, too.
    """
    from scipy.special import betaln, gammaln

    n, found = len(p), int(alarms(p, level).sum())
    beyond = math.floor(level * (calibrated_on + 1) + 1e-9)  # ranks among the photographs that alarm
    within = calibrated_on + 1 - beyond
    if not beyond:
        return found == 0
    k = np.arange(found, n + 1)
    choices = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    as_many = np.exp(choices + betaln(k + beyond, n - k + within) - betaln(beyond, within)).sum()
    return bool(as_many > 0.05)
