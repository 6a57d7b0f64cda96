"""Description of measures: unit, bounds, direction, definition and, for scores, a function.

Tables and charts use everything except the function, which `probing_core.compute.evaluation.score_rows` calls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from probing_core.measures.statistics import ClusterSums


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions of a probe for N samples, the input of a score.

    Attributes:
        truth, predicted: (N,) class indices.
        clusters: (N,) base photograph of each sample.
        p_truth: (N,) probability of the true class.
        p_predicted: (N,) probability of the predicted class; None if it was not stored.
        p_calibrated: (N,) probability of the predicted class after temperature scaling; None without a temperature.
    """

    truth: np.ndarray
    predicted: np.ndarray
    clusters: np.ndarray
    p_truth: np.ndarray
    p_predicted: np.ndarray | None = None
    p_calibrated: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A measure and its description for tables, charts and the evaluation.

    Attributes:
        name: name in tables, such as ``balanced-accuracy``.
        title: display name, such as ``balanced accuracy``.
        unit: ``fraction``, ``nats``, ``bits``, ...
        low, high: bounds of the values; None if unbounded.
        higher_is_better: direction; None if neither direction is better.
        definition: explanation in one or two sentences.
        formula: the definition in symbols, as plain text.
        source: source of the definition.
        has_interval: whether to compute a bootstrap interval. For a sum of absolute gaps, which increases with
            sampling noise, an interval would be misleading because it may not include the value.
        score: function that computes the score as sums by photograph, or returns None if an input is not available.
            Every probe is scored on the transformations that it was trained on (subset ``seen``). The attribute is None
            for measures of specific subsets (`probing_core.compute.evaluation.score_rows`) and of studies
            (`probing_core.compute.studies`).
        chance: function that returns the score of random guessing for a number of classes; NaN if unknown.
    """

    name: str
    title: str
    unit: str
    low: float | None
    high: float | None
    higher_is_better: bool | None
    definition: str
    formula: str
    source: str
    has_interval: bool = True
    score: Callable[[Predictions], ClusterSums | None] | None = None
    chance: Callable[[int], float] = lambda classes: float("nan")

    @property
    def hint(self) -> str:
        """Definition and direction, as displayed next to the measure."""
        if self.higher_is_better is None:
            return self.definition
        return f"{self.definition} {'Higher' if self.higher_is_better else 'Lower'} is better."


fraction = partial(Measure, unit="fraction", low=0.0, high=1.0)
"""Measure with values between 0 and 1."""

gap = partial(Measure, unit="fraction", low=-1.0, high=1.0)
"""Measure that is the difference between two fractions."""
