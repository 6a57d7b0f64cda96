"""The probe of live answers and its calibration, made in training.

A probe that is best on the bank's own samples of other photographs is not best where another program altered them.
So the penalty is the one that predicts the renderings of the val split best, by a probe that learned from the train
split alone. Then five probes of that penalty each learn from four fifths of all photographs of the run, whatever their
split, and predict the others: these answers have the temperature and the two numbers of `Noticing`. The probe that is
kept learns from all photographs. All samples of a class weigh the same, and the bank's own are those of the first
repetition: what users bring was not made by us. Embeddings that have no negative numbers may enter as they are or as
square roots, whichever predicts those renderings better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from probing_core.compute.folds import MAX_FOLDS, Fold
from probing_core.compute.lazy_rows import LazyRows
from probing_core.compute.live.noticing import Noticing, alteration_score, fit_noticing, if_altered, log_of
from probing_core.compute.model_samples import ModelSamples, draw_photographs, predict, predicted_blocks
from probing_core.compute.tasks import Task, codes
from probing_core.corpora import assign_groups
from probing_core.measures.classification import at_temperature, fit_temperature
from probing_core.probes.base import FitFacts, LinearProbe
from probing_core.probes.linear import GRID, fit
from probing_core.transforms import resolve

BANK, ALTERNATIVE = "bank", "alternative"
"""By what a sample was made: the bank, or another implementation."""


@dataclass(frozen=True, eq=False)
class CrossFitted:
    """A probe that learned from some photographs, and positions of samples of others.

    Attributes:
        main: (n,) of samples.
        rendered: (m,) of renderings.
    """

    probe: LinearProbe
    main: np.ndarray
    rendered: np.ndarray


@dataclass(frozen=True, eq=False)
class Deployment:
    """What live answers are made with, and what was answered about samples that the probe did not learn from.

    Attributes:
        probe: learned from all photographs, at its temperature, where groups are expected alike.
        noticing: how its score becomes the probability that a picture was altered.
        altered, named: (N,) of each sample by probes that did not learn from its photograph: this probability, and the
            position of the most probable class if it was altered; NaN and -1 where a sample takes no part.
        facts: how the probe was fitted.
    """

    probe: LinearProbe
    noticing: Noticing
    altered: np.ndarray
    named: np.ndarray
    facts: FitFacts


def fit_deployment(data: ModelSamples, task: Task, folds: Sequence[Fold], probes: Sequence[LinearProbe]) -> Deployment:
    """Return what live answers need.

    Args:
        folds: of the main samples: one of a corpus with splits, or those of cross-validation.
        probes: one a fold, by which a run without splits goes.
    """
    fitted, cross = _by_splits(data, task, folds[0]) if len(folds) == 1 else _by_folds(data, task, folds, probes)
    groups = [resolve(name).group for name in task.classes]
    prior = group_prior(groups)
    table, rendered = _renderings(data)
    by_others = codes(table["transform"], task.classes)
    first = data.samples["repetition"].to_numpy() == 0
    if len(table):
        known = [(one.probe.probabilities(rendered[one.rendered]), by_others[one.rendered]) for one in cross]
    else:
        rows = [one.main[first[one.main]] for one in cross]
        known = [(predict(one.probe, data.X.at(mine)), task.truth[mine]) for one, mine in zip(cross, rows, strict=True)]
    temperature = fit_temperature(*joined(known))

    def answered(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (n,) scores, and the most probable class of each if it was altered."""
        expected = at_temperature(probabilities, temperature) * prior
        expected /= expected.sum(1, keepdims=True)
        return alteration_score(log_of(expected), groups), if_altered(expected, groups).argmax(1)

    scores, named = np.full(len(data.samples), np.nan), np.full(len(data.samples), -1)
    of_others = np.empty(len(table))
    for one in cross:
        start = 0
        for block in predicted_blocks(one.probe, data.X.at(one.main)):
            mine = one.main[start : start + len(block)]
            scores[mine], named[mine] = answered(block)
            start += len(block)
        of_others[one.rendered] = answered(one.probe.probabilities(rendered[one.rendered]))[0]
    first &= ~np.isnan(scores)
    noticing = fit_noticing(
        np.concatenate([scores[first], of_others]),
        np.array(groups)[np.concatenate([task.truth[first], by_others])],
        np.repeat([BANK, ALTERNATIVE], [first.sum(), len(table)]),
        np.concatenate([data.photographs[first], table["base_id"].to_numpy()]).astype(str),
    )
    probe = fitted.with_temperature(temperature).with_prior(prior)
    return Deployment(probe, noticing, noticing.altered(scores), named, fitted.facts)


def _renderings(data: ModelSamples) -> tuple[pd.DataFrame, np.ndarray]:
    """Return rows and embeddings of the renderings; none where the run has none."""
    return data.rendered or (data.samples[:0], np.empty((0, data.X.shape[1]), np.float32))


def _by_splits(data: ModelSamples, task: Task, fold: Fold) -> tuple[LinearProbe, list[CrossFitted]]:
    """Return the probe of all photographs, and five that know four fifths of them."""
    table, rendered = _renderings(data)
    truth = codes(table["transform"], task.classes)
    first = data.samples["repetition"].to_numpy() == 0
    held = (table["split"] == "val").to_numpy()

    def learned_from(
        main: np.ndarray,
        others: np.ndarray,
        validation: tuple[np.ndarray, np.ndarray],
        root: bool = False,
        penalties: Sequence[float] = GRID,
    ) -> LinearProbe:
        """Learn from samples ``main`` and renderings ``others``; ``validation`` are positions of the same two."""
        y = np.concatenate([task.truth[main], truth[others]])
        return fit(
            data.X.at(main).then(LazyRows((rendered[others],))),
            y,
            classes=task.classes,
            weights=class_weights(y),
            validation=(
                data.X.at(validation[0]).then(LazyRows((rendered[validation[1]],))),
                np.concatenate([task.truth[validation[0]], truth[validation[1]]]),
            ),
            penalties=penalties,
            root=root,
        )

    nothing = np.empty(0, np.int64)
    choosing_rows = (nothing if held.any() else fold.val, np.flatnonzero(held))
    main = np.flatnonzero(task.takes_part & task.seen & first)
    main = draw_photographs(data, main, data.train_samples)
    seen = np.concatenate([fold.train, fold.val])
    rooted = (not len(rendered) or rendered.min() >= 0) and all(X.min() >= 0 for X in data.X.at(seen).blocks())
    train = fold.train[first[fold.train]]
    candidates = [
        learned_from(train, np.flatnonzero((table["split"] == "train").to_numpy()), choosing_rows, root)
        for root in ((False, True) if rooted else (False,))
    ]
    chosen = min(candidates, key=lambda candidate: candidate.facts.validation_loss)
    again = partial(learned_from, root=chosen.root, penalties=(chosen.penalty,))
    bases = [*data.photographs.astype(str), *table["base_id"].astype(str)]
    group = assign_groups(bases, data.seed, MAX_FOLDS)
    of_main, of_others = group[: len(data.samples)], group[len(data.samples) :]
    cross = []
    for held_out in range(group.max() + 1):
        learned, others = main[of_main[main] != held_out], np.flatnonzero(of_others != held_out)
        tested = np.flatnonzero(task.takes_part & (of_main == held_out))
        probe = again(learned, others, (tested[first[tested]], nothing))
        cross.append(CrossFitted(probe, tested, np.flatnonzero(of_others == held_out)))
    fitted = again(main, np.arange(len(table)), choosing_rows)
    return as_chosen(fitted, [chosen]), cross


def _by_folds(
    data: ModelSamples, task: Task, folds: Sequence[Fold], probes: Sequence[LinearProbe]
) -> tuple[LinearProbe, list[CrossFitted]]:
    """Return the probe of all photographs, and those of cross-validation."""
    nothing = np.empty(0, np.int64)
    cross = [CrossFitted(probe, fold.test, nothing) for probe, fold in zip(probes, folds, strict=True)]
    return fit_train_and_val(data, task, folds[0], probes), cross


def fit_train_and_val(data: ModelSamples, task: Task, fold: Fold, probes: Sequence[LinearProbe]) -> LinearProbe:
    """Return the probe of all that may be learned from: the train and val samples of ``fold``, at the penalty of
    ``probes``, one a fold, which learned from the train samples alone.
    """
    both = np.concatenate([fold.train, fold.val])
    fitted = fit(
        data.X.at(both),
        task.truth[both],
        classes=task.classes,
        validation=(data.X.at(fold.val), task.truth[fold.val]),
        penalties=(probes[0].penalty,),
    )
    return as_chosen(fitted, probes)


def predict_held_out(
    data: ModelSamples, task: Task, folds: Sequence[Fold], probes: Sequence[LinearProbe]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return for each fold the probabilities (n, K) of its val samples by its probe, and their truth (n,)."""
    return [
        (predict(probe, data.X.at(fold.val)), task.truth[fold.val]) for fold, probe in zip(folds, probes, strict=True)
    ]


def joined(held_out: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities and truths of several folds (`predict_held_out`), one below the other."""
    probabilities, truths = zip(*held_out, strict=True)
    return np.concatenate(probabilities), np.concatenate(truths)


def as_chosen(fitted: LinearProbe, choosing: Sequence[LinearProbe]) -> LinearProbe:
    """Return ``fitted`` with what ``choosing``, one a fold, found of its penalty on pictures that they never saw."""
    loss = float(np.mean([probe.facts.validation_loss for probe in choosing]))
    facts = replace(
        choosing[0].facts,
        converged=fitted.facts.converged,
        iterations=fitted.facts.iterations,
        validation_loss=loss,
        path=choosing[0].facts.path if len(choosing) == 1 else ((fitted.penalty, loss),),
    )
    return replace(fitted, facts=facts)


def class_weights(truth: np.ndarray) -> np.ndarray:
    """Return (n,) weights of samples of classes ``truth`` (n,), 1 on average: every class weighs the same."""
    weights = 1 / np.bincount(truth)[truth]
    return weights * len(truth) / weights.sum()


def group_prior(groups: Sequence[str]) -> np.ndarray:
    """Return (K,) what is expected before looking: every group alike.

    Were every class alike, then of 31 pictures 30 would have been changed, and groups of many members would be named
    more often than others.
    """
    members = np.array([groups.count(group) for group in groups])
    return 1 / (members * len(set(groups)))
