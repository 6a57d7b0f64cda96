"""Results of training: files of probes, tables of predictions and a table of fits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from probing_core.compute.sampling.probe_tasks import Task
from probing_core.compute.training.model_samples import ModelSamples
from probing_core.measures.classification import at_temperature
from probing_core.probes.probe import FitFacts


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
