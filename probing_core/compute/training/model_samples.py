"""Samples and embeddings for training and testing probes on one model."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from probing_core.compute.lazy_rows import LazyRows
from probing_core.compute.runtime import parallel
from probing_core.compute.sampling.probe_tasks import Task, make_task
from probing_core.compute.sampling.samples import has_splits
from probing_core.corpora import assign_groups
from probing_core.errors import BadCorpus
from probing_core.measures.classification import fit_temperature
from probing_core.probes.linear import PENALTY_GRID, fit, fit_in_span, fixed_penalty
from probing_core.probes.probe import LinearProbe, Probe
from probing_core.transforms.transformation import Transform


@dataclass(frozen=True, eq=False)
class ModelSamples:
    """The samples of a run with their embeddings from one model.

    Attributes:
        model: name of the model.
        X: (N, D) embeddings of all samples.
        samples, images: tables of the run.
        transforms: transformations of the run.
        seed: random seed.
        train_samples: maximum number of training samples for a probe.
        rendered: sample rows and embeddings (n, D) of the rendering experiment, or None.
    """

    model: str
    X: LazyRows
    samples: pd.DataFrame
    images: pd.DataFrame
    transforms: tuple[Transform, ...]
    seed: int
    train_samples: int = sys.maxsize
    rendered: tuple[pd.DataFrame, np.ndarray] | None = None

    @cached_property
    def split(self) -> np.ndarray:
        return self.samples["split"].to_numpy()

    @cached_property
    def photographs(self) -> np.ndarray:
        return self.samples["base_id"].to_numpy()

    def task(self, name: str) -> Task:
        return make_task(name, self.samples, self.transforms, self.images)


def predict(probe: Probe, X: LazyRows) -> np.ndarray:
    """Compute the class probabilities (N, K) for all rows of ``X``, one block at a time."""
    return np.concatenate(list(predicted_blocks(probe, X)))


def predicted_blocks(probe: Probe, X: LazyRows) -> Iterator[np.ndarray]:
    """Yield the class probabilities (n, K) for each block of ``X``, in order."""
    return (probe.probabilities(block) for block in X.blocks())


def most_to_learn(dim: int) -> int:
    """Return the maximum number of training samples of dimension ``dim`` for a probe, given `MEMORY_OF_TRAINING`."""
    return int(parallel.bytes_of(parallel.MEMORY_OF_TRAINING) / (4 * (dim + 1)))


def draw_photographs(data: ModelSamples, rows: np.ndarray, max_samples: int) -> np.ndarray:
    """Select the rows of randomly drawn photographs, up to ``max_samples`` rows but at least one photograph.

    Photographs are ordered by a hash of the seed and their name, so a larger selection includes every smaller one.

    Args:
        rows: positions of the candidate rows.

    Returns:
        Positions of the selected rows, which contain all ``rows`` of the drawn photographs.
    """
    if len(rows) <= max_samples:
        return rows
    names, photograph, counts = np.unique(data.photographs[rows].astype(str), return_inverse=True, return_counts=True)
    order = sorted(range(len(names)), key=lambda i: hashlib.blake2b(f"{data.seed}|{names[i]}".encode()).digest())
    within = np.cumsum(counts[order]) <= max_samples
    chosen = np.zeros(len(names), bool)
    chosen[np.array(order)[within | (np.arange(len(order)) == 0)]] = True
    return rows[chosen[photograph]]


def whole_images(image_ids: np.ndarray, max_samples: int) -> np.ndarray:
    """Select about ``max_samples`` samples, or all samples if there are fewer.

    Args:
        image_ids: (N,) image ID of each sample.

    Returns:
        Positions of all samples of evenly spaced images (at least one image).
    """
    if len(image_ids) <= max_samples:
        return np.arange(len(image_ids))
    names = pd.unique(image_ids)
    count = max(1, max_samples * len(names) // len(image_ids))
    chosen = names[np.linspace(0, len(names) - 1, count).round().astype(int)]
    return np.flatnonzero(np.isin(image_ids, chosen))


MAX_FOLDS = 5
"""Maximum number of folds in cross-validation."""


@dataclass(frozen=True, eq=False)
class Fold:
    """Positions of the samples for one fit. No photograph in ``train`` is in ``val`` or ``test``.

    Attributes:
        name: ``split``, or ``fold-1`` to ``fold-5``.
        train: (n,) positions of training samples.
        val: (m,) positions of samples for the validation loss, which determines the penalty. In cross-validation, which
            uses a fixed penalty, these are the ``test`` samples whose transformation is used in training.
        test: (k,) positions of samples to predict.
        penalties: penalty grid.
        note: note that is stored with each fit if not all training samples are used, or an empty string.
    """

    name: str
    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    penalties: Sequence[float]
    note: str


def folds_of(data: ModelSamples, task: Task) -> list[Fold]:
    """Return a single fold if the run has splits, or the folds for cross-validation.

    ``train`` and ``val`` of each fold are limited to `ModelSamples.train_samples` and exclude held-out transformations.
    ``test`` includes them.

    Raises:
        BadCorpus: a split has no images, or there is only one photograph.
    """
    return [_split_fold(data, task)] if has_splits(data.images) else _cross_validation_folds(data, task)


def _split_fold(data: ModelSamples, task: Task) -> Fold:
    in_train, in_val, in_test = (data.split == split for split in ("train", "val", "test"))
    fold = _make_fold(data, task, "split", in_train, in_val, in_test, PENALTY_GRID)
    for split, rows in (("train", fold.train), ("val", fold.val), ("test", fold.test)):
        if len(rows) == 0:
            raise BadCorpus(
                f"The corpus has no usable images in the '{split}' split, which the task '{task.name}' requires."
            )
    return fold


def _cross_validation_folds(data: ModelSamples, task: Task) -> list[Fold]:
    group = assign_groups(data.photographs.tolist(), data.seed, MAX_FOLDS)
    if group.max() == 0:
        raise BadCorpus("Cross-validation requires at least 2 photographs, but the corpus has 1. Add photographs.")
    penalties = (fixed_penalty(data.X.shape[1]),)
    return [
        _make_fold(data, task, f"fold-{tested + 1}", group != tested, group == tested, group == tested, penalties)
        for tested in range(group.max() + 1)
    ]


def _make_fold(
    data: ModelSamples,
    task: Task,
    name: str,
    in_train: np.ndarray,
    in_val: np.ndarray,
    in_test: np.ndarray,
    penalties: Sequence[float],
) -> Fold:
    can_train = task.takes_part & task.seen
    candidates = np.flatnonzero(can_train & in_train)
    train = draw_photographs(data, candidates, data.train_samples)
    val = draw_photographs(data, np.flatnonzero(can_train & in_val), data.train_samples)
    test = np.flatnonzero(task.takes_part & in_test)
    is_limited = len(train) < len(candidates)
    note = f"learned from {len(train):,} of {len(candidates):,} samples" if is_limited else ""
    return Fold(name, train, val, test, penalties, note)


@dataclass(frozen=True, eq=False)
class FoldProbe:
    """A linear probe that was trained on the train samples of a fold."""

    fold: Fold
    probe: LinearProbe


def fit_fold(data: ModelSamples, task: Task, fold: Fold) -> FoldProbe:
    """Train a linear probe on the train samples of a fold. Its penalty is selected on the val samples."""
    probe = fit_in_span(
        data.X.at(fold.train),
        task.truth[fold.train],
        classes=task.classes,
        validation=(data.X.at(fold.val), task.truth[fold.val]),
        penalties=fold.penalties,
    )
    return FoldProbe(fold, probe)


def fit_all_photographs(data: ModelSamples, task: Task, folds: Sequence[FoldProbe]) -> LinearProbe:
    """Train a probe on all photographs, after cross-validation.

    Args:
        folds: probes of all folds, which determine the penalty and the validation loss.
    """
    fold = folds[0].fold  # in cross-validation, the train and val samples of each fold cover all photographs
    rows = np.concatenate([fold.train, fold.val])
    fitted = fit(
        data.X.at(rows),
        task.truth[rows],
        classes=task.classes,
        validation=(data.X.at(fold.val), task.truth[fold.val]),
        penalties=(folds[0].probe.penalty,),
    )
    return with_validation_of(fitted, [each.probe for each in folds])


def with_validation_of(fitted: LinearProbe, validated: Sequence[LinearProbe]) -> LinearProbe:
    """Return a copy of ``fitted`` with the validation statistics of probes that were trained on fewer photographs."""
    loss = float(np.mean([probe.facts.validation_loss for probe in validated]))
    facts = replace(
        validated[0].facts,
        converged=fitted.facts.converged,
        iterations=fitted.facts.iterations,
        validation_loss=loss,
        path=validated[0].facts.path if len(validated) == 1 else ((fitted.penalty, loss),),
    )
    return replace(fitted, facts=facts)


def temperature_of(held_out: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """Fit a joint temperature for several probes.

    Args:
        held_out: predicted probabilities and true classes of held-out rows, for each probe.
    """
    predicted, truth = zip(*held_out, strict=True)
    return fit_temperature(np.concatenate(predicted), np.concatenate(truth))
