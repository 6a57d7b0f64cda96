"""tables/content-neighbors.parquet: is the content told by the nearest training images, by whose look they have?"""

from __future__ import annotations

import pandas as pd

from probing_core.compute.caveats import too_few
from probing_core.compute.studies.base import Study
from probing_core.compute.studies.model_data import ModelData, measured
from probing_core.measures.cluster_sums import mean


def content_neighbors_table(data: ModelData) -> pd.DataFrame:
    """Compute accuracy in the five settings of Ramos et al.; no rows where the corpus has no labels to learn."""
    classified = data.classified
    if classified is None:
        return pd.DataFrame(columns=COLUMNS)
    table = []
    for setting, hits in classified.hits.items():
        found = measured("content-by-neighbors", mean(hits, classified.bases))
        table.append(
            {"model": data.model, "setting": setting}
            | found
            | {
                "images": len(hits),
                "gallery": classified.learned,
                "k": classified.k,
                "classes": classified.classes,
                "chance": 1 / classified.classes,
                "note": too_few(found["bases"]),
            }
        )
    return pd.DataFrame(table)


COLUMNS = [
    *(
        "model",
        "setting",
        "value",
        "low",
        "high",
        "interval",
        "bases",
        "images",
        "gallery",
        "k",
        "classes",
        "chance",
        "note",
    ),
]


STUDY = Study(name="content-neighbors", make=content_neighbors_table)
