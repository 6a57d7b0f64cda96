"""tables/dimension.parquet: how well transformations are told from the first principal components alone."""

from __future__ import annotations

import numpy as np
import pandas as pd

from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.embedding_space import principal_axes
from probing_core.pipeline.caveats import joined, too_few
from probing_core.pipeline.studies.base import Study
from probing_core.pipeline.studies.model_data import Subject, fit_probe, measured, predict

MOST_DIMENSIONS = 512
"""Models differ in their dimension; they are compared where all have as many."""


def dimension_table(subject: Subject) -> pd.DataFrame:
    """Accuracy at the fine task against the number of components, in powers of two.

    Embeddings are standardized, then turned to the principal axes of the train split: the linear probe does not
    change under a rotation, so the curve ends at the accuracy of the whole embedding.
    """
    learned, validated, tested = subject.learned, subject.validated, subject.tested
    spread = np.maximum(learned.X.std(0), 1e-12)
    center, axes = principal_axes(learned.X / spread, learned.X.shape[1])
    turned = [((part.X / spread - center) @ axes).astype(np.float32) for part in (learned, validated, tested)]
    table = []
    for d in dimensions(learned.X.shape[1]):
        X, Xv, Xt = (np.ascontiguousarray(part[:, :d]) for part in turned)
        probe = fit_probe(X, learned.y, Xv, validated.y, subject.classes, standardize=False)
        found = measured("balanced-accuracy", balanced_accuracy(tested.y, predict(probe, Xt), tested.bases))
        table.append(
            {"model": subject.model, "dimensions": d}
            | found
            | {
                "images": tested.images,
                "chance": 1 / len(subject.classes),
                "note": joined(too_few(found["bases"]), subject.note(probe.facts)),
            }
        )
    return pd.DataFrame(table)


def dimensions(whole: int) -> list[int]:
    """1, 2, 4, ... up to `MOST_DIMENSIONS`, and the whole embedding where it has no more than that."""
    powers = [2**k for k in range(MOST_DIMENSIONS.bit_length()) if 2**k <= min(whole, MOST_DIMENSIONS)]
    return sorted({*powers, *([whole] if whole <= MOST_DIMENSIONS else [])})


STUDY = Study(name="dimension", make=dimension_table)
