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

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from probing_core.compute.evaluation.score_rows import LINEAR
from probing_core.compute.sampling.probe_tasks import CONTENT, Task
from probing_core.compute.task_names import CALIBRATED, DEPLOYMENT, FINE, NOTICING, ORACLE
from probing_core.compute.training.deployment_probe import Deployment, fit_deployment
from probing_core.compute.training.folds import (
    FoldProbe,
    fit_all_photographs,
    fit_fold,
    folds_of,
    temperature_of,
)
from probing_core.compute.training.model_samples import ModelSamples, predict, predicted_blocks
from probing_core.compute.training.training_results import Fit, Trained, fit_table, prediction_table
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
