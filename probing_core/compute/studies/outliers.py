"""tables/ood.parquet: do transformed images lie outside of what clean embeddings fill?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.caveats import joined, too_few
from probing_core.compute.studies.base import Study
from probing_core.compute.studies.model_data import ModelData, measured
from probing_core.measures.cluster_sums import ClusterSums
from probing_core.measures.intervals import MIN_CLUSTERS_FOR_BOOTSTRAP
from probing_core.measures.outlier_scores import auroc, fit_mahalanobis, fpr95, neighbor_distance


def ood_table(data: ModelData) -> pd.DataFrame:
    """Compute two scores, fitted on clean train images alone; nothing is tuned on transformed ones."""
    known = data.clean.where(data.clean.rows["split"] == "train").X
    mahalanobis = fit_mahalanobis(known)
    test = data.of_split("test")
    clean = test.of("identity")
    methods = {"mahalanobis": mahalanobis.score, "neighbors": lambda X: neighbor_distance(known, X)}
    table = []
    for method, score in methods.items():
        familiar = score(clean.X)
        for transform in data.classes[1:]:
            for row in separation_rows(familiar, score(test.of(transform).X), clean.bases):
                about = {"model": data.model, "transform": transform, "method": method}
                note = joined(too_few(row["bases"], MIN_CLUSTERS_FOR_BOOTSTRAP), f"fitted on {len(known)} clean images")
                table.append(about | row | {"images": clean.images, "note": note})
    return pd.DataFrame(table)


def separation_rows(familiar: np.ndarray, foreign: np.ndarray, bases: np.ndarray) -> list[dict[str, Any]]:
    """Return AUROC and FPR95 of scores (n,) of the same images clean and transformed, with intervals by photograph."""
    rows = []
    for measure, plain, resampled in (("auroc", auroc, _auroc_sums), ("fpr95", fpr95, _fpr95_sums)):
        found = measured(measure, resampled(familiar, foreign, bases))
        if found["bases"] < MIN_CLUSTERS_FOR_BOOTSTRAP:  # a single photograph has no rate of its own, so no t interval
            found |= {"low": np.nan, "high": np.nan, "interval": "none"}
        rows.append({"measure": measure} | found | {"value": plain(familiar, foreign)})
    return rows


def _auroc_sums(familiar: np.ndarray, foreign: np.ndarray, bases: np.ndarray) -> ClusterSums:
    """Return the AUROC of drawn photographs: totals are how often each was drawn."""
    member = _member(bases)
    above = (foreign > familiar[:, None]) + 0.5 * (foreign == familiar[:, None])
    wins, sizes = member @ above @ member.T, member.sum(1)

    def score(drawn: np.ndarray) -> np.ndarray:
        return ((drawn @ wins) * drawn).sum(-1) / np.maximum(drawn @ sizes, 1) ** 2

    return ClusterSums(np.eye(len(member)), score)


def _fpr95_sums(familiar: np.ndarray, foreign: np.ndarray, bases: np.ndarray) -> ClusterSums:
    member = _member(bases)
    order, other = np.argsort(familiar, kind="stable"), np.argsort(foreign, kind="stable")
    below = np.searchsorted(foreign[other], familiar[order], side="right")  # foreign ones up to each threshold

    def score(drawn: np.ndarray) -> np.ndarray:
        weight = np.atleast_2d(drawn) @ member
        up_to = np.cumsum(weight[:, order], axis=1)
        # The quantile that `fpr95` takes, of a sample that holds each image as often as it was drawn.
        place = np.ceil(0.95 * (up_to[:, -1] - 1)) + 1
        at = (up_to < place[:, None]).sum(1)
        passed = np.cumsum(np.pad(weight[:, other], ((0, 0), (1, 0))), axis=1)
        rate = passed[np.arange(len(weight)), below[at]] / passed[:, -1]
        return rate.reshape(np.shape(drawn)[:-1])

    return ClusterSums(np.eye(len(member)), score)


def _member(bases: np.ndarray) -> np.ndarray:
    """Return (C, n) which image is of which photograph."""
    ids, row = np.unique(bases, return_inverse=True)
    return (row == np.arange(len(ids))[:, None]).astype(np.float64)


STUDY = Study(name="ood", make=ood_table)
