"""The content task: what is in the picture, predicted from clean embeddings and from transformed ones.

The probe learns from untouched pictures and is tested on untouched and on transformed ones. Beside it stand the
oracles, one a transform, which learn from pictures transformed alike. Where the probe falls and the oracle holds, a
transform has moved the content in the embedding; where both fall, it has taken it away.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from probing_core.pipeline.train.linear import fit_fold
from probing_core.pipeline.train.tables import prediction_table, save_fits
from probing_core.runs.folds import folds_of
from probing_core.runs.layout import ORACLE, predictions_path, probe_path
from probing_core.runs.model_samples import ModelSamples, predicted_blocks
from probing_core.runs.tasks import CONTENT, Task


def train_content(data: ModelSamples, key: str) -> None:
    """The probe of clean pictures, the oracles, and the predictions of both."""
    task = data.task(CONTENT)
    (split,) = folds_of(data, task)
    probe = fit_fold(data, task, split)
    fits = [(split.name, probe.facts)]
    tables = []
    for transform in data.transforms:
        if transform.name == "identity" or transform.far:
            continue  # of the clean ones the probe itself is the oracle; the far tier is never learned from
        alike = _only(data, task, transform.name)
        (fold,) = folds_of(data, alike)
        oracle = fit_fold(data, alike, fold)
        fits.append((f"oracle:{transform.name}", oracle.facts))
        tables.append(prediction_table(data, alike, fold.test, predicted_blocks(oracle, data.X.at(fold.test))))
    data.store.write_bytes(probe_path(data.model, CONTENT), probe.to_bytes(), key)
    save_fits(data, CONTENT, fits, key, note=split.note)
    data.store.write_table(predictions_path(data.model, ORACLE), pd.concat(tables, ignore_index=True), key)
    # Last, so that a kill before it leaves the task to be done again.
    table = prediction_table(data, task, split.test, predicted_blocks(probe, data.X.at(split.test)))
    data.store.write_table(predictions_path(data.model, CONTENT), table, key)


def _only(data: ModelSamples, task: Task, transform: str) -> Task:
    """The same task over the samples of one transform, all of which may be learned from."""
    mine = (data.samples["transform"] == transform).to_numpy()
    return replace(task, truth=np.where(mine, task.truth, -1), seen=np.ones(len(mine), bool))
