"""tables/dimension.parquet: how well transformations are recognized from the first principal components alone."""

from __future__ import annotations

import numpy as np
import pandas as pd

from probing_core.compute.caveats import joined, too_few
from probing_core.compute.studies.base import Study
from probing_core.compute.studies.model_data import ModelData, fit_probe, measured, predict
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.embedding_space import principal_axes

MAX_DIMENSIONS = 512
"""Models differ in their dimension; they are compared where all have as many."""


def dimension_table(data: ModelData) -> pd.DataFrame:
    """Compute accuracy at the fine task against the number of components, in powers of two.

    Embeddings are standardized, then turned to the principal axes of the train split: the linear probe does not
    change under a rotation, so the curve ends at the accuracy of the whole embedding.
    """
    learned, validated, tested = data.learned, data.validated, data.tested
    spread = np.maximum(learned.X.std(0), 1e-12)
    center, axes = principal_axes(learned.X / spread, learned.X.shape[1])
    turned = [((rows.X / spread - center) @ axes).astype(np.float32) for rows in (learned, validated, tested)]
    table = []
    for d in dimensions(learned.X.shape[1]):
        X, Xv, Xt = (np.ascontiguousarray(rows[:, :d]) for rows in turned)
        probe = fit_probe(X, learned.y, Xv, validated.y, data.classes, standardize=False)
        found = measured("balanced-accuracy", balanced_accuracy(tested.y, predict(probe, Xt), tested.bases))
        table.append(
            {"model": data.model, "dimensions": d}
            | found
            | {
                "images": tested.images,
                "chance": 1 / len(data.classes),
                "note": joined(too_few(found["bases"]), data.note(probe.facts)),
            }
        )
    return pd.DataFrame(table)


def dimensions(whole: int) -> list[int]:
    """Return 1, 2, 4, ... up to `MAX_DIMENSIONS`, and the whole embedding where it has no more than that."""
    powers = [2**k for k in range(MAX_DIMENSIONS.bit_length()) if 2**k <= min(whole, MAX_DIMENSIONS)]
    return sorted({*powers, *([whole] if whole <= MAX_DIMENSIONS else [])})


STUDY = Study(name="dimension", make=dimension_table)
