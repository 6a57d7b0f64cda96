"""Tests of the claims by scores and contrasts: the result of each, with its evidence in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from probing_core.compute.claims.contrasts import pooled
from probing_core.compute.claims.named import DOZENS, FAR, MIN_RANKED, NOT_SUPPORTED, SIGNIFICANCE, SUPPORTED, UNDECIDED
from probing_core.measures import interval
from probing_core.measures.classification import informedness
from probing_core.measures.seeds import MIN_SEEDS, seeds_interval
from probing_core.measures.statistics import ClusterSums, bootstrap, mean
from probing_core.models.base import ROLES

Trainings = Sequence[ClusterSums]
"""Sums of one score, one a training."""


@dataclass(frozen=True)
class Identified:
    """How many transforms a role identifies.

    Attributes:
        above_chance: those whose recall lies above chance with its whole interval: what was named in advance, and
            decides.
        not_below: those whose recall does not lie at chance or below with its whole interval.
        informed: those whose recall lies above the rate at which other classes are called so (informedness of that
            class), with its whole interval: a probe that hardly ever names a class may fail the first and still
            separate the class from others.
        classes: how many there are, untouched apart.
        seeds: (low, high) of ``above_chance`` over trainings; NaN for fewer than three.
    """

    above_chance: int
    not_below: int
    informed: int
    classes: int
    seeds: tuple[float, float] = (float("nan"), float("nan"))

    @property
    def shown(self) -> bool:
        """Whether it identifies two dozens, over photographs and over trainings."""
        return self.above_chance >= DOZENS and not self.seeds[0] < DOZENS

    @property
    def excluded(self) -> bool:
        """Whether it does not, over photographs and over trainings."""
        return self.not_below < DOZENS and not self.seeds[1] >= DOZENS


def photographs(rows: pd.DataFrame) -> np.ndarray:
    """Return the photograph of each row, as a number in the order of their names: numbers sort sooner."""
    return pd.factorize(rows["base_id"].to_numpy(), sort=True)[0]


def identified(trainings: Sequence[pd.DataFrame]) -> Identified:
    """Count by the test predictions (``truth``, ``predicted``, ``base_id``) of one role, a table a training, all of the
    same samples; recalls are means over the trainings."""
    classes = sorted(trainings[0]["truth"].unique())
    bases = [photographs(rows) for rows in trainings]
    above_chance = not_below = informed = 0
    for transform in (name for name in classes if name != "identity"):
        parts = [_recall_and_informedness(rows, base, transform) for rows, base in zip(trainings, bases, strict=True)]
        recall = interval(pooled([r for r, _ in parts]), low=0, high=1)
        above_chance += recall.low > 1 / len(classes)
        not_below += not recall.high <= 1 / len(classes)  # where there is no interval, it may not
        informed += interval(pooled([i for _, i in parts]), low=-1, high=1).low > 0
    many = len(trainings) >= MIN_SEEDS
    seeds = seeds_interval([identified([rows]).above_chance for rows in trainings] if many else [])
    return Identified(above_chance, not_below, informed, len(classes) - ("identity" in classes), seeds)


def _recall_and_informedness(rows: pd.DataFrame, base: np.ndarray, transform: str) -> tuple[ClusterSums, ClusterSums]:
    is_it, called = ((rows[c] == transform).to_numpy() for c in ("truth", "predicted"))
    # With two classes, this one and the rest, the mean informedness is that of either.
    return mean(called[is_it], base[is_it]), informedness(is_it.astype(np.int64), called.astype(np.int64), base)


def by_counts(counts: Mapping[str, Identified]) -> tuple[str, str]:
    """Test claim 1, over the roles that there are."""
    if not counts:
        return UNDECIDED, "The run has no predictions of the transformation by any of them."
    classes = min(n.classes for n in counts.values())
    if classes < DOZENS:
        return UNDECIDED, f"The run has {classes} transformations, and two dozens are asked."
    recall, informed, not_below = (
        ", ".join(f"{role} {getattr(found, count)}" for role, found in counts.items())
        for count in ("above_chance", "informed", "not_below")
    )
    result = UNDECIDED
    if all(n.shown for n in counts.values()):
        result = SUPPORTED
    elif any(n.excluded for n in counts.values()):
        result = NOT_SUPPORTED
    other = "it would hold" if all(n.informed >= DOZENS for n in counts.values()) else "it would not be shown either"
    several = "; ".join(
        f"{role} {n.seeds[0]:.1f} to {n.seeds[1]:.1f}" for role, n in counts.items() if np.isfinite(n.seeds[0])
    )
    return result, (
        f"Transformations (of {classes}) whose recall lies above chance with its whole 95 % interval, two dozens "
        f"asked: {recall}; those for which it is not wholly at chance or below: {not_below}."
        f"{f' Their number over trainings, 95 % t intervals: {several}.' if several else ''} "
        f"By a criterion chosen after looking, {other} (recall above the rate at which other pictures are called so, "
        f"with its whole interval): {informed}."
    )


def by_contrasts(contrasts: pd.DataFrame) -> tuple[str, str]:
    """Test claims 2 to 4: supported where every contrast that could be computed is above 0 after Holm's correction; not
    supported where any is below."""
    known = contrasts[contrasts["p"].notna()]
    if known.empty:
        styles = " or has no far styles" if set(contrasts["score"]) == {FAR} else ""
        return UNDECIDED, f"None of {len(contrasts)} contrasts could be computed: the run lacks encoders{styles}."
    sure = known["p_holm"] < SIGNIFICANCE
    above, below = int((sure & (known["effect"] > 0)).sum()), int((sure & (known["effect"] < 0)).sum())
    result = SUPPORTED if above == len(known) else NOT_SUPPORTED if below else UNDECIDED
    absent = f" (of {len(contrasts)} named)" if len(known) < len(contrasts) else ""
    far = " Far styles are counted in all three rotations together, by the share of them that is called style."
    differences = "; ".join(map(_difference, known.to_dict("records")))
    return result, (
        f"{above} of {len(known)} contrasts{absent} lie above 0 and {below} below, after Holm's correction."
        f"{far if set(known['score']) == {FAR} else ''} Differences in points with 95 % intervals: {differences}."
    )


def _difference(row: Mapping) -> str:
    seeds = f", over trainings {100 * row['seeds_low']:.1f} to {100 * row['seeds_high']:.1f}"
    return (
        f"{row['first']} - {row['second']} {100 * row['effect']:+.1f} ({100 * row['low']:.1f} to "
        f"{100 * row['high']:.1f}{seeds if np.isfinite(row['seeds_low']) else ''})"
    )


def by_ranks(style: Mapping[str, Trainings], content: Mapping[str, Trainings]) -> tuple[str, str]:
    """Test claim 5: the rank correlation of both accuracies over roles that have both. Photographs are drawn again.

    From three trainings a role on, the same number of each, the correlation is taken once for the first of all, once
    for the second, and so on, and must show over these as well.
    """
    if not content:
        return UNDECIDED, "The run has no content accuracy, which takes probes of its own and labels to learn."
    roles = [role for role in ROLES if role in style and role in content]
    if len(roles) < MIN_RANKED:
        return UNDECIDED, (
            f"A correlation of ranks takes {MIN_RANKED} encoders with both accuracies; the run has "
            f"{', '.join(roles) or 'none'}."
        )
    means = [[pooled(scores[role]) for role in roles] for scores in (style, content)]
    drawn = np.stack([[bootstrap(sums) for sums in scores] for scores in means])  # (2, roles, B)
    low, high = np.quantile(_rank_correlation(drawn), [0.025, 0.975])
    values = np.array([[sums.value for sums in scores] for scores in means])
    over_seeds = seeds_interval(
        _correlation_of_each_training([[scores[r] for r in roles] for scores in (style, content)])
    )
    result = UNDECIDED
    if low >= 0 and not over_seeds[0] < 0:
        result = SUPPORTED
    elif high < 0 and not over_seeds[1] >= 0:
        result = NOT_SUPPORTED
    seeds = f"; over trainings {over_seeds[0]:.2f} to {over_seeds[1]:.2f}" if np.isfinite(over_seeds[0]) else ""
    accuracies = ", ".join(f"{role} {100 * a:.0f} / {100 * b:.0f}" for role, a, b in zip(roles, *values, strict=True))
    return result, (
        f"Rank correlation of transformation and content accuracy over {len(roles)} encoders: "
        f"{_rank_correlation(values[..., None])[0]:.2f} ({low:.2f} to {high:.2f}, photographs drawn again{seeds}). "
        f"Percent, transformation / content: {accuracies}."
    )


def _rank_correlation(scores: np.ndarray) -> np.ndarray:
    """Return Spearman's (B,) of the two rows of (2, roles, B) ``scores``; NaN where all roles of a row are alike."""
    from scipy.stats import rankdata

    ranks = rankdata(scores, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    spread = np.sqrt((ranks**2).sum(axis=1).prod(axis=0))
    return (ranks[0] * ranks[1]).sum(0) / np.where(spread > 0, spread, np.nan)


def _correlation_of_each_training(scores: Sequence[Sequence[Trainings]]) -> list[float]:
    """Return the correlation of the first training of every role, of the second, ...; none if their numbers differ."""
    numbers = {len(trainings) for each in scores for trainings in each}
    if len(numbers) != 1:
        return []
    values = np.array([[[sums.value for sums in trainings] for trainings in each] for each in scores])
    return _rank_correlation(values).tolist()


def missing_roles(contrasts: pd.DataFrame | None, present: Collection[str]) -> list[str]:
    """Return roles that a claim is about, those of its ``contrasts`` or all six, and no encoder of the run has."""
    asked = set(ROLES) if contrasts is None else {*contrasts["first"], *contrasts["second"]}
    return [role for role in ROLES if role in asked and role not in present]
