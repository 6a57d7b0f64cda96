"""What live predictions need, made in training: the deployment probe, its calibration, the fusion rule and novelty.

A probe that is best on the bank's own samples of other photographs is not best where another program altered them.
So the penalty and the temperature of live predictions are those that predict the renderings of the val split best, by
a probe that learned from the train split alone; then the probe of that penalty learns from both splits. All samples of
a class weigh the same, and the bank's own are those of the first repetition: what users bring was not made by us.
Embeddings that have no negative numbers may enter as they are or as square roots, whichever predicts those renderings
better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from probing_core.compute.folds import Fold
from probing_core.compute.lazy_rows import LazyRows
from probing_core.compute.live.fusion import FusionRule, fit_rule
from probing_core.compute.live.large import mean_log_probabilities
from probing_core.compute.live.novelty import Novelty, fit_novelty
from probing_core.compute.model_samples import ModelSamples, predict, whole_images
from probing_core.compute.tasks import Task, codes
from probing_core.measures.temperature import at_temperature, fit_temperature
from probing_core.probes.base import LinearProbe
from probing_core.probes.linear import fit
from probing_core.probes.penalty import GRID
from probing_core.transforms import resolve

MAX_FOR_NOVELTY = 16_000
"""Samples that novelty is fitted on at most."""

FOLDS = 5
"""Of photographs, for the temperature of the fusion rule."""


@dataclass(frozen=True, eq=False)
class Deployment:
    """A probe for live predictions, and what its confidence is calibrated on.

    Attributes:
        probe: learned from the train and val splits; not yet calibrated.
        choosing: one a fold, learned from its train samples alone, at the same penalty.
        held_out: probabilities (n, K) by ``choosing`` and truth (n,) of samples that they did not learn from.
    """

    probe: LinearProbe
    choosing: tuple[LinearProbe, ...]
    held_out: tuple[np.ndarray, np.ndarray]


def fit_deployment(data: ModelSamples, task: Task, folds: Sequence[Fold], probes: Sequence[LinearProbe]) -> Deployment:
    """Return the deployment probe of ``task``.

    Args:
        folds: of the main samples; one where the run has renderings, which only corpora with splits have.
        probes: one a fold: what a run without renderings goes by.
    """
    if data.rendered is None:
        fitted = fit_train_and_val(data, task, folds[0], probes)
        return Deployment(fitted, tuple(probes), joined(predict_held_out(data, task, folds, probes)))
    (fold,) = folds
    table, rendered = data.rendered
    truth = codes(table["transform"], task.classes)
    held = (table["split"] == "val").to_numpy()
    first = data.samples["repetition"].to_numpy() == 0
    both = np.concatenate([fold.train, fold.val])
    train, both = fold.train[first[fold.train]], both[first[both]]
    validation = (rendered[held], truth[held])

    def learned_from(main: np.ndarray, others: np.ndarray, root: bool, penalties: Sequence[float]) -> LinearProbe:
        y = np.concatenate([task.truth[main], truth[others]])
        return fit(
            data.X.at(main).then(LazyRows((rendered[others],))),
            y,
            classes=task.classes,
            weights=class_weights(y),
            validation=validation,
            penalties=penalties,
            root=root,
        )

    rooted = rendered.min() >= 0 and all(rows.min() >= 0 for rows in data.X.at(both).blocks())
    roots = (False, True) if rooted else (False,)
    candidates = [learned_from(train, ~held, root, GRID) for root in roots]
    choosing = min(candidates, key=lambda candidate: candidate.facts.validation_loss)
    fitted = learned_from(both, np.ones(len(truth), bool), choosing.root, (choosing.penalty,))
    held_out = choosing.probabilities(rendered[held]), truth[held]
    return Deployment(_as_chosen(fitted, [choosing]), (choosing,), held_out)


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
    return _as_chosen(fitted, probes)


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


def _as_chosen(fitted: LinearProbe, choosing: Sequence[LinearProbe]) -> LinearProbe:
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


def calibrate(
    task: Task, probe: LinearProbe, held_out: tuple[np.ndarray, np.ndarray], large: np.ndarray, crops: pd.DataFrame
) -> tuple[LinearProbe, FusionRule | None]:
    """Return the deployment probe at its temperature and prior; and the fusion rule, where there are large pictures.

    Args:
        probe: fitted on all that may be learned from.
        held_out: probabilities (n, K) and truth (n,) of samples that the probes which gave them never saw.
        large, crops: the same of large pictures (P, K), and which of them belong together; may be empty.
    """
    temperature = fit_temperature(*held_out)
    prior = group_prior([resolve(name).group for name in task.classes])
    deployed = probe.with_temperature(temperature).with_prior(prior)
    if not len(crops):
        return deployed, None
    expected = at_temperature(large, temperature) * prior
    return deployed, _fusion_rule(task, expected / expected.sum(1, keepdims=True), crops)


def group_prior(groups: Sequence[str]) -> np.ndarray:
    """Return (K,) what is expected before looking: every group alike, so that untouched is as likely as blurred.

    Were every class alike, then of 31 pictures 30 would have been changed, and a picture that nothing was done to
    would hardly ever be called so.
    """
    members = np.array([groups.count(group) for group in groups])
    return 1 / (members * len(set(groups)))


def learn_novelty(
    data: ModelSamples, rows: np.ndarray, classes: np.ndarray, folds: list[tuple[np.ndarray, np.ndarray]]
) -> Novelty:
    """Return how far pictures may lie from the samples that the deployment probe learned from.

    Args:
        rows: (n,) positions of the samples that were learned.
        classes: (n,) their classes.
        folds: for each, positions of the samples to learn from and of those held out; both within ``rows``.
    """
    class_of = np.full(len(data.samples), -1)
    class_of[rows] = classes
    image_ids = data.samples["image_id"].to_numpy()

    def thinned(rows: np.ndarray) -> np.ndarray:
        return rows[whole_images(image_ids[rows], MAX_FOR_NOVELTY)]

    folds = [(thinned(learned), held) for learned, held in folds]
    return fit_novelty(data.X, class_of, thinned(rows), folds, data.photographs)


def _fusion_rule(task: Task, probabilities: np.ndarray, crops: pd.DataFrame) -> FusionRule:
    whole, tiles = mean_log_probabilities(probabilities, crops)
    truth = codes(crops["transform"], task.classes)
    groups = [resolve(name).group for name in task.classes]
    rule = fit_rule(whole, tiles, truth, groups)
    # Its temperature is fitted on answers of rules that did not learn from the photograph.
    _, photograph = np.unique(crops["base_id"], return_inverse=True)
    fold = photograph % FOLDS
    if photograph.max() == 0:
        return rule
    answers = np.empty_like(whole, dtype=np.float64)
    for held in range(min(FOLDS, photograph.max() + 1)):
        out = fold == held
        other = fit_rule(whole[~out], tiles[~out], truth[~out], groups)
        answers[out] = [other.fuse(w, t[None]) for w, t in zip(whole[out], tiles[out], strict=True)]
    return replace(rule, temperature=fit_temperature(answers, truth))
