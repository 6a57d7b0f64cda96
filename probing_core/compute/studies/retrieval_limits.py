"""tables/retrieval-limits.parquet: the strength at which fewer than 95 % of the originals are found first."""

from __future__ import annotations

import numpy as np
import pandas as pd

from probing_core.compute.caveats import too_few
from probing_core.compute.names import STRENGTH
from probing_core.compute.studies.base import Study
from probing_core.compute.studies.model_data import SeriesData
from probing_core.compute.studies.thresholds import level_of, strength_of
from probing_core.measures.intervals import MIN_CLUSTERS_FOR_BOOTSTRAP
from probing_core.measures.retrieval import recall_limit

MIN_LEVELS = 2


def retrieval_limits_table(series: SeriesData) -> pd.DataFrame:
    """Return one row a transformation that has at least two strengths; see `recall_limit`, over levels (`level_of`)."""
    data, found = series.main, series.retrieved
    hits = found.rows.assign(found=found.ranks.found(1))
    table = []
    for name, rows in hits.groupby("transform", sort=False):
        transform = data.transforms[str(name)]
        strengths = rows.groupby("position")["strength"].first()
        if len(strengths) < MIN_LEVELS:
            continue
        levels = np.array([level_of(transform, strength) for strength in strengths])
        by_photograph = rows.pivot_table(index="base_id", columns="position", values="found", aggfunc="mean")
        limit = recall_limit(levels, by_photograph.to_numpy(float))
        value, one, other = (strength_of(transform, level) for level in (limit.value, limit.low, limit.high))
        table.append(
            {
                "model": data.model,
                "transform": name,
                "value": value,
                "low": min(one, other),
                "high": max(one, other),
                "censored": limit.censored,
                "gallery": found.gallery,
                "images": rows["image_id"].nunique(),
                "bases": len(by_photograph),
                "note": too_few(len(by_photograph), MIN_CLUSTERS_FOR_BOOTSTRAP),
            }
        )
    return pd.DataFrame(table, columns=COLUMNS)


COLUMNS = ["model", "transform", "value", "low", "high", "censored", "gallery", "images", "bases", "note"]


STUDY = Study(name="retrieval-limits", make=retrieval_limits_table, series=STRENGTH, trains=False)
