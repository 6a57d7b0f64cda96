"""tables/copies.parquet: how many altered copies are nearer to their original than unrelated photographs are."""

from __future__ import annotations

import pandas as pd

from probing_core.compute.caveats import joined, too_few
from probing_core.compute.studies.base import Study
from probing_core.compute.studies.model_data import ModelData, measured
from probing_core.measures.cluster_sums import mean


def copies_table(data: ModelData) -> pd.DataFrame:
    """Return the share of each transformation's copies above each threshold, which is taken as it was estimated."""
    table = []
    for kind, copies in data.copies.items():
        for share, cosine in copies.thresholds.items():
            for transform, rows in copies.rows.reset_index(drop=True).groupby("transform", sort=False):
                kept = copies.cosines[rows.index] > cosine
                found = measured("copies-kept", mean(kept, rows["base_id"].to_numpy()))
                ceiling = "untouched, drawn a second time: the ceiling" if transform == "identity" else ""
                table.append(
                    {
                        "model": data.model,
                        "cosine": kind,
                        "unrelated": share,
                        "transform": transform,
                        "threshold": cosine,
                    }
                    | found
                    | {"images": rows["image_id"].nunique(), "note": joined(ceiling, too_few(found["bases"]))}
                )
    return pd.DataFrame(table, columns=COLUMNS)


COLUMNS = [
    *("model", "cosine", "unrelated", "transform", "threshold"),
    *("value", "low", "high", "interval", "bases", "images", "note"),
]


STUDY = Study(name="copies", make=copies_table, trains=False)
