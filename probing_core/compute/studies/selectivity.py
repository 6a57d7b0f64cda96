"""tables/selectivity.parquet: is the transformation in the embedding, or did the probe memorize it?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from probing_core.compute.caveats import joined, too_few
from probing_core.compute.studies.base import Study
from probing_core.compute.studies.model_data import ModelData, fit_probe, measured, predict
from probing_core.measures.classification import balanced_accuracy, control_labels
from probing_core.measures.statistics import difference

TYPES_PER_CLASS = 8
"""Clusters of embeddings for each class of the control task."""

MIN_PER_TYPE = 8
"""Training samples for each cluster, in the mean."""


def selectivity_table(data: ModelData) -> pd.DataFrame:
    """Compute accuracy at the fine task, less that at a control task (Hewitt & Liang 2019).

    The control's types are k-means clusters of the training embeddings; each has one class at random, as many classes
    as the fine task has.
    """
    learned, validated, tested = data.learned, data.validated, data.tested
    k = len(data.classes)
    types = max(k, min(TYPES_PER_CLASS * k, len(learned.X) // MIN_PER_TYPE))
    assigned = clusters([learned.X, validated.X, tested.X], types, data.seed)
    labels = control_labels(np.concatenate(assigned), k, data.seed)
    y, yv, yt = np.split(labels, np.cumsum([len(clusters_of) for clusters_of in assigned])[:-1])
    control = fit_probe(learned.X, y, validated.X, yv, data.classes)
    task_sums = balanced_accuracy(tested.y, predict(data.fine, tested.X), tested.bases)
    control_sums = balanced_accuracy(yt, predict(control, tested.X), tested.bases)
    found = measured("selectivity", difference(task_sums, control_sums))
    row = (
        {"model": data.model}
        | found
        | {
            "accuracy": task_sums.value,
            "control": control_sums.value,
            "types": types,
            "images": tested.images,
            "note": joined(too_few(found["bases"]), data.note(data.fine.facts, control.facts)),
        }
    )
    return pd.DataFrame([row])


def clusters(matrices: list[np.ndarray], count: int, seed: int) -> list[np.ndarray]:
    """Return the k-means cluster of every row of each of ``matrices``, found on the first; standardized on it."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    mean, spread = matrices[0].mean(0), np.maximum(matrices[0].std(0), 1e-12)
    scaled = [((X - mean) / spread).astype(np.float32) for X in matrices]
    with threadpool_limits(1):  # several threads sum in no fixed order
        model = KMeans(count, n_init=1, max_iter=20, random_state=seed).fit(scaled[0])
        return [model.predict(X) for X in scaled]


STUDY = Study(name="selectivity", make=selectivity_table)
