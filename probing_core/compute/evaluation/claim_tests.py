"""Statistical tests of the claims. Each test returns a result and the numbers that determine it.

A role is a kind of encoder to which a claim refers, such as ``MAE``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import permutations, product
from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.task_names import FINE, NOT_SUPPORTED, SUPPORTED, UNDECIDED
from probing_core.measures import interval
from probing_core.measures.classification import informedness
from probing_core.measures.paired_tests import holm, paired_interval, sign_flips
from probing_core.measures.statistics import (
    MIN_SEEDS,
    ClusterSums,
    is_significant,
    mean,
    numbered,
    pooled_deviation,
    seeds_difference,
    seeds_interval,
)

SUPERVISED, SIMCLR, MAE, CAN, CLIP, ALIGN = "supervised", "SimCLR", "MAE", "CAN", "CLIP", "ALIGN"

UNSEEN_STYLE = "far style"
"""Name of the score on unseen styles."""

DOZENS = 24

MIN_RANKED = 4
"""Minimum number of roles for a rank correlation."""


@dataclass(frozen=True)
class Contrast:
    """A planned contrast: the score of ``first`` minus the score of ``second``.

    Contrasts were specified before any results were known.

    Attributes:
        claim: number of the claim for a contrast between two roles, or 0 for an ablation.
        first, second: two roles, or two encoders for an ablation.
        score: name of the score.
    """

    claim: int
    first: str
    second: str
    score: str


CLAIM_CONTRASTS = (
    *(Contrast(2, a, b, FINE) for a, b in product((MAE, CAN), (SUPERVISED, SIMCLR, CLIP, ALIGN))),
    *(Contrast(3, a, b, UNSEEN_STYLE) for a, b in product((CLIP, ALIGN), (SUPERVISED, SIMCLR, MAE, CAN))),
    *(Contrast(4, a, SUPERVISED, FINE) for a in (SIMCLR, MAE, CAN, CLIP, ALIGN)),
)
"""Contrasts between roles. They are tested separately for each set of encoders."""

ABLATION_CONTRASTS = tuple(
    Contrast(0, a, b, score)
    for a, b in (
        ("zoo/clip", "zoo/clip-plain"),
        ("zoo/align", "zoo/align-plain"),
        ("zoo/simclr", "zoo/simclr-matched"),
    )
    for score in (FINE, UNSEEN_STYLE)
)
"""Contrasts for the effects of style words in captions and of color and blur augmentations.

These contrasts are not part of a claim, and their p-values are corrected separately.
"""


NUMBERS = ("effect", "low", "high", "p", "seeds_low", "seeds_high", "p_seeds")

Trainings = Sequence[ClusterSums]
"""Sums of one score for each training run, over the same samples."""

Scores = Mapping[str, Mapping[str, Trainings]]
"""Name of a score -> role (or encoder in an ablation) -> sums for each training run."""


def contrast_table(scores: Scores, contrasts: Sequence[Contrast] = CLAIM_CONTRASTS) -> pd.DataFrame:
    """Test contrasts over photographs and over training runs.

    If there is a p-value over training runs, the larger of the two p-values is corrected, so that a difference must be
    significant over both photographs and training runs. docs/results.md describes the test, which was specified before
    the additional training runs.

    Returns:
        One row per contrast, with the columns ``claim``, ``first``, ``second``, ``score``, ``effect``, ``low``,
        ``high``, ``p`` (paired sign flips by photograph), ``seeds_low``, ``seeds_high``, ``p_seeds`` (based on the
        variance between training runs, pooled over roles), ``p_holm`` (Holm correction over all contrasts that could be
        computed) and ``bases`` (number of photographs).
    """
    table = pd.DataFrame([_row(contrast, scores) for contrast in contrasts])
    return table.assign(p_holm=holm(np.fmax(table["p"].to_numpy(), table["p_seeds"].to_numpy())))


def _row(contrast: Contrast, scores: Scores) -> dict[str, object]:
    by_encoder, encoders = scores[contrast.score], (contrast.first, contrast.second)
    if not all(map(by_encoder.get, encoders)):
        return asdict(contrast) | dict.fromkeys(NUMBERS, np.nan) | {"bases": 0}
    first, second = (pooled(by_encoder[name]) for name in encoders)
    effect = paired_interval(first, second)
    values = {name: [sums.value for sums in trainings] for name, trainings in by_encoder.items()}
    spread = pooled_deviation(list(values.values()))
    seeds = seeds_difference(values[contrast.first], values[contrast.second], *spread)
    numbers = (effect.value, effect.low, effect.high, sign_flips(first, second), *seeds)
    return asdict(contrast) | dict(zip(NUMBERS, numbers, strict=True)) | {"bases": effect.clusters}


def pooled(trainings: Trainings) -> ClusterSums:
    """Average a score over several training runs that were tested on the same samples.

    Averaging the sums averages the score, because the denominators are equal.
    """
    return ClusterSums(np.mean([sums.sums for sums in trainings], axis=0), trainings[0].score)


@dataclass(frozen=True)
class Identified:
    """Numbers of transformations that the encoders of a role identify.

    Attributes:
        above_chance: number of transformations whose confidence interval for recall is entirely above chance. This
            planned criterion determines whether the claim is supported.
        not_below: number of transformations whose confidence interval for recall is not entirely at or below chance.
        informed: number of transformations whose confidence interval for informedness is entirely above 0. A probe that
            rarely predicts a class may fail the first criterion but still separate the class from the others.
        classes: number of transformations, excluding identity.
        seeds: confidence interval (low, high) of ``above_chance`` over training runs, or NaN for fewer than three runs.
    """

    above_chance: int
    not_below: int
    informed: int
    classes: int
    seeds: tuple[float, float] = (float("nan"), float("nan"))

    @property
    def shown(self) -> bool:
        """Whether the role identifies at least two dozen transformations, over photographs and over training runs."""
        return self.above_chance >= DOZENS and not self.seeds[0] < DOZENS

    @property
    def excluded(self) -> bool:
        """Whether the role identifies fewer than two dozen transformations, over photographs and over training runs."""
        return self.not_below < DOZENS and not self.seeds[1] >= DOZENS


def identified(trainings: Sequence[pd.DataFrame]) -> Identified:
    """Count the transformations that the encoders of a role identify (recall significantly above chance).

    Recall is averaged over the training runs.

    Args:
        trainings: test predictions of each training run for the same samples, with the columns ``truth``, ``predicted``
            and ``base_id``.
    """
    classes = sorted(trainings[0]["truth"].unique())
    bases = [numbered(rows["base_id"].to_numpy())[1] for rows in trainings]  # integers sort faster
    above_chance = not_below = informed = 0
    for transform in (name for name in classes if name != "identity"):
        parts = [_recall_and_informedness(rows, base, transform) for rows, base in zip(trainings, bases, strict=True)]
        recall = interval(pooled([r for r, _ in parts]), low=0, high=1)
        above_chance += recall.low > 1 / len(classes)
        not_below += not recall.high <= 1 / len(classes)  # also counts transformations without an interval (NaN)
        informed += interval(pooled([i for _, i in parts]), low=-1, high=1).low > 0
    has_seeds = len(trainings) >= MIN_SEEDS
    seeds = seeds_interval([identified([rows]).above_chance for rows in trainings] if has_seeds else [])
    return Identified(above_chance, not_below, informed, len(classes) - ("identity" in classes), seeds)


def _recall_and_informedness(rows: pd.DataFrame, base: np.ndarray, transform: str) -> tuple[ClusterSums, ClusterSums]:
    is_it, called = ((rows[c] == transform).to_numpy() for c in ("truth", "predicted"))
    # With two classes (this class and the rest), informedness is the same for either class.
    return mean(called[is_it], base[is_it]), informedness(is_it.astype(np.int64), called.astype(np.int64), base)


Result = Mapping[str, Any]
"""``result`` and the numbers that determine it, named like the columns of the table of claims."""


def by_counts(counts: Mapping[str, Identified]) -> Result:
    """Test claim 1, that each available role identifies at least two dozen transformations.

    Returns:
        ``result``, ``transformations`` (number of tested transformations) and ``identified`` (minimum over the roles).
        If no role is available, only ``result``.
    """
    if not counts:
        return {"result": UNDECIDED}
    transformations = min(n.classes for n in counts.values())
    numbers = {"transformations": transformations, "identified": min(n.above_chance for n in counts.values())}
    result = UNDECIDED
    if transformations < DOZENS:
        result = UNDECIDED
    elif all(n.shown for n in counts.values()):
        result = SUPPORTED
    elif any(n.excluded for n in counts.values()):
        result = NOT_SUPPORTED
    return {"result": result, **numbers}


def by_contrasts(contrasts: pd.DataFrame) -> Result:
    """Test claim 2, 3 or 4.

    The claim is supported if every available contrast is significantly greater than 0 after Holm correction, and not
    supported if any contrast is significantly less than 0.

    Returns:
        ``result``, and the numbers of planned contrasts (``contrasts``), tested contrasts (``tested``), and contrasts
        that are significantly greater than 0 (``above``) or less than 0 (``below``).
    """
    tested = contrasts[contrasts["p"].notna()]
    sure = is_significant(tested["p_holm"])
    above, below = int((sure & (tested["effect"] > 0)).sum()), int((sure & (tested["effect"] < 0)).sum())
    result = UNDECIDED
    if below:
        result = NOT_SUPPORTED
    elif above and above == len(tested):
        result = SUPPORTED
    return {"result": result, "contrasts": len(contrasts), "tested": len(tested), "above": above, "below": below}


def by_ranks(style: Mapping[str, Trainings], content: Mapping[str, Trainings]) -> Result:
    """Test claim 5 with the rank correlation between transformation accuracy and content accuracy over roles.

    The p-value comes from a one-sided exact permutation test (`rank_correlation`). Unlike an interval over photographs,
    it accounts for the small number of encoders.

    Returns:
        ``result``, ``roles`` (number of roles with both accuracies), ``rho`` and ``p``. ``rho`` and ``p`` are NaN if
        there are fewer than `MIN_RANKED` roles, or if one of the accuracies is the same for all roles.
    """
    roles = [role for role in style if role in content]
    rho = p = float("nan")
    if len(roles) >= MIN_RANKED:
        rho, p = rank_correlation(*([pooled(scores[role]).value for role in roles] for scores in (style, content)))
    result = UNDECIDED
    if is_significant(p):
        result = SUPPORTED if rho > 0 else NOT_SUPPORTED
    return {"result": result, "roles": len(roles), "rho": rho, "p": p}


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Compute Spearman's rank correlation and its one-sided p-value from an exact permutation test.

    Returns:
        The correlation, and the fraction of permutations with a correlation of the same sign that is at least as large
        in magnitude. Both are NaN if all values of ``first`` or all values of ``second`` are equal.
    """
    from scipy.stats import rankdata

    x, y = (ranks - ranks.mean() for ranks in map(rankdata, (first, second)))
    spread = np.sqrt((x**2).sum() * (y**2).sum())
    if spread == 0:
        return float("nan"), float("nan")
    rho = float(x @ y / spread)
    permuted = np.array(list(permutations(y))) @ x / spread
    reached = permuted >= rho - 1e-9 if rho > 0 else permuted <= rho + 1e-9
    return rho, float(reached.mean())
