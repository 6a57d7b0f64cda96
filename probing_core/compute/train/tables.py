"""The tables of training: predictions of a task, and one row a fitted probe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from probing_core.compute.model_samples import ModelSamples
from probing_core.compute.tasks import Task
from probing_core.measures.classification import at_temperature
from probing_core.probes.base import FitFacts

STEPS_OF_ODDS = 128
"""Natural logarithms of the odds of probabilities are rounded to one part in so many."""

FEW_VALUES = 1000
"""So many different probabilities, as votes of neighbors give, are small as they are."""

LARGEST_ODDS = 28.0
"""Logarithm of the odds of the largest probability that is written, which ``float32`` holds as 1."""


@dataclass(frozen=True, eq=False)
class Trained:
    """Probes, predictions and fits of one task.

    Attributes:
        probes: name -> a probe or what belongs to live predictions, as a file; None where there is nothing to learn it
            from.
        predictions: name -> table (`prediction_table`).
        fits: table (`fit_table`).
    """

    probes: Mapping[str, bytes | None]
    predictions: Mapping[str, pd.DataFrame]
    fits: pd.DataFrame


def fit_table(
    data: ModelSamples,
    task: str,
    fits: Sequence[tuple[str, FitFacts]],
    probes: Sequence[str] | None = None,
    note: str = "",
) -> pd.DataFrame:
    """Return one row a fitted probe.

    Args:
        fits: (fold, facts).
        probes: the kind of each; all linear if not given.
        note: what a reader of their scores must know.
    """
    return pd.DataFrame(
        [
            {
                "model": data.model,
                "task": task,
                "probe": probe,
                "fold": str(fold),
                "penalty": facts.penalty,
                "at_edge": facts.at_edge,
                "converged": facts.converged,
                "iterations": facts.iterations,
                "validation_loss": facts.validation_loss,
                "note": note,
            }
            for (fold, facts), probe in zip(fits, probes or ["linear"] * len(fits), strict=True)
        ]
    )


def prediction_table(
    data: ModelSamples,
    task: Task,
    rows: np.ndarray,
    blocks: Iterable[np.ndarray],
    further: Mapping[str, object] | None = None,
    temperature: float | None = None,
) -> pd.DataFrame:
    """Return one row a tested sample, as in docs/run-format.md.

    Args:
        rows: (n,) positions of the samples.
        blocks: their probabilities, (m, K) each, one after the other: one of them is in memory.
        further: columns behind the usual ones.
        temperature: at which the column ``p_calibrated`` has the largest probability, if it is given.
    """
    classes = np.array(task.classes, dtype=object)
    truth = task.truth[rows]
    found: dict[str, list[np.ndarray]] = {"predicted": [], "p_truth": [], "p_predicted": [], "p_calibrated": []}
    start = 0
    for block in blocks:
        order, stop = np.arange(len(block)), start + len(block)
        predicted = block.argmax(1)
        found["predicted"].append(predicted)
        found["p_truth"].append(block[order, truth[start:stop]])
        found["p_predicted"].append(block[order, predicted])
        if temperature is not None:
            found["p_calibrated"].append(at_temperature(block, temperature).max(1))
        start = stop
    columns = {
        "sample": data.samples["sample"].to_numpy()[rows],
        "truth": classes[truth],
        "predicted": classes[np.concatenate(found["predicted"])],
        "p_truth": round_probabilities(np.concatenate(found["p_truth"])),
        "p_predicted": round_probabilities(np.concatenate(found["p_predicted"])),
        "seen": task.seen[rows],
    }
    if temperature is not None:
        columns["p_calibrated"] = round_probabilities(np.concatenate(found["p_calibrated"]))
    return pd.DataFrame(columns | dict(further or {}))


def round_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """Round (n,) ``float32`` probabilities, so that a table of them takes fewer bytes.

    The logarithms of their odds are rounded to 1 / `STEPS_OF_ODDS`: a probability is wrong by 0.001 at most, by less
    the nearer to 0 or 1, and up as often as down, so that means of many (scores) stay as they are. `FEW_VALUES` are
    left alone: each would be wrong in one direction for all its samples.
    """
    p = np.asarray(probabilities, np.float64)
    if len(np.unique(p)) <= FEW_VALUES:
        return p.astype(np.float32)
    with np.errstate(divide="ignore"):
        odds = np.clip(np.log(p) - np.log1p(-p), -LARGEST_ODDS, LARGEST_ODDS)
    return (1 / (1 + np.exp(-np.rint(odds * STEPS_OF_ODDS) / STEPS_OF_ODDS))).astype(np.float32)
