"""Train probes, and compute their predictions for images that are not in their training data.

With at least 30 photographs, probes are trained on the train split, their penalty is selected on the val split, and
they predict the test split. With fewer photographs, probes are cross-validated over groups of photographs. The
deployment probe for new images is trained on all photographs and transformations. MLPs, k-NN and the content task
require splits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from probing_core.answers.answer import Posterior, edit_score, given_edited, log_of
from probing_core.answers.calibration import fit_posterior
from probing_core.compute.evaluation.score_rows import LINEAR, joined
from probing_core.compute.lazy_rows import READ_ROWS, LazyRows
from probing_core.compute.sampling.probe_tasks import CONTENT, Task, codes
from probing_core.compute.sampling.samples import has_splits
from probing_core.compute.task_names import CALIBRATED, DEPLOYMENT, NOTICING, ORACLE, OTHER_PROBES
from probing_core.compute.training.model_samples import (
    ModelSamples,
    draw_photographs,
    predict,
    predicted_blocks,
    whole_images,
)
from probing_core.corpora import assign_groups
from probing_core.errors import BadCorpus
from probing_core.measures.classification import at_temperature, fit_temperature
from probing_core.probes import knn
from probing_core.probes.linear import PENALTY_GRID, fit, fit_in_span, fixed_penalty
from probing_core.probes.probe import FitFacts, LinearProbe, log_loss
from probing_core.transforms import resolve

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

    def fold(name: str, train: np.ndarray, val: np.ndarray, test: np.ndarray, penalties: Sequence[float]) -> Fold:
        learned, validation = (np.flatnonzero(task.takes_part & inside & task.seen) for inside in (train, val))
        drawn = draw_photographs(data, learned, data.train_samples)
        note = f"learned from {len(drawn):,} of {len(learned):,} samples" if len(drawn) < len(learned) else ""
        validation = draw_photographs(data, validation, data.train_samples)
        return Fold(name, drawn, validation, np.flatnonzero(task.takes_part & test), penalties, note)

    if has_splits(data.images):
        train, val, test = (data.split == split for split in ("train", "val", "test"))
        only_fold = fold("split", train, val, test, PENALTY_GRID)
        for split in ("train", "val", "test"):
            if len(getattr(only_fold, split)) == 0:
                raise BadCorpus(
                    f"The corpus has no usable images in the '{split}' split, which the task '{task.name}' requires."
                )
        return [only_fold]
    groups = assign_groups(data.photographs.tolist(), data.seed, MAX_FOLDS)
    if groups.max() == 0:
        raise BadCorpus("Cross-validation requires at least 2 photographs, but the corpus has 1. Add photographs.")
    penalties = (fixed_penalty(data.X.shape[1]),)
    return [
        fold(f"fold-{group + 1}", groups != group, groups == group, groups == group, penalties)
        for group in range(groups.max() + 1)
    ]


STEPS_OF_ODDS = 128
"""Number of rounding steps per unit of log odds."""

FEW_VALUES = 1000
"""Maximum number of distinct values in probabilities that are not rounded, such as k-NN votes."""

LARGEST_ODDS = 28.0
"""Maximum absolute log odds. The corresponding probability rounds to 1 in ``float32``."""


@dataclass(frozen=True, eq=False)
class Trained:
    """Probes, predictions and fits for one task.

    Attributes:
        probes: name -> file content of a probe or its calibration, or None if there is none.
        predictions: name -> table of predictions (see `prediction_table`).
        fits: table of fits (see `fit_table`).
    """

    probes: Mapping[str, bytes | None]
    predictions: Mapping[str, pd.DataFrame]
    fits: pd.DataFrame


def fit_table(data: ModelSamples, task: str, fits: Sequence[tuple[str, str, FitFacts]], note: str = "") -> pd.DataFrame:
    """Create a table with one row per fit.

    Args:
        fits: tuples of the kind of probe, the name of the fold, and the fit statistics.
        note: value of the column ``note``.
    """
    return pd.DataFrame(
        [
            {"model": data.model, "task": task, "probe": probe, "fold": fold}
            | {name: getattr(facts, name) for name in FIT_COLUMNS}
            | {"note": note}
            for probe, fold, facts in fits
        ]
    )


FIT_COLUMNS = ("penalty", "at_edge", "converged", "iterations", "validation_loss")


def prediction_table(
    data: ModelSamples,
    task: Task,
    rows: np.ndarray,
    blocks: Iterable[np.ndarray],
    extra_columns: Mapping[str, object] | None = None,
    temperature: float | None = None,
) -> pd.DataFrame:
    """Create a table of predictions with one row per test sample (docs/run-format.md).

    Args:
        rows: (n,) positions of the samples.
        blocks: class probabilities of these samples, in consecutive blocks (m, K). One block is in memory at a time.
        extra_columns: additional columns by name.
        temperature: temperature for the column ``p_calibrated``. By default, this column is omitted.
    """
    classes, truth = np.array(task.classes, dtype=object), task.truth[rows]
    parts: list[tuple[np.ndarray, ...]] = []
    start = 0
    for block in blocks:
        order, predicted = np.arange(len(block)), block.argmax(1)
        right = truth[start : start + len(block)]
        calibrated = () if temperature is None else (at_temperature(block, temperature).max(1),)
        parts.append((predicted, block[order, right], block[order, predicted], *calibrated))
        start += len(block)
    named, *probabilities = map(np.concatenate, zip(*parts, strict=True))
    p_truth, p_predicted, *p_calibrated = map(round_probabilities, probabilities)
    columns = {
        "sample": data.samples["sample"].to_numpy()[rows],
        "truth": classes[truth],
        "predicted": classes[named],
        "p_truth": p_truth,
        "p_predicted": p_predicted,
        "seen": task.seen[rows],
    }
    if p_calibrated:
        columns["p_calibrated"] = p_calibrated[0]
    return pd.DataFrame(columns | dict(extra_columns or {}))


def round_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """Round probabilities to reduce the size of tables.

    Log odds are rounded to multiples of 1 / `STEPS_OF_ODDS`. The error of a probability is at most 0.001 and smaller
    near 0 and 1. Errors average out in scores over many samples. If there are at most `FEW_VALUES` distinct values,
    they are not rounded, because all samples with the same value would have the same error.

    Args:
        probabilities: (n,) probabilities.

    Returns:
        (n,) ``float32`` probabilities.
    """
    p = np.asarray(probabilities, np.float64)
    if len(np.unique(p)) <= FEW_VALUES:
        return p.astype(np.float32)
    with np.errstate(divide="ignore"):
        odds = np.clip(np.log(p) - np.log1p(-p), -LARGEST_ODDS, LARGEST_ODDS)
    return (1 / (1 + np.exp(-np.rint(odds * STEPS_OF_ODDS) / STEPS_OF_ODDS))).astype(np.float32)


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


def fit_deployment(data: ModelSamples, task: Task, folds: Sequence[Fold], probes: Sequence[LinearProbe]) -> Deployment:
    """Fit and calibrate the probe for new images.

    New images were edited with other programs, so the penalty is selected on samples of the rendering experiment
    (renderings) in the val split, with probes trained on the train split. Five probes with this penalty are then each
    trained on four fifths of all photographs in the run, and predict the remaining photographs. Their predictions are
    used to fit the temperature and the posterior. The final probe is trained on all photographs. All classes have the
    same total weight, and only the first repetition of the main samples is used. Non-negative embeddings are replaced
    with their square roots if this decreases the loss on the renderings. If there are no renderings, the main samples
    are used instead.

    In runs without splits, the probes of the cross-validation folds are used for calibration.

    Args:
        folds: a single fold if the run has splits, or the folds for cross-validation.
        probes: one probe for each fold.
    """
    inputs = SamplesAndRenderings.of(data, task)
    if len(folds) == 1:
        fitted, cross = _by_splits(data, task, folds[0], inputs)
    else:
        fitted = fit_train_and_val(data, task, folds[0], probes)
        cross = [(probe, fold.test) for probe, fold in zip(probes, folds, strict=True)]
    groups = [resolve(name).group for name in task.classes]
    prior = group_prior(groups)
    calibrating = inputs.rendered if inputs.rendered.any() else inputs.first
    calibration = [(probe, tested[calibrating[tested]]) for probe, tested in cross]
    temperature = temperature_of(
        [(predict(probe, inputs.X.at(rows)), inputs.truth[rows]) for probe, rows in calibration]
    )
    scores, named = np.full(len(inputs.truth), np.nan), np.full(len(inputs.truth), -1)
    for probe, tested in cross:
        # Predict samples and renderings separately, because rounding in matrix products depends on the number of rows.
        for rows in np.split(tested, [np.searchsorted(tested, len(data.samples))]):
            for block in np.split(rows, range(READ_ROWS, len(rows), READ_ROWS)):
                expected = at_temperature(probe.probabilities(inputs.X[block]), temperature) * prior
                expected /= expected.sum(1, keepdims=True)
                scores[block] = edit_score(log_of(expected), groups)
                named[block] = given_edited(expected, groups).argmax(1)
    scored = inputs.first & ~np.isnan(scores)
    posterior = fit_posterior(
        scores[scored],
        np.array(groups)[inputs.truth[scored]],
        np.where(inputs.rendered, "alternative", "bank")[scored],
        inputs.photographs[scored],
    )
    probe, samples = fitted.with_temperature(temperature).with_prior(prior), slice(len(data.samples))
    return Deployment(probe, posterior, posterior.probability(scores[samples]), named[samples], fitted.facts)


@dataclass(frozen=True, eq=False)
class SamplesAndRenderings:
    """The samples of a run, followed by the renderings.

    Attributes:
        X: (N, D) embeddings.
        truth: (N,) class indices, or -1 for samples that are not part of the task.
        photographs, split: (N,) IDs of photographs and names of splits.
        rendered: (N,) whether each row is a rendering.
        first: (N,) whether each row is a rendering or a sample of the first repetition.
    """

    X: LazyRows
    truth: np.ndarray
    photographs: np.ndarray
    split: np.ndarray
    rendered: np.ndarray
    first: np.ndarray

    @classmethod
    def of(cls, data: ModelSamples, task: Task) -> SamplesAndRenderings:
        table, X = data.rendered or (data.samples[:0], np.empty((0, data.X.shape[1]), np.float32))
        rendered = np.repeat([False, True], [len(data.samples), len(table)])
        return cls(
            data.X.then(LazyRows((X,))),
            np.concatenate([task.truth, codes(table["transform"], task.classes)]),
            np.concatenate([data.photographs, table["base_id"]]),
            np.concatenate([data.split, table["split"]]),
            rendered,
            rendered | np.concatenate([data.samples["repetition"] == 0, np.ones(len(table), bool)]),
        )


def _by_splits(
    data: ModelSamples, task: Task, fold: Fold, inputs: SamplesAndRenderings
) -> tuple[LinearProbe, list[tuple[LinearProbe, np.ndarray]]]:
    """Select the penalty, and train the deployment probe and the probes for its calibration.

    Returns:
        The probe trained on all photographs, and five probes that are each trained on four fifths of the photographs,
        with the positions of the samples from the remaining photographs.
    """
    X, truth, split, first, rendered = inputs.X, inputs.truth, inputs.split, inputs.first, inputs.rendered

    def learned_from(
        rows: np.ndarray, validation: np.ndarray, root: bool = False, penalties: Sequence[float] = PENALTY_GRID
    ) -> LinearProbe:
        return fit(
            X.at(rows),
            truth[rows],
            classes=task.classes,
            weights=class_weights(truth[rows]),
            validation=(X.at(validation), truth[validation]),
            penalties=penalties,
            root=root,
        )

    rendered_rows = np.flatnonzero(rendered)
    rendered_val = rendered_rows[split[rendered_rows] == "val"]
    validation = rendered_val if len(rendered_val) else fold.val
    used = np.concatenate([fold.train, fold.val, rendered_rows])
    rooted = all(block.min() >= 0 for block in X.at(used).blocks())
    train = np.concatenate([fold.train[first[fold.train]], rendered_rows[split[rendered_rows] == "train"]])
    candidates = [learned_from(train, validation, root) for root in ((False, True) if rooted else (False,))]
    chosen = min(candidates, key=lambda candidate: candidate.facts.validation_loss)
    refit = partial(learned_from, root=chosen.root, penalties=(chosen.penalty,))
    main = np.flatnonzero(task.takes_part & task.seen & first[: len(task.truth)])
    all_rows = np.concatenate([draw_photographs(data, main, data.train_samples), rendered_rows])
    group, cross = assign_groups(inputs.photographs.tolist(), data.seed, MAX_FOLDS), []
    for held_out in range(group.max() + 1):
        tested = np.flatnonzero((truth >= 0) & (group == held_out))
        probe = refit(all_rows[group[all_rows] != held_out], tested[(first & ~rendered)[tested]])
        cross.append((probe, tested))
    return as_chosen(refit(all_rows, validation), [chosen]), cross


def fit_train_and_val(data: ModelSamples, task: Task, fold: Fold, probes: Sequence[LinearProbe]) -> LinearProbe:
    """Train a probe on the train and val samples of ``fold``.

    Args:
        probes: probes trained on the train samples of each fold, which determine the penalty and the validation loss.
    """
    rows = np.concatenate([fold.train, fold.val])
    fitted = fit(
        data.X.at(rows),
        task.truth[rows],
        classes=task.classes,
        validation=(data.X.at(fold.val), task.truth[fold.val]),
        penalties=(probes[0].penalty,),
    )
    return as_chosen(fitted, probes)


def temperature_of(held_out: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """Fit a joint temperature for several probes.

    Args:
        held_out: predicted probabilities and true classes of held-out rows, for each probe.
    """
    predicted, truth = zip(*held_out, strict=True)
    return fit_temperature(np.concatenate(predicted), np.concatenate(truth))


def as_chosen(fitted: LinearProbe, choosing: Sequence[LinearProbe]) -> LinearProbe:
    """Return a copy of ``fitted`` with the validation statistics of the probes in ``choosing`` (one for each fold)."""
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


def train_linear(data: ModelSamples, name: str, live: bool = True) -> Trained:
    """Train a linear probe and predict the test samples.

    The test samples of each fold are predicted by the probe that was trained on this fold. In cross-validation, the
    returned probe is trained on all photographs.

    Args:
        data: samples and embeddings of a model.
        name: name of the task.
        live: whether to train the probe for new images if the task is ``fine``.

    Raises:
        BadCorpus: a split has no images, or there is only one photograph.
    """
    task = data.task(name)
    folds = folds_of(data, task)
    probes = [fit_fold(data, task, fold) for fold in folds]
    probe = probes[0] if len(folds) == 1 else fit_train_and_val(data, task, folds[0], probes)
    fits = [(LINEAR, fold.name, fitted.facts) for fold, fitted in zip(folds, probes, strict=True)]
    temperatures: list[float | None] = [None] * len(folds)
    of_fine: dict[str, bytes | None] = {}
    answers: dict[str, np.ndarray] = {}
    if name == "fine" and live:
        deployment = fit_deployment(data, task, folds, probes)
        of_fine |= {DEPLOYMENT: deployment.probe.to_bytes(), NOTICING: deployment.posterior.to_bytes()}
        answers = {"altered": deployment.altered.astype(np.float32), "named": np.array(task.classes)[deployment.named]}
        fits.append((LINEAR, DEPLOYMENT, deployment.facts))
    if name == "fine":
        held_out = [
            (predict(fitted, data.X.at(fold.val)), task.truth[fold.val])
            for fitted, fold in zip(probes, folds, strict=True)
        ]
        # In cross-validation, val is part of test, so the temperature for a fold is fitted on the other folds.
        other_folds = [held_out[:i] + held_out[i + 1 :] or held_out for i in range(len(folds))]
        temperatures = [temperature_of(predictions) for predictions in other_folds]
        of_fine[CALIBRATED] = probe.with_temperature(temperature_of(held_out)).to_bytes()
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
    return fit_in_span(
        data.X.at(fold.train),
        task.truth[fold.train],
        classes=task.classes,
        validation=(data.X.at(fold.val), task.truth[fold.val]),
        penalties=fold.penalties,
    )


def train_content(data: ModelSamples, oracles: bool = True) -> Trained:
    """Train a content probe on clean images and predict the test samples.

    The probe is tested on clean and transformed images. An oracle is trained and tested on images with one
    transformation. If the probe fails on a transformation but its oracle succeeds, the transformation has changed how
    content is represented. If both fail, it has removed the content.

    Args:
        data: samples and embeddings of a model.
        oracles: whether to also train an oracle for each transformation.
    """
    task = data.task(CONTENT)
    (split,) = folds_of(data, task)
    probe = fit_fold(data, task, split)
    fits = [(LINEAR, split.name, probe.facts)]
    tables = []
    for transform in data.transforms if oracles else ():
        if transform.name == "identity" or transform.far:
            continue  # the probe is the oracle for clean images, and no probe is trained on unseen styles
        transformed = (data.samples["transform"] == transform.name).to_numpy()
        oracle_task = replace(task, truth=np.where(transformed, task.truth, -1), seen=np.ones(len(transformed), bool))
        (fold,) = folds_of(data, oracle_task)
        oracle = fit_fold(data, oracle_task, fold)
        fits.append((LINEAR, f"oracle:{transform.name}", oracle.facts))
        tables.append(prediction_table(data, oracle_task, fold.test, predicted_blocks(oracle, data.X.at(fold.test))))
    predictions = prediction_table(data, task, split.test, predicted_blocks(probe, data.X.at(split.test)))
    return Trained(
        probes={CONTENT: probe.to_bytes()},
        predictions={CONTENT: predictions} | ({ORACLE: pd.concat(tables, ignore_index=True)} if oracles else {}),
        fits=fit_table(data, CONTENT, fits, note=split.note),
    )


MLP_SEEDS = (0, 1, 2)
MAX_TO_LEARN = 12_000
"""Approximate maximum number of training samples for MLPs and k-NN. All samples of an image are used, so that classes
remain paired."""


def train_others(data: ModelSamples) -> Trained:
    """Train three MLPs and k-NN probes for the fine task on the first repetition, and predict the test samples."""
    from probing_core.probes import mlp  # imports torch

    task = data.task("fine")
    first = data.samples["repetition"].to_numpy() == 0
    (split,) = folds_of(data, task)
    train, val, test = (rows[first[rows]] for rows in (split.train, split.val, split.test))
    image_ids = data.samples["image_id"].to_numpy()
    learned, chosen = (rows[whole_images(image_ids[rows], MAX_TO_LEARN)] for rows in (train, val))
    X, y = data.X[learned], task.truth[learned]
    validation = data.X[chosen], task.truth[chosen]
    Xt = data.X.at(test)

    fits: list[tuple[str, str, FitFacts]] = []
    tables: list[pd.DataFrame] = []

    def add(probe: str, facts: FitFacts, blocks: Iterable[np.ndarray]) -> None:
        fits.append((probe, probe, facts))
        tables.append(prediction_table(data, task, test, blocks, {"probe": probe}))

    networks = mlp.fit_seeds(X, y, classes=task.classes, validation=validation, seeds=MLP_SEEDS)
    for seed, probe in zip(MLP_SEEDS, networks, strict=True):
        add(f"mlp-{seed}", probe.facts, predicted_blocks(probe, Xt))
    sizes = [k for k in knn.NEIGHBOR_COUNTS if k <= len(y)]
    validation_votes = knn.votes(X, y, validation[0], sizes, len(task.classes))
    blocks = [knn.votes(X, y, block, sizes, len(task.classes)) for block in Xt.blocks()]
    for k in sizes:
        # All values of k are reported, so none is selected.
        add(
            f"knn-{k}",
            FitFacts(float(k), False, True, 0, log_loss(validation_votes[k], validation[1])),
            [votes[k] for votes in blocks],
        )
    notes = [split.note]
    if len(learned) < len(train):
        notes.append(f"learned from {len(np.unique(image_ids[learned]))} images, evenly spaced")
    if not first.all():
        notes.append("first repetition alone")
    return Trained(
        probes={},
        predictions={OTHER_PROBES: pd.concat(tables, ignore_index=True)},
        fits=fit_table(data, "fine", fits, joined(*notes)),
    )
