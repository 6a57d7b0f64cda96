"""Train the linear probes of a run, and predict the test samples.

With at least 30 photographs, a probe is trained on the train split, its penalty is selected on the val split, and it
predicts the test split. With fewer photographs, probes are cross-validated over groups of photographs (`folds_of`).

Examples:
    Embeddings of 60 photographs under two transformations, one of which adds 3 to the first dimension:

    >>> import numpy as np
    >>> import pandas as pd
    >>> from probing_core.compute.lazy_rows import LazyRows
    >>> from probing_core.compute.sampling.samples import Design, plan_samples
    >>> from probing_core.compute.training.model_samples import ModelSamples
    >>> from probing_core.transforms import resolve
    >>> names = [f"photograph-{number}" for number in range(60)]
    >>> images = pd.DataFrame({"image_id": names, "base_id": names, "split": ["train", "val", "test"] * 20})
    >>> images = images.assign(label="", used=True)
    >>> transforms = (resolve("identity"), resolve("brighten"))
    >>> samples = plan_samples(Design(view=64, transforms=transforms), images)
    >>> X = np.random.default_rng(0).normal(size=(len(samples), 4)).astype(np.float32)
    >>> X[:, 0] += np.where(samples["transform"] == "brighten", 3, 0)
    >>> data = ModelSamples("example", LazyRows((X,)), samples, images, transforms, seed=0)

    A probe predicts the transformation of each test sample:

    >>> trained = train_linear(data, "fine", live=False)
    >>> list(trained.probes)
    ['fine', 'fine-calibrated']
    >>> predictions = trained.predictions["fine"]
    >>> len(predictions), float((predictions["truth"] == predictions["predicted"]).mean())
    (40, 0.85)
    >>> trained.fits[["fold", "penalty"]].round(3).values.tolist()
    [['split', 0.032]]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from probing_core.compute.evaluation.score_rows import LINEAR
from probing_core.compute.sampling.probe_tasks import CONTENT, Task
from probing_core.compute.task_names import CALIBRATED, DEPLOYMENT, FINE, NOTICING, ORACLE
from probing_core.compute.training.deployment_probe import Deployment, fit_deployment
from probing_core.compute.training.model_samples import (
    FoldProbe,
    ModelSamples,
    fit_all_photographs,
    fit_fold,
    folds_of,
    predict,
    predicted_blocks,
    temperature_of,
)
from probing_core.measures.classification import at_temperature
from probing_core.probes.probe import FitFacts
from probing_core.transforms.transformation import Transform


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
    folds = [fit_fold(data, task, fold) for fold in folds_of(data, task)]
    probe = folds[0].probe if len(folds) == 1 else fit_all_photographs(data, task, folds)
    probes: dict[str, bytes | None] = {name: probe.to_bytes()}
    fits = [Fit(LINEAR, each.fold.name, each.probe.facts) for each in folds]
    columns: Mapping[str, np.ndarray] = {}
    temperatures: Sequence[float | None] = [None] * len(folds)
    if name == FINE and live:
        deployment = fit_deployment(data, task, folds)
        probes |= {DEPLOYMENT: deployment.probe.to_bytes(), NOTICING: deployment.posterior.to_bytes()}
        fits.append(Fit(LINEAR, DEPLOYMENT, deployment.facts))
        columns = _answer_columns(deployment, task)
    if name == FINE:
        temperature, temperatures = _temperatures(data, task, folds)
        probes[CALIBRATED] = probe.with_temperature(temperature).to_bytes()
    tables = [
        _predict_test(data, task, each, temperature, columns)
        for each, temperature in zip(folds, temperatures, strict=True)
    ]
    predictions = pd.concat(tables).sort_values("sample", ignore_index=True)
    return Trained(probes, {name: predictions}, fit_table(data, name, fits, folds[0].fold.note))


def _answer_columns(deployment: Deployment, task: Task) -> Mapping[str, np.ndarray]:
    """Return the columns with the answers of the deployment probe, for all samples."""
    return {
        "altered": deployment.altered.astype(np.float32),
        "named": np.array(task.classes)[deployment.named],
    }


def _temperatures(data: ModelSamples, task: Task, folds: Sequence[FoldProbe]) -> tuple[float, list[float]]:
    """Fit temperatures on the val samples.

    Returns:
        The temperature for the probe of the run, and the temperature for the test samples of each fold. In
        cross-validation, val samples are test samples, so the temperature for a fold is fitted on the other folds.
    """
    held_out = [(predict(each.probe, data.X.at(each.fold.val)), task.truth[each.fold.val]) for each in folds]
    of_folds = [temperature_of(held_out[:i] + held_out[i + 1 :] or held_out) for i in range(len(folds))]
    return temperature_of(held_out), of_folds


def _predict_test(
    data: ModelSamples, task: Task, fitted: FoldProbe, temperature: float | None, columns: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """Predict the test samples of a fold. ``columns`` are additional columns for all samples."""
    rows = fitted.fold.test
    blocks = predicted_blocks(fitted.probe, data.X.at(rows))
    extra_columns = {name: values[rows] for name, values in columns.items()}
    return prediction_table(data, task, rows, blocks, extra_columns, temperature)


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
    (fold,) = folds_of(data, task)
    content = fit_fold(data, task, fold)
    fits = [Fit(LINEAR, fold.name, content.probe.facts)]
    predictions = {CONTENT: _predict_test(data, task, content, None, {})}
    if oracles:
        # The probe is the oracle for clean images, and no probe is trained on unseen styles.
        transforms = [each for each in data.transforms if each.name != "identity" and not each.far]
        trained = [_train_oracle(data, task, transform) for transform in transforms]
        fits += [fit for fit, _ in trained]
        predictions[ORACLE] = pd.concat([table for _, table in trained], ignore_index=True)
    return Trained({CONTENT: content.probe.to_bytes()}, predictions, fit_table(data, CONTENT, fits, fold.note))


def _train_oracle(data: ModelSamples, content: Task, transform: Transform) -> tuple[Fit, pd.DataFrame]:
    """Train a content probe on samples with one transformation, and predict the test samples with it."""
    is_transformed = (data.samples["transform"] == transform.name).to_numpy()
    task = replace(content, truth=np.where(is_transformed, content.truth, -1), seen=np.ones(len(is_transformed), bool))
    (fold,) = folds_of(data, task)
    oracle = fit_fold(data, task, fold)
    return Fit(LINEAR, f"oracle:{transform.name}", oracle.probe.facts), _predict_test(data, task, oracle, None, {})


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


@dataclass(frozen=True)
class Fit:
    """A fitted probe: the kind of probe, the name of the fold, and the fit statistics."""

    probe: str
    fold: str
    facts: FitFacts


FIT_COLUMNS = ("penalty", "at_edge", "converged", "iterations", "validation_loss")


def fit_table(data: ModelSamples, task: str, fits: Sequence[Fit], note: str = "") -> pd.DataFrame:
    """Create a table with one row per fit. All rows have the same ``note``."""
    return pd.DataFrame(
        [
            {"model": data.model, "task": task, "probe": fit.probe, "fold": fit.fold}
            | {name: getattr(fit.facts, name) for name in FIT_COLUMNS}
            | {"note": note}
            for fit in fits
        ]
    )


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


STEPS_OF_ODDS = 128
"""Number of rounding steps per unit of log odds."""

FEW_VALUES = 1000
"""Maximum number of distinct values in probabilities that are not rounded, such as k-NN votes."""

LARGEST_ODDS = 28.0
"""Maximum absolute log odds. The corresponding probability rounds to 1 in ``float32``."""


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
