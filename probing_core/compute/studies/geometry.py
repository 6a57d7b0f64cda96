"""tables/geometry.parquet: how far transformations move embeddings."""

from __future__ import annotations

import pandas as pd

from probing_core.compute.caveats import joined, too_few
from probing_core.compute.studies.base import Study
from probing_core.compute.studies.model_data import ModelData, measured
from probing_core.measures.embedding_space import shift
from probing_core.measures.statistics import mean


def geometry_table(data: ModelData) -> pd.DataFrame:
    """Compute the shift of the test images under every transformation.

    Identity's shift, between its two draws, is what the sub-pixel warp of every view moves by itself.
    """
    test = data.of_split("test")
    clean = test.of("identity")
    table = []
    for transform in data.classes:
        moved = test.of(transform, draw=1 if transform == "identity" else 0)
        found = measured("shift", mean(shift(clean.X, moved.X), clean.bases))
        note = "between its two draws: what the sub-pixel warp moves" if transform == "identity" else ""
        about = {"model": data.model, "transform": transform}
        table.append(about | found | {"images": clean.images, "note": joined(too_few(found["bases"]), note)})
    return pd.DataFrame(table)


STUDY = Study(name="geometry", make=geometry_table, revision=1)
