"""The deployment probe, which predicts whether and how new images were edited.

New images were edited with other programs than the samples of the run. Therefore, everything that can be selected is
selected on renderings: samples of the rendering experiment, which are transformed by alternative implementations. In
runs without renderings, the main samples are used instead. `fit_deployment` lists the steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from probing_core.answers.answer import Posterior, edit_score, given_edited, log_of
from probing_core.answers.calibration import fit_posterior
from probing_core.compute.lazy_rows import READ_ROWS, LazyRows
from probing_core.compute.sampling.probe_tasks import Task, codes
from probing_core.compute.training.model_samples import (
    MAX_FOLDS,
    Fold,
    FoldProbe,
    ModelSamples,
    draw_photographs,
    fit_all_photographs,
    predict,
    temperature_of,
    with_validation_of,
)
from probing_core.corpora import assign_groups
from probing_core.measures.classification import at_temperature
from probing_core.probes.linear import PENALTY_GRID, fit
from probing_core.probes.probe import FitFacts, LinearProbe
from probing_core.transforms import resolve


@dataclass(frozen=True, eq=False)
class Deployment:
    """The deployment probe with its calibration, and held-out predictions for the samples.

    Attributes:
        probe: probe trained on all photographs, with temperature scaling and equal priors for all groups.
        posterior: calibration that converts edit scores to probabilities that images were edited.
        altered: (N,) probability that each sample was edited, predicted by a probe that was not trained on the
            photograph, or NaN if the sample was not predicted.
        named: (N,) index of the most probable class other than identity, predicted by the same probe, or -1.
        facts: fit statistics of the probe.
    """

    probe: LinearProbe
    posterior: Posterior
    altered: np.ndarray
    named: np.ndarray
    facts: FitFacts


def fit_deployment(data: ModelSamples, task: Task, folds: Sequence[FoldProbe]) -> Deployment:
    """Fit and calibrate the probe for new images.

    1. In a run with splits, the settings of the probe are selected, and a probe is trained on all photographs. Five
       more probes with these settings are each trained on four fifths of the photographs. In cross-validation, the
       probes of the folds are used.
    2. Each of the other probes predicts the photographs that it was not trained on. These predictions determine the
       temperature and the posterior.

    Args:
        folds: probes of a single fold if the run has splits, or of the folds for cross-validation.
    """
    rows = SamplesAndRenderings.of(data, task)
    if len(folds) == 1:
        selected = select_settings(rows, folds[0].fold)
        fitted = fit_on_all(rows, selected)
        held_out = cross_validate(rows, selected)
    else:
        fitted = fit_all_photographs(data, task, folds)
        held_out = [HeldOut(each.probe, each.fold.test) for each in folds]
    groups = [resolve(name).group for name in task.classes]
    prior = group_prior(groups)
    temperature = _temperature(rows, held_out)
    scores, named = _predict_held_out(rows, held_out, temperature, prior, groups)
    posterior = _posterior(rows, scores, groups)
    count = len(data.samples)
    return Deployment(
        probe=fitted.with_temperature(temperature).with_prior(prior),
        posterior=posterior,
        altered=posterior.probability(scores[:count]),
        named=named[:count],
        facts=fitted.facts,
    )


@dataclass(frozen=True, eq=False)
class SamplesAndRenderings:
    """The samples of a run, followed by the renderings.

    Attributes:
        classes: class names.
        X: (N, D) embeddings.
        truth: (N,) class indices, or -1 for samples that are not part of the task.
        photographs, split: (N,) IDs of photographs and names of splits.
        rendered: (N,) whether each row is a rendering.
        first: (N,) whether each row is a rendering or a sample of the first repetition.
        train: positions of the rows from which the final probe learns: the renderings, and the main samples of the
            first repetition (of some photographs, if there are more than `ModelSamples.train_samples`).
        seed: seed of the run.
    """

    classes: tuple[str, ...]
    X: LazyRows
    truth: np.ndarray
    photographs: np.ndarray
    split: np.ndarray
    rendered: np.ndarray
    first: np.ndarray
    train: np.ndarray
    seed: int

    @classmethod
    def of(cls, data: ModelSamples, task: Task) -> SamplesAndRenderings:
        table, X = data.rendered or (data.samples[:0], np.empty((0, data.X.shape[1]), np.float32))
        rendered = np.repeat([False, True], [len(data.samples), len(table)])
        is_first = (data.samples["repetition"] == 0).to_numpy()
        main = draw_photographs(data, np.flatnonzero(task.takes_part & task.seen & is_first), data.train_samples)
        return cls(
            task.classes,
            data.X.then(LazyRows((X,))),
            np.concatenate([task.truth, codes(table["transform"], task.classes)]),
            np.concatenate([data.photographs, table["base_id"]]),
            np.concatenate([data.split, table["split"]]),
            rendered,
            np.concatenate([is_first, np.ones(len(table), bool)]),
            np.concatenate([main, np.flatnonzero(rendered)]),
            data.seed,
        )

    def renderings_of(self, split: str) -> np.ndarray:
        return np.flatnonzero(self.rendered & (self.split == split))


def fit_weighted(
    rows: SamplesAndRenderings, train: np.ndarray, validation: np.ndarray, penalties: Sequence[float], root: bool
) -> LinearProbe:
    """Train a probe on the rows at the positions ``train``. All classes have the same total weight."""
    return fit(
        rows.X.at(train),
        rows.truth[train],
        classes=rows.classes,
        weights=class_weights(rows.truth[train]),
        validation=(rows.X.at(validation), rows.truth[validation]),
        penalties=penalties,
        root=root,
    )


@dataclass(frozen=True, eq=False)
class Selected:
    """The probe with the selected settings (penalty and square root), and the rows on which they were selected."""

    probe: LinearProbe
    validation: np.ndarray

    def refit(self, rows: SamplesAndRenderings, train: np.ndarray, validation: np.ndarray) -> LinearProbe:
        return fit_weighted(rows, train, validation, (self.probe.penalty,), self.probe.root)


def select_settings(rows: SamplesAndRenderings, fold: Fold) -> Selected:
    """Select the penalty, and whether embeddings are replaced with their square roots.

    Probes are trained on the train split. The loss on the renderings in the val split decides. Only non-negative
    embeddings have square roots.
    """
    renderings = rows.renderings_of("val")
    validation = renderings if len(renderings) else fold.val
    train = np.concatenate([fold.train[rows.first[fold.train]], rows.renderings_of("train")])
    used = np.concatenate([fold.train, fold.val, np.flatnonzero(rows.rendered)])
    has_roots = all(block.min() >= 0 for block in rows.X.at(used).blocks())
    candidates = [
        fit_weighted(rows, train, validation, PENALTY_GRID, root) for root in ((False, True) if has_roots else (False,))
    ]
    return Selected(min(candidates, key=lambda probe: probe.facts.validation_loss), validation)


def fit_on_all(rows: SamplesAndRenderings, selected: Selected) -> LinearProbe:
    """Train the probe with the selected settings on all photographs."""
    return with_validation_of(selected.refit(rows, rows.train, selected.validation), [selected.probe])


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A probe, and the positions of the rows of photographs that it was not trained on."""

    probe: LinearProbe
    rows: np.ndarray


def cross_validate(rows: SamplesAndRenderings, selected: Selected) -> list[HeldOut]:
    """Train five probes with the selected settings, each on four fifths of the photographs."""
    group = assign_groups(rows.photographs.tolist(), rows.seed, MAX_FOLDS)
    held_out = []
    for tested in range(group.max() + 1):
        test = np.flatnonzero((rows.truth >= 0) & (group == tested))
        train = rows.train[group[rows.train] != tested]
        validation = test[(rows.first & ~rows.rendered)[test]]
        held_out.append(HeldOut(selected.refit(rows, train, validation), test))
    return held_out


def _temperature(rows: SamplesAndRenderings, held_out: Sequence[HeldOut]) -> float:
    """Fit the temperature on held-out renderings, or on the first repetition of the samples if there are none."""
    calibrating = rows.rendered if rows.rendered.any() else rows.first
    tested = [(each.probe, each.rows[calibrating[each.rows]]) for each in held_out]
    return temperature_of([(predict(probe, rows.X.at(test)), rows.truth[test]) for probe, test in tested])


def _predict_held_out(
    rows: SamplesAndRenderings,
    held_out: Sequence[HeldOut],
    temperature: float,
    prior: np.ndarray,
    groups: Sequence[str],
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the edit scores (N,) of all held-out rows, and the most probable classes (N,) other than identity."""
    scores, named = np.full(len(rows.truth), np.nan), np.full(len(rows.truth), -1)
    for each in held_out:
        for block in _blocks(each.rows, rows.rendered):
            expected = at_temperature(each.probe.probabilities(rows.X[block]), temperature) * prior
            expected /= expected.sum(1, keepdims=True)
            scores[block] = edit_score(log_of(expected), groups)
            named[block] = given_edited(expected, groups).argmax(1)
    return scores, named


def _blocks(tested: np.ndarray, rendered: np.ndarray) -> Iterator[np.ndarray]:
    """Divide positions into blocks. Samples and renderings are in different blocks.

    Rounding in matrix products depends on the number of rows, and must not depend on the number of renderings.
    """
    for part in (tested[~rendered[tested]], tested[rendered[tested]]):
        yield from np.split(part, range(READ_ROWS, len(part), READ_ROWS))


def _posterior(rows: SamplesAndRenderings, scores: np.ndarray, groups: Sequence[str]) -> Posterior:
    scored = rows.first & ~np.isnan(scores)
    return fit_posterior(
        scores[scored],
        np.array(groups)[rows.truth[scored]],
        np.where(rows.rendered, "alternative", "bank")[scored],
        rows.photographs[scored],
    )


def class_weights(truth: np.ndarray) -> np.ndarray:
    """Return sample weights (n,) with mean 1 and an equal sum for each class in ``truth`` (n,)."""
    weights = 1 / np.bincount(truth)[truth]
    return weights * len(truth) / weights.sum()


def group_prior(groups: Sequence[str]) -> np.ndarray:
    """Return prior probabilities (K,) of the classes, with an equal sum for each group.

    If the priors of all classes were equal, 30 of 31 images would be expected to be edited, and groups with many
    transformations would be predicted more often.
    """
    members = np.array([groups.count(group) for group in groups])
    return 1 / (members * len(set(groups)))
