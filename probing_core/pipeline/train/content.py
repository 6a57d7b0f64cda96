"""The content task: what is in the picture, told from clean embeddings and from transformed ones.

The probe learns from untouched pictures and is tested on untouched and on transformed ones. Beside it stand the
oracles, one a transform, which learn from pictures transformed alike. Where the probe falls and the oracle holds, a
transform has moved the content in the embedding; where both fall, it has taken it away.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from probing_core.pipeline.train.tables import save_fits, told
from probing_core.pipeline.train.with_splits import fit_part, parts
from probing_core.runs.layout import ORACLE, predictions_path, probe_path
from probing_core.runs.model_samples import ModelSamples, predict
from probing_core.runs.tasks import CONTENT, Task


def train_content(work: ModelSamples, key: str) -> None:
    """The probe of clean pictures, the oracles, and the predictions of both."""
    task = work.task(CONTENT)
    train, val, test = parts(work, task)
    probe = fit_part(work, task, train, val)
    fits = [("split", probe.facts)]
    tables = []
    for transform in work.transforms:
        if transform.name == "identity" or transform.far:
            continue  # of the clean ones the probe itself is the oracle; the far tier is never learned from
        alike = _only(work, task, transform.name)
        learned, chosen, tested = parts(work, alike)
        oracle = fit_part(work, alike, learned, chosen)
        fits.append((f"oracle:{transform.name}", oracle.facts))
        tables.append(told(work, alike, tested, predict(oracle, work.X.at(tested))))
    work.store.write_bytes(probe_path(work.model, CONTENT), probe.to_bytes(), key)
    save_fits(work, CONTENT, fits, key)
    work.store.write_table(predictions_path(work.model, ORACLE), pd.concat(tables, ignore_index=True), key)
    # Last, so that a kill before it leaves the task to be done again.
    table = told(work, task, test, predict(probe, work.X.at(test)))
    work.store.write_table(predictions_path(work.model, CONTENT), table, key)


def _only(work: ModelSamples, task: Task, transform: str) -> Task:
    """The same task over the samples of one transform, all of which may be learned from."""
    mine = (work.samples["transform"] == transform).to_numpy()
    return replace(task, truth=np.where(mine, task.truth, -1), seen=np.ones(len(mine), bool))
