"""Folds of a run: which samples a probe learns from, and which it predicts.

A corpus with splits is one fold. Where photographs are too few for splits, they are divided into groups, and every
group is the test set of one fold: cross-validation by photograph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from probing_core.compute.model_samples import ModelSamples, draw_photographs
from probing_core.compute.samples import has_splits
from probing_core.compute.tasks import Task
from probing_core.corpora import assign_groups
from probing_core.errors import BadCorpus
from probing_core.probes.linear import GRID, fixed_penalty

MAX_FOLDS = 5
"""Groups of cross-validation; fewer where there are fewer photographs."""


@dataclass(frozen=True, eq=False)
class Fold:
    """Positions of the samples of one fit; no photograph of ``train`` is in ``val`` or ``test``.

    Attributes:
        name: ``split``, or ``fold-1`` to ``fold-5``.
        train: (n,) to learn from.
        val: (m,) to measure the validation loss on, by which the penalty is chosen where there are several. In
            cross-validation, where there is one, those of ``test`` whose transform is learned.
        test: (k,) to predict.
        penalties: to choose from.
        note: how many samples are learned from, where there are more; it stands beside each score.
    """

    name: str
    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    penalties: Sequence[float]
    note: str


def folds_of(data: ModelSamples, task: Task) -> list[Fold]:
    """Return the one fold of a corpus with splits, or those of cross-validation.

    Of ``train`` and ``val`` a fold has no more samples than the run learns from
    (`ModelSamples.train_samples`), and none that is to stay unseen; of ``test`` all.

    Raises:
        BadCorpus: a split has no image, or there is only one photograph.
    """
    if has_splits(data.images):
        train, val, test = (data.split == split for split in ("train", "val", "test"))
        fold = _fold(data, task, "split", train, val, test, GRID)
        for split, rows in (("train", fold.train), ("val", fold.val), ("test", fold.test)):
            if len(rows) == 0:
                raise BadCorpus(
                    f"The corpus has no usable image in the split '{split}', which the task '{task.name}' needs."
                )
        return [fold]
    groups = assign_groups(data.photographs.tolist(), data.seed, MAX_FOLDS)
    if groups.max() == 0:
        raise BadCorpus(
            "Cross-validation needs 2 photographs, one to learn from and one to test, and the corpus has 1; add some, "
            "or take --corpus photos."
        )
    penalties = (fixed_penalty(data.X.shape[1]),)
    return [
        _fold(data, task, f"fold-{group + 1}", groups != group, groups == group, groups == group, penalties)
        for group in range(groups.max() + 1)
    ]


def _fold(
    data: ModelSamples,
    task: Task,
    name: str,
    train: np.ndarray,
    val: np.ndarray,
    test: np.ndarray,
    penalties: Sequence[float],
) -> Fold:
    """Return the fold whose samples are among those where ``train``, ``val`` and ``test`` (N,) are True."""
    learned, held = (np.flatnonzero(task.takes_part & inside & task.seen) for inside in (train, val))
    drawn = draw_photographs(data, learned, data.train_samples)
    note = f"learned from {len(drawn):,} of {len(learned):,} samples" if len(drawn) < len(learned) else ""
    held = draw_photographs(data, held, data.train_samples)
    return Fold(name, drawn, held, np.flatnonzero(task.takes_part & test), penalties, note)
