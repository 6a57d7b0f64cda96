"""Contrasts as a table: differences with intervals over photographs and, where there are several, over trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from probing_core.compute.claims.named import CONTRASTS, Contrast
from probing_core.measures import interval
from probing_core.measures.seeds import pooled_deviation, seeds_difference
from probing_core.measures.statistics import ClusterSums, difference, holm, sign_flip

NUMBERS = ("effect", "low", "high", "p", "seeds_low", "seeds_high", "p_seeds")

Scores = Mapping[str, Mapping[str, Sequence[ClusterSums]]]
"""Score -> role, or encoder of an ablation -> the sums of its trainings, all over the same samples."""


def contrast_table(scores: Scores, contrasts: Sequence[Contrast] = CONTRASTS) -> pd.DataFrame:
    """Return one row a contrast: ``claim``, ``first``, ``second``, ``score``, ``effect``, ``low``, ``high``, ``p``
    (paired sign flips by base photograph), ``seeds_low``, ``seeds_high``, ``p_seeds`` (over the variance between
    trainings, pooled within the roles of a score), ``p_holm`` (over all rows that could be computed), ``bases``.

    Where trainings have a p-value, the larger of the two is corrected: a difference must show over photographs and over
    trainings. docs/trainings.md states the test, which was written down before a second training was looked at.
    """
    table = pd.DataFrame([_row(contrast, scores) for contrast in contrasts])
    return table.assign(p_holm=holm(np.fmax(table["p"].to_numpy(), table["p_seeds"].to_numpy())))


def _row(contrast: Contrast, scores: Scores) -> dict[str, object]:
    first, second = (scores.get(contrast.score, {}).get(name) for name in (contrast.first, contrast.second))
    row = {"claim": contrast.claim, "first": contrast.first, "second": contrast.second, "score": contrast.score}
    if not first or not second:
        return row | dict.fromkeys(NUMBERS, np.nan) | {"bases": 0}
    one, other = pooled(first), pooled(second)
    found = interval(difference(one, other), low=-1, high=1)
    trainings = {name: [sums.value for sums in of_role] for name, of_role in scores[contrast.score].items()}
    spread = pooled_deviation(list(trainings.values()))
    seeds = seeds_difference(trainings[contrast.first], trainings[contrast.second], *spread)
    numbers = (found.value, found.low, found.high, sign_flip(one, other), *seeds)
    return row | dict(zip(NUMBERS, numbers, strict=True)) | {"bases": found.clusters}


def pooled(trainings: Sequence[ClusterSums]) -> ClusterSums:
    """Return the mean score of several trainings that were tested on the same samples, as sums of one.

    Their scores are hits over counts, and the counts are the same: the mean of the sums has the mean of the scores.
    """
    return ClusterSums(np.mean([sums.sums for sums in trainings], axis=0), trainings[0].score)
