"""Several trainings of one kind, each with a seed of its own: what their spread shows, from three of them on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from probing_core.measures.intervals import t_quantile

FEWEST_SEEDS = 3
"""With fewer trainings than this no interval over them is given."""


def seeds_interval(scores: Sequence[float]) -> tuple[float, float]:
    """The 95 % t interval (low, high) of the mean of ``scores``, one a training; NaN for fewer than three."""
    if len(scores) < FEWEST_SEEDS:
        return float("nan"), float("nan")
    half = t_quantile(len(scores) - 1) * float(np.std(scores, ddof=1)) / np.sqrt(len(scores))
    mean = float(np.mean(scores))
    return mean - half, mean + half


def seeds_difference(first: Sequence[float], second: Sequence[float]) -> tuple[float, float, float]:
    """The 95 % t interval (low, high) of mean(``first``) - mean(``second``) and its two-sided p-value.

    The trainings are not paired and may vary by different amounts (Welch 1947). NaN where either has fewer than three.
    """
    if min(len(first), len(second)) < FEWEST_SEEDS:
        return float("nan"), float("nan"), float("nan")
    effect = float(np.mean(first) - np.mean(second))
    parts = [float(np.var(scores, ddof=1)) / len(scores) for scores in (first, second)]
    error = np.sqrt(sum(parts))
    if error == 0:  # trainings that all score alike
        return effect, effect, float(effect == 0)
    freedom = error**4 / sum(p**2 / (len(s) - 1) for p, s in zip(parts, (first, second), strict=True))
    half = t_quantile(freedom) * error
    # As in `measures.intervals`: scipy.stats takes half a second to import.
    from scipy.special import stdtr

    return effect - half, effect + half, float(2 * stdtr(freedom, -abs(effect) / error))
