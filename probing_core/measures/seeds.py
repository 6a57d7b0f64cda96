"""Trainings that differ in their seed alone: what their spread shows about a difference."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

import numpy as np

from probing_core.measures.statistics import t_quantile

MIN_SEEDS = 3
"""Fewest trainings of one kind for an interval over them."""

MIN_FREEDOM = 4
"""Fewest degrees of freedom for a test that uses the spread between trainings."""

_SEED = re.compile(r"@seed=(\d+)(?=@|$)")
_LAYER = re.compile(r"@layer=\d+(?=@|$)")


def seeds_interval(scores: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % t interval (low, high) of the mean of ``scores``, one a training; NaN for fewer than three."""
    if len(scores) < MIN_SEEDS:
        return float("nan"), float("nan")
    half = t_quantile(len(scores) - 1) * float(np.std(scores, ddof=1)) / np.sqrt(len(scores))
    mean = float(np.mean(scores))
    return mean - half, mean + half


def pooled_deviation(kinds: Sequence[Sequence[float]]) -> tuple[float, int]:
    """Return the standard deviation between trainings of one kind, pooled over ``kinds``, and its degrees of freedom.

    All kinds are assumed to vary alike: the squared deviations from the mean of each kind are summed and divided by the
    number of trainings minus the number of kinds (the error mean square of a one-way analysis of variance).

    Returns:
        (deviation, freedom); NaN and 0 where no kind has two trainings.
    """
    freedom = sum(len(scores) - 1 for scores in kinds if len(scores))
    if freedom == 0:
        return float("nan"), 0
    squares = sum(float(((np.asarray(scores) - np.mean(scores)) ** 2).sum()) for scores in kinds if len(scores))
    return float(np.sqrt(squares / freedom)), freedom


def seeds_difference(
    first: Sequence[float], second: Sequence[float], deviation: float, freedom: int
) -> tuple[float, float, float]:
    """Return the 95 % t interval of mean(``first``) - mean(``second``), scores of the trainings of two kinds, and the
    two-sided p-value: (low, high, p); NaN for fewer than `MIN_FREEDOM` degrees of freedom (see `pooled_deviation`)."""
    if freedom < MIN_FREEDOM or not (len(first) and len(second)):
        return float("nan"), float("nan"), float("nan")
    effect = float(np.mean(first) - np.mean(second))
    error = deviation * np.sqrt(1 / len(first) + 1 / len(second))
    if error == 0:  # all trainings score alike
        return effect, effect, float(effect == 0)
    half = t_quantile(freedom) * error
    # As in `t_quantile`: scipy.stats is slow to import.
    from scipy.special import stdtr

    return effect - half, effect + half, float(2 * stdtr(freedom, -abs(effect) / error))


def seed_of(models: Sequence[str], alone: Collection[str] = ()) -> list[str]:
    """Return for each of ``models`` the same model with the lowest seed; empty for that one itself and for those in
    ``alone``."""
    first: dict[str, str] = {}
    for model in sorted(models, key=_seed):
        first.setdefault(_SEED.sub("", model), model)
    leaders = [first[_SEED.sub("", model)] for model in models]
    return ["" if model in (one, *alone) else one for model, one in zip(models, leaders, strict=True)]


def with_place(models: Iterable[str]) -> list[str]:
    """Return the ``models`` without repeated trainings with higher seeds."""
    names = list(dict.fromkeys(models))
    return [name for name, of in zip(names, seed_of(names), strict=True) if not of]


def networks(models: Iterable[str]) -> list[str]:
    """Return the ``models`` without repeated trainings, and without blocks of another model."""
    names = with_place(models)
    return [name for name in names if (whole := _LAYER.sub("", name)) == name or whole not in names]


def _seed(model: str) -> int:
    found = _SEED.search(model)
    return int(found[1]) if found else 0
