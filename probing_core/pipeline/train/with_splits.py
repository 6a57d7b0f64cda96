"""Probes of a corpus with splits: they learn from train, choose on val and predict test."""

from __future__ import annotations

import numpy as np
import pandas as pd

from probing_core.errors import BadCorpus
from probing_core.measures.temperature import at_temperature, fit_temperature
from probing_core.pipeline.train.tables import kept, save_fits, told
from probing_core.prediction.tile_samples import COLUMNS
from probing_core.prediction.training import fit_deployment, read_crops, save_deployment, save_novelty
from probing_core.probes.base import FitFacts, LinearProbe
from probing_core.probes.linear import fit_in_span
from probing_core.runs.layout import CALIBRATED, DEPLOYMENT, predictions_path, probe_path
from probing_core.runs.model_samples import ModelSamples, predict
from probing_core.runs.tasks import Task


def train_split(work: ModelSamples, name: str, key: str) -> None:
    """The linear probe of the task ``name``, its predictions; and for ``fine`` what live predictions need.

    Raises:
        BadCorpus: a split has no image.
    """
    task = work.task(name)
    train, val, test = parts(work, task)
    probe = fit_part(work, task, train, val)
    probabilities = predict(probe, work.X.at(test))
    further, fits = {}, [("split", probe.facts)]
    if name == "fine":
        fits.append((DEPLOYMENT, _deploy(work, task, probe, train, val, key)))
        temperature = fit_temperature(predict(probe, work.X.at(val)), task.truth[val])
        further["p_calibrated"] = kept(at_temperature(probabilities, temperature).max(1))
        calibrated = probe.with_temperature(temperature)
        work.store.write_bytes(probe_path(work.model, CALIBRATED), calibrated.to_bytes(), key)
    work.store.write_bytes(probe_path(work.model, name), probe.to_bytes(), key)
    save_fits(work, name, fits, key)
    # Last, so that a kill before it leaves the task to be done again.
    table = told(work, task, test, probabilities, further)
    work.store.write_table(predictions_path(work.model, name), table, key)


def parts(work: ModelSamples, task: Task) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions of the samples of train, val and test; train and val hold nothing that is to stay unseen."""
    found = [
        np.flatnonzero(task.takes_part & (work.split == split) & (task.seen | (split == "test")))
        for split in ("train", "val", "test")
    ]
    for split, rows in zip(("train", "val", "test"), found, strict=True):
        if len(rows) == 0:
            raise BadCorpus(
                f"The corpus has no usable image in the split '{split}', which the task '{task.name}' needs."
            )
    return found[0], found[1], found[2]


def fit_part(work: ModelSamples, task: Task, train: np.ndarray, val: np.ndarray) -> LinearProbe:
    """A probe of the rows ``train`` whose penalty is chosen on ``val``."""
    return fit_in_span(
        work.X.at(train), task.truth[train], classes=task.classes, validation=(work.X.at(val), task.truth[val])
    )


def _deploy(
    work: ModelSamples, task: Task, probe: LinearProbe, train: np.ndarray, val: np.ndarray, key: str
) -> FitFacts:
    deployment = fit_deployment(work, task, probe, train, val)
    large, crops = read_crops(work) or (work.X[:0], pd.DataFrame(columns=list(COLUMNS)))
    seen = deployment.choosing.probabilities(large)
    save_deployment(work, task, deployment.probe, deployment.held_out, seen, crops, key)
    save_novelty(work, train, task.truth[train], [(train, val)], key)
    return deployment.probe.facts
