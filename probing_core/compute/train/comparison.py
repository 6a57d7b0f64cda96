"""Probes that are scored beside the linear one at the fine task: an MLP of three seeds, and nearest neighbors."""

from __future__ import annotations

import numpy as np
import pandas as pd

from probing_core.compute.caveats import joined
from probing_core.compute.folds import folds_of
from probing_core.compute.model_samples import ModelSamples, predict, whole_images
from probing_core.compute.names import OTHER_PROBES
from probing_core.compute.train.tables import Trained, fit_table, prediction_table
from probing_core.probes import knn, mlp
from probing_core.probes.base import FitFacts, log_loss

SEEDS = (0, 1, 2)
MAX_TO_LEARN = 12_000
"""Samples that they learn from at most: of whole images, so that classes stay paired; more would take too long."""


def train_others(data: ModelSamples) -> Trained:
    """Return predictions of the fine task by the other probes, of the first repetition."""
    task = data.task("fine")
    first = data.samples["repetition"].to_numpy() == 0
    (split,) = folds_of(data, task)
    train, val, test = (rows[first[rows]] for rows in (split.train, split.val, split.test))
    image_ids = data.samples["image_id"].to_numpy()
    learned, chosen = (rows[whole_images(image_ids[rows], MAX_TO_LEARN)] for rows in (train, val))
    X, y = data.X[learned], task.truth[learned]
    validation = data.X[chosen], task.truth[chosen]
    Xt = data.X.at(test)

    fits: list[tuple[str, FitFacts]] = []
    tables: list[pd.DataFrame] = []

    def add(probe: str, facts: FitFacts, probabilities: np.ndarray) -> None:
        fits.append((probe, facts))
        tables.append(prediction_table(data, task, test, [probabilities], {"probe": probe}))

    for seed, probe in zip(
        SEEDS, mlp.fit_seeds(X, y, classes=task.classes, validation=validation, seeds=SEEDS), strict=True
    ):
        add(f"mlp-{seed}", probe.facts, predict(probe, Xt))
    sizes = [k for k in knn.NEIGHBORS if k <= len(y)]
    held = knn.votes(X, y, validation[0], sizes, len(task.classes))
    blocks = [knn.votes(X, y, block, sizes, len(task.classes)) for block in Xt.blocks()]
    tested = {k: np.concatenate([block[k] for block in blocks]) for k in sizes}
    for k in sizes:
        # None is chosen: every k is reported.
        add(f"knn-{k}", FitFacts(float(k), False, True, 0, log_loss(held[k], validation[1])), tested[k])
    notes = [split.note]
    if len(learned) < len(train):
        notes.append(f"learned from {len(np.unique(image_ids[learned]))} images, evenly spaced")
    if not first.all():
        notes.append("first repetition alone")
    return Trained(
        probes={},
        predictions={OTHER_PROBES: pd.concat(tables, ignore_index=True)},
        fits=fit_table(data, "fine", fits, [probe for probe, _ in fits], joined(*notes)),
    )
