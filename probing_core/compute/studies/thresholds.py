"""tables/thresholds.parquet: the strength from which a probe detects a transformation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from probing_core.compute.caveats import joined, too_few
from probing_core.compute.names import STRENGTH
from probing_core.compute.series import position_of
from probing_core.compute.studies.base import Study
from probing_core.compute.studies.sweep import Sweep
from probing_core.measures.classification import detection_threshold
from probing_core.measures.statistics import MIN_CLUSTERS_FOR_BOOTSTRAP
from probing_core.transforms.base import Transform

MIN_LEVELS = 3

FEW_ALARMS = 0.05
"""Share of the untouched images below which too few of them decide (see `detection_threshold`)."""


def threshold_table(model: str, found: Sweep, transforms: Mapping[str, Transform]) -> pd.DataFrame:
    """Return one row a transformation that has at least three strengths.

    The fit runs over levels (see `level_of`); the threshold is in the transform's unit. Images of one photograph
    count as one, by their mean.
    """
    table = []
    for name, rows in found.rows.groupby("transform", sort=False):
        transform = transforms[str(name)]
        strengths = rows.groupby("position")["strength"].first()
        if len(strengths) < MIN_LEVELS:
            continue
        levels = np.array([level_of(transform, strength) for strength in strengths])
        hits = rows.pivot_table(index="base_id", columns="position", values="detected", aggfunc="mean")
        base = rows.drop_duplicates("image_id").set_index("image_id")["base_id"]
        alarms = found.alarms[name].reindex(base.index).groupby(base).mean()
        threshold = detection_threshold(levels, hits.to_numpy(float), alarms.reindex(hits.index).to_numpy())
        value, one, other = (strength_of(transform, at) for at in (threshold.value, threshold.low, threshold.high))
        table.append(
            {
                "model": model,
                "transform": name,
                "threshold": value,
                "low": min(one, other),
                "high": max(one, other),
                "censored": threshold.censored,
                "false_alarms": threshold.false_alarms,
                "images": len(base),
                "bases": len(hits),
                "note": joined(
                    too_few(len(hits), MIN_CLUSTERS_FOR_BOOTSTRAP),
                    "few false alarms: the interval is too narrow" if threshold.false_alarms < FEW_ALARMS else "",
                    found.note,
                ),
            }
        )
    return pd.DataFrame(table)


def level_of(transform: Transform, strength: float) -> float:
    """Return how strong an effect is, on the scale of the fit.

    The logarithm to base 2 of its distance from `Transform.neutral`, the weakest documented strength being 0; as is
    usual for intensities, so that equal ratios count alike. Where no strength is neutral, the position in the range.
    """
    if transform.neutral is None:
        return position_of(transform, strength)
    return float(np.log2((strength - transform.neutral) / (transform.weakest - transform.neutral)))


def strength_of(transform: Transform, level: float) -> float:
    """Return the strength at a level; not rounded where strengths are whole numbers."""
    if transform.neutral is not None:
        return float(transform.neutral + (transform.weakest - transform.neutral) * 2**level)
    if transform.distribution == "log":
        return transform.strength_at(level)
    return float(transform.weakest + (transform.strongest - transform.weakest) * level)


STUDY = Study(
    name="thresholds",
    make=lambda s: threshold_table(s.main.model, s.sweep, s.main.transforms),
    series=STRENGTH,
    probe=True,
)
