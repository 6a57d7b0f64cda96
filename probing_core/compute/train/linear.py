"""Linear probes of the tasks on transforms: they learn from some photographs and predict others."""

from __future__ import annotations

import numpy as np
import pandas as pd

from probing_core.compute.folds import Fold, folds_of
from probing_core.compute.live.deployment import (
    fit_deployment,
    fit_train_and_val,
    joined,
    predict_held_out,
)
from probing_core.compute.model_samples import ModelSamples, predicted_blocks
from probing_core.compute.names import CALIBRATED, DEPLOYMENT, NOTICING
from probing_core.compute.tasks import Task
from probing_core.compute.train.tables import Trained, fit_table, prediction_table
from probing_core.measures.classification import fit_temperature
from probing_core.probes.base import LinearProbe
from probing_core.probes.linear import fit_in_span


def train_linear(data: ModelSamples, name: str, live: bool = True) -> Trained:
    """Return the linear probe of the task ``name`` and its predictions; for ``fine`` also what live predictions need,
    unless ``live`` is False.

    Every fold's test samples are predicted by the probe of that fold. With several folds, the probe that is returned
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
    of_fine: dict[str, bytes | None] = {}
    answers: dict[str, np.ndarray] = {}
    if name == "fine" and live:
        deployment = fit_deployment(data, task, folds, probes)
        of_fine |= {DEPLOYMENT: deployment.probe.to_bytes(), NOTICING: deployment.noticing.to_bytes()}
        answers = {"altered": deployment.altered.astype(np.float32), "named": np.array(task.classes)[deployment.named]}
        fits.append((DEPLOYMENT, deployment.facts))
    if name == "fine":
        held_out = predict_held_out(data, task, folds, probes)
        # A fold of splits has val beside test. In cross-validation val is within test: the other folds calibrate.
        others = [held_out[:i] + held_out[i + 1 :] or held_out for i in range(len(folds))]
        temperatures = [fit_temperature(*joined(known)) for known in others]
        of_fine[CALIBRATED] = probe.with_temperature(fit_temperature(*joined(held_out))).to_bytes()
    tables = [
        prediction_table(
            data,
            task,
            fold.test,
            predicted_blocks(fitted, data.X.at(fold.test)),
            {name: values[fold.test] for name, values in answers.items()},
            temperature,
        )
        for fold, fitted, temperature in zip(folds, probes, temperatures, strict=True)
    ]
    return Trained(
        probes={name: probe.to_bytes()} | of_fine,
        predictions={name: pd.concat(tables).sort_values("sample", ignore_index=True)},
        fits=fit_table(data, name, fits, note=folds[0].note),
    )


def fit_fold(data: ModelSamples, task: Task, fold: Fold) -> LinearProbe:
    """Return the probe of ``fold.train`` whose penalty is chosen on ``fold.val``."""
    return fit_in_span(
        data.X.at(fold.train),
        task.truth[fold.train],
        classes=task.classes,
        validation=(data.X.at(fold.val), task.truth[fold.val]),
        penalties=fold.penalties,
    )
