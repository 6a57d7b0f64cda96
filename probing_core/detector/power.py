"""What an answer is worth: the share of altered pictures that a model detects at a level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from probing_core.detector.calibration import Calibration, alarms, p_values
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.statistics import Interval, interval

HALF = 0.5
"""Groups of which a smaller share is detected are named where a picture is called untouched."""

NEXT_TO_NOTHING = 3
"""Times the level: a model that detects a smaller share gives no verdict."""


@dataclass(frozen=True)
class Power:
    """Shares detected, on photographs that nothing was learned from, chosen on or calibrated on.

    Attributes:
        overall: groups weigh the same, and within each the bank and the alternatives.
        by_group: the same of each group.
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
    """Return ``rows`` of scored views with ``p``: each by the photographs of its kind, large ones by their whole alone
    until large photographs calibrate."""
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
    """Return the power that a table of scored views shows at ``level``; None if nothing altered was reported on.

    Args:
        size: of the pictures: ``view``, or ``large`` where whole and tiles give one score.
    """
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
