"""Linear probes of the tasks on transforms: they learn from some photographs and predict others."""

from __future__ import annotations

import numpy as np
import pandas as pd

from probing_core.measures.temperature import fit_temperature
from probing_core.pipeline.train.tables import prediction_table, save_fits
from probing_core.prediction.tile_samples import COLUMNS
from probing_core.prediction.training import (
    fit_deployment,
    fit_train_and_val,
    joined,
    predict_held_out,
    read_crops,
    save_deployment,
    save_novelty,
)
from probing_core.probes.base import FitFacts, LinearProbe
from probing_core.probes.linear import fit_in_span
from probing_core.runs.folds import Fold, folds_of
from probing_core.runs.layout import CALIBRATED, DEPLOYMENT, predictions_path, probe_path
from probing_core.runs.model_samples import ModelSamples, predicted_blocks
from probing_core.runs.tasks import Task


def train_linear(data: ModelSamples, name: str, key: str) -> None:
    """Write the linear probe of the task ``name``, its predictions; and for ``fine`` what live predictions need.

    Every fold's test samples are predicted by the probe of that fold. With several folds, the probe that is written
    learned from all photographs.

    Raises:
        BadCorpus: a split has no image, or there is only one photograph.
    """
    task = data.task(name)
    folds = folds_of(data, task)
    probes = [fit_fold(data, task, fold) for fold in folds]
    probe = probes[0] if len(folds) == 1 else fit_train_and_val(data, task, folds[0], probes)
    fits = [(fold.name, fitted.facts) for fold, fitted in zip(folds, probes, strict=True)]
    temperatures: list[float | None] = [None] * len(folds)
    if name == "fine":
        fits.append((DEPLOYMENT, _deploy(data, task, folds, probes, key)))
        held_out = predict_held_out(data, task, folds, probes)
        # A fold of splits has val beside test. In cross-validation val is within test: the other folds calibrate.
        others = [held_out[:i] + held_out[i + 1 :] or held_out for i in range(len(folds))]
        temperatures = [fit_temperature(*joined(known)) for known in others]
        calibrated = probe.with_temperature(fit_temperature(*joined(held_out)))
        data.store.write_bytes(probe_path(data.model, CALIBRATED), calibrated.to_bytes(), key)
    data.store.write_bytes(probe_path(data.model, name), probe.to_bytes(), key)
    save_fits(data, name, fits, key, note=folds[0].note)
    tables = [
        prediction_table(data, task, fold.test, predicted_blocks(fitted, data.X.at(fold.test)), temperature=temperature)
        for fold, fitted, temperature in zip(folds, probes, temperatures, strict=True)
    ]
    # Last, so that a kill before it leaves the task to be done again.
    table = pd.concat(tables).sort_values("sample", ignore_index=True)
    data.store.write_table(predictions_path(data.model, name), table, key)


def fit_fold(data: ModelSamples, task: Task, fold: Fold) -> LinearProbe:
    """Return the probe of ``fold.train`` whose penalty is chosen on ``fold.val``."""
    return fit_in_span(
        data.X.at(fold.train),
        task.truth[fold.train],
        classes=task.classes,
        validation=(data.X.at(fold.val), task.truth[fold.val]),
        penalties=fold.penalties,
    )


def _deploy(data: ModelSamples, task: Task, folds: list[Fold], probes: list[LinearProbe], key: str) -> FitFacts:
    deployment = fit_deployment(data, task, folds, probes)
    large, crops = read_crops(data) or (data.X[:0], pd.DataFrame(columns=list(COLUMNS)))
    photographs = crops["base_id"].repeat((crops["stop"] - crops["start"]).tolist())
    # Of splits, large pictures are of val. In cross-validation, each is predicted by the fold that tests it.
    seen = deployment.choosing[0].probabilities(large)
    for fold, probe in zip(folds[1:], deployment.choosing[1:], strict=True):
        tested = photographs.isin(data.photographs[fold.test]).to_numpy()
        seen[tested] = probe.probabilities(large[tested])
    save_deployment(data, task, deployment.probe, deployment.held_out, seen, crops, key)
    learned = np.unique(np.concatenate([fold.train for fold in folds]))
    save_novelty(data, learned, task.truth[learned], [(fold.train, fold.val) for fold in folds], key)
    return deployment.probe.facts
