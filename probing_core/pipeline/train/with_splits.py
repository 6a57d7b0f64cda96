"""Probes of a corpus with splits: they learn from train, choose on val and predict test."""

from __future__ import annotations

import numpy as np
import pandas as pd

from probing_core.errors import BadCorpus
from probing_core.measures.temperature import fit_temperature
from probing_core.pipeline.train.tables import prediction_table, save_fits
from probing_core.prediction.tile_samples import COLUMNS
from probing_core.prediction.training import fit_deployment, read_crops, save_deployment, save_novelty
from probing_core.probes.base import FitFacts, LinearProbe
from probing_core.probes.linear import fit_in_span
from probing_core.runs.layout import CALIBRATED, DEPLOYMENT, predictions_path, probe_path
from probing_core.runs.model_samples import ModelSamples, draw_photographs, most_to_learn, predict, predicted_blocks
from probing_core.runs.tasks import Task


def train_split(data: ModelSamples, name: str, key: str) -> None:
    """The linear probe of the task ``name``, its predictions; and for ``fine`` what live predictions need.

    Raises:
        BadCorpus: a split has no image.
    """
    task = data.task(name)
    train, val, test = split_rows(data, task)
    probe = fit_rows(data, task, train, val)
    temperature, fits = None, [("split", probe.facts)]
    if name == "fine":
        fits.append((DEPLOYMENT, _deploy(data, task, probe, train, val, key)))
        temperature = fit_temperature(predict(probe, data.X.at(val)), task.truth[val])
        calibrated = probe.with_temperature(temperature)
        data.store.write_bytes(probe_path(data.model, CALIBRATED), calibrated.to_bytes(), key)
    data.store.write_bytes(probe_path(data.model, name), probe.to_bytes(), key)
    save_fits(data, name, fits, key, note=learned_note(data, task, "train"))
    # Last, so that a kill before it leaves the task to be done again.
    blocks = predicted_blocks(probe, data.X.at(test))
    table = prediction_table(data, task, test, blocks, temperature=temperature)
    data.store.write_table(predictions_path(data.model, name), table, key)


def split_rows(data: ModelSamples, task: Task) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions of the samples of train, val and test; train and val hold nothing that is to stay unseen.

    Of train and of val no more than the run learns from (`most_to_learn`); everything of test.
    """
    found = [_rows_of(data, task, split) for split in ("train", "val", "test")]
    for split, rows in zip(("train", "val", "test"), found, strict=True):
        if len(rows) == 0:
            raise BadCorpus(
                f"The corpus has no usable image in the split '{split}', which the task '{task.name}' needs."
            )
    most = most_to_learn(data)
    return draw_photographs(data, found[0], most), draw_photographs(data, found[1], most), found[2]


def learned_note(data: ModelSamples, task: Task, split: str) -> str:
    """How many samples are learned from, where there are more: it stands beside each score."""
    there = _rows_of(data, task, split)
    learned = draw_photographs(data, there, most_to_learn(data))
    return f"learned from {len(learned):,} of {len(there):,} samples" if len(learned) < len(there) else ""


def _rows_of(data: ModelSamples, task: Task, split: str) -> np.ndarray:
    return np.flatnonzero(task.takes_part & (data.split == split) & (task.seen | (split == "test")))


def fit_rows(data: ModelSamples, task: Task, train: np.ndarray, val: np.ndarray) -> LinearProbe:
    """A probe of the rows ``train`` whose penalty is chosen on ``val``."""
    return fit_in_span(
        data.X.at(train), task.truth[train], classes=task.classes, validation=(data.X.at(val), task.truth[val])
    )


def _deploy(
    data: ModelSamples, task: Task, probe: LinearProbe, train: np.ndarray, val: np.ndarray, key: str
) -> FitFacts:
    deployment = fit_deployment(data, task, probe, train, val)
    large, crops = read_crops(data) or (data.X[:0], pd.DataFrame(columns=list(COLUMNS)))
    seen = deployment.choosing.probabilities(large)
    save_deployment(data, task, deployment.probe, deployment.held_out, seen, crops, key)
    save_novelty(data, train, task.truth[train], [(train, val)], key)
    return deployment.probe.facts
