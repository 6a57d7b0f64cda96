"""Probes of few photographs: each is predicted by a probe that never saw it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from probing_core.errors import BadCorpus
from probing_core.measures.temperature import at_temperature, fit_temperature
from probing_core.pipeline.train.tables import prediction_table, round_probabilities, save_fits
from probing_core.prediction.tile_samples import COLUMNS
from probing_core.prediction.training import read_crops, save_deployment, save_novelty
from probing_core.probes.leave_one_out import fit_leave_one_out
from probing_core.runs.layout import predictions_path, probe_path
from probing_core.runs.model_samples import ModelSamples
from probing_core.runs.tasks import codes

FEWEST = 3


def train_few(data: ModelSamples, name: str, key: str) -> None:
    """As `probing_core.pipeline.train.with_splits.train_split`, leaving one photograph out at a time.

    Raises:
        BadCorpus: fewer than three photographs.
    """
    task = data.task(name)
    rows = np.flatnonzero(task.takes_part)
    photographs = data.photographs[rows]
    if len(np.unique(photographs)) < FEWEST:
        raise BadCorpus(
            f"Leaving one photograph out within the rest needs {FEWEST} photographs, and the corpus has "
            f"{len(np.unique(photographs))}; add some, or take --corpus photos."
        )
    # Large pictures of a photograph ride along: they are predicted out of fold, and never learned from.
    large = read_crops(data) if name == "fine" else None
    extra, crops = large if large is not None else (data.X[:0], pd.DataFrame(columns=list(COLUMNS)))
    sizes = crops["stop"] - crops["start"]
    truth = np.repeat(codes(crops["transform"], task.classes), sizes)
    result = fit_leave_one_out(
        np.concatenate([data.X[rows], extra]),
        np.concatenate([task.truth[rows], truth]),
        np.concatenate([photographs, np.repeat(crops["base_id"], sizes)]),
        classes=task.classes,
        trainable=np.concatenate([task.seen[rows], np.zeros(len(extra), bool)]),
    )
    probabilities = result.probabilities[: len(rows)]
    further = {}
    if name == "fine":
        held_out = probabilities, task.truth[rows]
        save_deployment(data, task, result.deployment, held_out, result.probabilities[len(rows) :], crops, key)
        folds = [(rows[photographs != p], rows[photographs == p]) for p in np.unique(photographs)]
        save_novelty(data, rows, task.truth[rows], folds, key)
        further["p_calibrated"] = round_probabilities(
            calibrate_out_of_fold(probabilities, task.truth[rows], photographs)
        )
    data.store.write_bytes(probe_path(data.model, name), result.deployment.to_bytes(), key)
    save_fits(data, name, zip(result.photographs, result.facts, strict=True), key)
    # Last, so that a kill before it leaves the task to be done again.
    data.store.write_table(
        predictions_path(data.model, name), prediction_table(data, task, rows, [probabilities], further), key
    )


def calibrate_out_of_fold(probabilities: np.ndarray, truth: np.ndarray, photographs: np.ndarray) -> np.ndarray:
    """(n,) largest probability of each row at a temperature fitted on the other photographs."""
    result = np.empty(len(truth), np.float32)
    for photograph in np.unique(photographs):
        mine = photographs == photograph
        temperature = fit_temperature(probabilities[~mine], truth[~mine])
        result[mine] = at_temperature(probabilities[mine], temperature).max(1)
    return result
