"""Confidence intervals of the difference between two scores that differ on few photographs."""

from __future__ import annotations

from dataclasses import dataclass
from math import copysign, sqrt

import numpy as np

MIN_DIFFERING = 5
"""Number of differing photographs from which the size of their differences is estimated from the data alone."""

ROUNDING = 1e-9
"""Relative difference of a photograph up to which both scores are equal."""

BISECTIONS = 60


@dataclass(frozen=True)
class RareDifferences:
    """Numbers of photographs on which the first or the second score is higher, for the interval of Tango (1998).

    The interval inverts the score test for paired proportions. In contrast to a bootstrap, it is valid if no or few
    photographs differ. Tango's photographs differ by 1 and have equal weights. Here, they differ by ``scale``, and the
    counts are effective sample sizes (Kish 1965) with the observed difference and its observed variance.

    Attributes:
        gains: number of photographs on which the first score is higher.
        losses: number of photographs on which the second score is higher.
        size: number of photographs.
        scale: difference on a differing photograph. The more photographs differ, the less it depends on the assumption
            that an unseen difference could be 1. From `MIN_DIFFERING` differing photographs, it does not.
    """

    gains: float
    losses: float
    size: float
    scale: float

    @classmethod
    def of(cls, differences: np.ndarray, deviations: np.ndarray, weights: np.ndarray) -> RareDifferences | None:
        """Return the numbers of differing photographs, or None if half or more of the photographs differ.

        Args:
            differences: (C,) contribution of each photograph to the difference between the scores.
            deviations: (C,) deviations of the contributions. Their sum of squares is the variance of the difference.
            weights: (C,) largest possible contribution of each photograph. The sum of the weights is 1.
        """
        differing = np.count_nonzero(np.abs(differences) > ROUNDING * weights)
        if 2 * differing >= len(differences):
            return None
        total, squares = float(np.abs(differences).sum()), float((differences**2).sum())
        size = max(1 / float((weights**2).sum()), total**2 / squares if squares else 0.0)
        total, squares = size * total, size**2 * squares
        unseen = max(0.0, 1 - differing / MIN_DIFFERING)
        scale = (squares + unseen) / (total + unseen)
        value = float(differences.sum())
        balance = size * value / scale
        count = size * (size * float((deviations**2).sum()) + value**2) / scale**2
        count = max(min(count, size), abs(balance))
        return cls((count + balance) / 2, (count - balance) / 2, size, scale)

    def statistic(self, difference: float) -> float:
        """Compute the statistic of Tango's test of a hypothetical ``difference``, approximately normally distributed.

        It decreases with ``difference`` and is 0 for the observed difference.
        """
        n, delta = self.size, min(max(difference / self.scale, -1.0), 1.0)
        b = (2 * n - self.gains + self.losses) * delta - self.gains - self.losses
        c = -self.losses * delta * (1 - delta)
        rate = (sqrt(max(b**2 - 8 * n * c, 0.0)) - b) / (4 * n)  # of losses, the maximum likelihood estimate
        variance = n * (2 * rate + delta * (1 - delta))
        excess = self.gains - self.losses - n * difference / self.scale
        if abs(excess) <= ROUNDING:
            return 0.0
        return excess / sqrt(variance) if variance > 0 else copysign(float("inf"), excess)

    def interval(self, z: float) -> tuple[float, float]:
        """Return the lowest and the highest difference whose test statistic is between -``z`` and ``z``."""
        value = (self.gains - self.losses) / self.size * self.scale
        return self._root(-self.scale, value, z), self._root(value, self.scale, -z)

    def _root(self, low: float, high: float, z: float) -> float:
        """Find the difference between ``low`` and ``high`` with the statistic ``z`` by bisection."""
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.statistic(middle) > z else (low, middle)
        return (low + high) / 2
