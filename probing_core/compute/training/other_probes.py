"""Train the MLP and k-NN probes of a run, and predict the test samples.

They are trained, validated and tested on the same samples as the linear probe for the fine task, so that their scores
can be compared. Only in runs with more than `MAX_ROWS` training samples are they trained on fewer photographs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from probing_core.compute.sampling.probe_tasks import Task
from probing_core.compute.task_names import FINE, OTHER_PROBES
from probing_core.compute.training.model_samples import Fold, ModelSamples, folds_of, predicted_blocks
from probing_core.compute.training.probe_training import Fit, Trained, fit_table, prediction_table
from probing_core.probes import knn
from probing_core.probes.probe import FitFacts

MAX_ROWS = 100_000
"""Maximum number of training samples. The time of a k-NN search is proportional to it."""

MLP_SEEDS = (0, 1, 2)


@dataclass(frozen=True, eq=False)
class TestedProbe:
    """A probe with its fit statistics, and its class probabilities for the test samples in blocks."""

    name: str
    facts: FitFacts
    blocks: Iterable[np.ndarray]
    dropout: float = np.nan


def train_others(data: ModelSamples) -> Trained:
    """Train three MLPs and the k-NN probes for the fine task, and predict the test samples."""
    data = replace(data, train_samples=min(data.train_samples, MAX_ROWS))
    task = data.task(FINE)
    (fold,) = folds_of(data, task)
    probes = [*_train_mlps(data, task, fold), *_find_neighbors(data, task, fold)]
    tables = [prediction_table(data, task, fold.test, each.blocks, {"probe": each.name}) for each in probes]
    fits = fit_table(data, FINE, [Fit(each.name, each.name, each.facts) for each in probes], fold.note)
    return Trained(
        probes={},
        predictions={OTHER_PROBES: pd.concat(tables, ignore_index=True)},
        fits=fits.assign(dropout=[each.dropout for each in probes]),
    )


def _train_mlps(data: ModelSamples, task: Task, fold: Fold) -> Iterator[TestedProbe]:
    from probing_core.probes import mlp  # imports torch

    selected = mlp.fit_selected(
        data.X.at(fold.train),
        task.truth[fold.train],
        classes=task.classes,
        validation=(data.X.at(fold.val), task.truth[fold.val]),
        seeds=MLP_SEEDS,
    )
    for seed, probe in zip(MLP_SEEDS, selected.probes, strict=True):
        blocks = predicted_blocks(probe, data.X.at(fold.test))
        yield TestedProbe(f"mlp-{seed}", probe.facts, blocks, selected.settings.dropout)


def _find_neighbors(data: ModelSamples, task: Task, fold: Fold) -> Iterator[TestedProbe]:
    X, y = data.X.at(fold.train), task.truth[fold.train]
    sizes = [k for k in knn.NEIGHBOR_COUNTS if k <= len(y)]
    blocks = [knn.votes(X, y, block, sizes, len(task.classes)) for block in data.X.at(fold.test).blocks()]
    for k in sizes:
        # All values of k are reported, so none is selected on the val samples.
        facts = FitFacts(penalty=float(k), at_edge=False, converged=True, iterations=0, validation_loss=np.nan)
        yield TestedProbe(f"knn-{k}", facts, [votes[k] for votes in blocks])
