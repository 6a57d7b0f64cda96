"""tables/thresholds.parquet: the strength from which a probe tells a transformation from an untouched picture."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from probing_core.measures.detection import detection_threshold
from probing_core.studies.sweep import Sweep
from probing_core.transforms.base import Transform

FEWEST_LEVELS = 3


def threshold_table(model: str, found: Sweep, transforms: Mapping[str, Transform]) -> pd.DataFrame:
    """One row a transformation that has at least three strengths.

    The fit runs over the position in the documented range, 0 to 1 by the transform's law; the threshold is told in
    its unit. Images of one photograph count as one, by their mean.
    """
    table = []
    for name, rows in found.rows.groupby("transform", sort=False):
        levels = np.sort(rows["position"].unique())
        if len(levels) < FEWEST_LEVELS:
            continue
        hits = rows.pivot_table(index="base_id", columns="position", values="detected", aggfunc="mean")
        base = rows.drop_duplicates("image_id").set_index("image_id")["base_id"]
        alarms = found.alarms[name].reindex(base.index).groupby(base).mean()
        threshold = detection_threshold(levels, hits.to_numpy(float), alarms.reindex(hits.index).to_numpy())
        transform = transforms[str(name)]
        value, one, other = (strength_of(transform, at) for at in (threshold.value, threshold.low, threshold.high))
        table.append(
            {
                "model": model,
                "transform": name,
                "threshold": value,
                "low": min(one, other),
                "high": max(one, other),
                "unit": transform.unit,
                "censored": threshold.censored,
                "false_alarms": threshold.false_alarms,
                "images": len(base),
                "bases": len(hits),
            }
        )
    return pd.DataFrame(table)


def strength_of(transform: Transform, position: float) -> float:
    """The strength at a position in the range; not rounded where strengths are whole numbers."""
    if transform.law == "log":
        return transform.strength_at(position)
    return float(transform.weakest + (transform.strongest - transform.weakest) * position)
