"""The content task: what is in the picture, predicted from clean embeddings and from transformed ones.

The probe learns from untouched pictures and is tested on untouched and on transformed ones. Beside it stand the
oracles, one a transform, which learn from pictures transformed alike. Where the probe falls and the oracle holds, a
transform has moved the content in the embedding; where both fall, it has taken it away.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from probing_core.compute.folds import folds_of
from probing_core.compute.model_samples import ModelSamples, predicted_blocks
from probing_core.compute.names import ORACLE
from probing_core.compute.tasks import CONTENT, Task
from probing_core.compute.train.linear import fit_fold
from probing_core.compute.train.tables import Trained, fit_table, prediction_table


def train_content(data: ModelSamples, oracles: bool = True) -> Trained:
    """Return the probe of clean pictures, and its predictions and, if ``oracles``, those of the oracles."""
    task = data.task(CONTENT)
    (split,) = folds_of(data, task)
    probe = fit_fold(data, task, split)
    fits = [(split.name, probe.facts)]
    tables = []
    for transform in data.transforms if oracles else ():
        if transform.name == "identity" or transform.far:
            continue  # of the clean ones the probe itself is the oracle; the far tier is never learned from
        alike = _only(data, task, transform.name)
        (fold,) = folds_of(data, alike)
        oracle = fit_fold(data, alike, fold)
        fits.append((f"oracle:{transform.name}", oracle.facts))
        tables.append(prediction_table(data, alike, fold.test, predicted_blocks(oracle, data.X.at(fold.test))))
    own = prediction_table(data, task, split.test, predicted_blocks(probe, data.X.at(split.test)))
    return Trained(
        probes={CONTENT: probe.to_bytes()},
        predictions={CONTENT: own} | ({ORACLE: pd.concat(tables, ignore_index=True)} if oracles else {}),
        fits=fit_table(data, CONTENT, fits, note=split.note),
    )


def _only(data: ModelSamples, task: Task, transform: str) -> Task:
    """Return the same task over the samples of one transform, all of which may be learned from."""
    mine = (data.samples["transform"] == transform).to_numpy()
    return replace(task, truth=np.where(mine, task.truth, -1), seen=np.ones(len(mine), bool))
