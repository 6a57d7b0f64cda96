"""Folds: which samples a probe is trained on, validated on and tested on, and the probes that are fitted on them.

A run with splits has one fold. A run with fewer than 30 photographs has up to five folds for cross-validation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from probing_core.compute.sampling.probe_tasks import Task
from probing_core.compute.sampling.samples import has_splits
from probing_core.compute.training.model_samples import ModelSamples, draw_photographs
from probing_core.corpora import assign_groups
from probing_core.errors import BadCorpus
from probing_core.measures.classification import fit_temperature
from probing_core.probes.linear import PENALTY_GRID, fit, fit_in_span, fixed_penalty
from probing_core.probes.probe import LinearProbe

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
