"""tables/duplicates.parquet: the cosine above which few pairs of unrelated photographs lie, and how many altered copies
lie above it."""

from __future__ import annotations

import pandas as pd

from probing_core.compute.caveats import joined, too_few
from probing_core.compute.studies.base import Study
from probing_core.compute.studies.model_data import ModelData, measured
from probing_core.measures.neighbors import threshold
from probing_core.measures.statistics import MIN_CLUSTERS_FOR_BOOTSTRAP, mean


def duplicates_table(data: ModelData) -> pd.DataFrame:
    """Return the share of each transformation's copies above each threshold, which is taken as it was estimated."""
    table = []
    for kind, copies in data.copies.items():
        some = f"pairs of {copies.chosen} of {copies.images} images" if copies.chosen < copies.images else ""
        for share, cosine in copies.thresholds.items():
            found = threshold(copies.pairs, share)
            about = {
                "model": data.model,
                "cosine": kind,
                "unrelated": share,
                "threshold": found.value,
                "threshold_low": found.low,
                "threshold_high": found.high,
                "pairs": copies.pairs.pairs,
            }
            few = too_few(found.clusters, MIN_CLUSTERS_FOR_BOOTSTRAP)
            for transform, rows in copies.rows.reset_index(drop=True).groupby("transform", sort=False):
                kept = measured("copies-kept", mean(copies.cosines[rows.index] > cosine, rows["base_id"].to_numpy()))
                ceiling = "untouched, drawn a second time: the ceiling" if transform == "identity" else ""
                note = joined(ceiling, few or too_few(kept["bases"]), some)
                images = {"images": rows["image_id"].nunique(), "note": note}
                table.append(about | {"transform": transform} | kept | images)
    return pd.DataFrame(table, columns=COLUMNS)


COLUMNS = [
    *("model", "cosine", "unrelated", "threshold", "threshold_low", "threshold_high", "pairs"),
    *("transform", "value", "low", "high", "interval", "bases", "images", "note"),
]


STUDY = Study(name="duplicates", make=duplicates_table, revision=1)
