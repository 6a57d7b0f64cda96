"""tables/duplicates.parquet: the cosine above which few pairs of unrelated photographs lie."""

from __future__ import annotations

import pandas as pd

from probing_core.compute.caveats import joined, too_few
from probing_core.compute.studies.base import Study
from probing_core.compute.studies.model_data import ModelData
from probing_core.measures.intervals import MIN_CLUSTERS_FOR_BOOTSTRAP
from probing_core.measures.unrelated_pairs import threshold


def duplicates_table(data: ModelData) -> pd.DataFrame:
    table = []
    for kind, copies in data.copies.items():
        some = f"pairs of {copies.chosen} of {copies.images} images" if copies.chosen < copies.images else ""
        for share in copies.thresholds:
            found = threshold(copies.pairs, share)
            few = too_few(found.clusters, MIN_CLUSTERS_FOR_BOOTSTRAP)
            table.append(
                {"model": data.model, "cosine": kind, "unrelated": share}
                | found.columns
                | {"pairs": copies.pairs.pairs, "note": joined(few, some)}
            )
    return pd.DataFrame(table, columns=COLUMNS)


COLUMNS = ["model", "cosine", "unrelated", "value", "low", "high", "interval", "bases", "pairs", "note"]


STUDY = Study(name="duplicates", make=duplicates_table, trains=False)
