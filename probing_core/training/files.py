"""Where the probes, predictions and facts of a model lie, and writing them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from probing_core.config import Recipe
from probing_core.embedded import lazy_embeddings
from probing_core.errors import BadRun
from probing_core.lazy_rows import LazyRows
from probing_core.probes.base import FitFacts, LinearProbe, Probe
from probing_core.samples import sample_key
from probing_core.store import Store, digest, slug
from probing_core.tasks import Task, make_task
from probing_core.transforms.base import Transform

DEPLOYMENT = "deployment"
CALIBRATED = "fine-calibrated"
"""The probe of the fine task at its temperature, for runs that adopt it; live predictions have one of their own."""

LOOK_RULE = "look"
FAMILIARITY = "familiarity"
ORACLE = "content-oracle"
"""Predictions of the content by probes that learned from images transformed alike."""

OTHER_PROBES = "fine-mlp-knn"
"""Predictions of the fine task by the probes that are scored beside the linear one."""

STEPS_OF_ODDS = 128
"""Probabilities are kept to this part of a natural logarithm of their odds."""

FEW_VALUES = 1000
"""So many different probabilities, as votes of neighbors give, are small as they are."""

LARGEST_ODDS = 28.0
"""Logarithm of the odds of the largest probability that is kept, which ``float32`` holds as 1."""

TRAINING = 7
"""Version of what training does; raised where its bytes change, so that runs that exist are trained again."""


@dataclass(frozen=True)
class Work:
    """One model of a run, to be probed.

    Attributes:
        store, recipe: the run.
        entry: what its ``model.toml`` says.
        samples, images: tables of the run.
        transforms: of the recipe.
    """

    store: Store
    recipe: Recipe
    entry: dict[str, Any]
    samples: pd.DataFrame
    images: pd.DataFrame
    transforms: tuple[Transform, ...]

    @property
    def model(self) -> str:
        return self.entry["name"]

    @cached_property
    def X(self) -> LazyRows:
        """(N, D) embeddings of all samples."""
        return lazy_embeddings(self.store, self.model)

    @cached_property
    def split(self) -> np.ndarray:
        return self.samples["split"].to_numpy()

    @cached_property
    def photographs(self) -> np.ndarray:
        return self.samples["base_id"].to_numpy()

    def task(self, name: str) -> Task:
        return make_task(name, self.samples, self.transforms, self.images)


def task_key(recipe: Recipe, entry: dict[str, Any], task: str) -> str:
    return digest([sample_key(recipe), recipe.probes_from, entry["recipe"], task, TRAINING])


def probe_path(model: str, task: str) -> str:
    return f"models/{slug(model)}/probes/{task}.safetensors"


def look_rule_path(model: str) -> str:
    return probe_path(model, LOOK_RULE)


def familiarity_path(model: str) -> str:
    return probe_path(model, FAMILIARITY)


def predictions_path(model: str, task: str) -> str:
    return f"models/{slug(model)}/predictions/{task}.parquet"


def fits_path(model: str, task: str) -> str:
    return f"models/{slug(model)}/fits/{task}.parquet"


def read_probe(store: Store, model: str, task: str) -> LinearProbe:
    name = probe_path(model, task)
    if not store.has(name):
        raise BadRun(f"The run has no '{task}' probe of '{model}'; `probing train --run DIR` makes it.")
    return LinearProbe.from_bytes(store.read_bytes(name))


def save_fits(
    work: Work,
    task: str,
    fits: Iterable[tuple[str, FitFacts]],
    key: str,
    probes: Iterable[str] | None = None,
    note: str = "",
    name: str | None = None,
) -> None:
    """One row a fitted probe.

    Args:
        fits: (fold, facts).
        probes: the kind of each; all linear if not given.
        note: what a reader of their scores must know.
        name: of the file; the task's if not given.
    """
    fits = list(fits)
    table = pd.DataFrame(
        [
            {
                "model": work.model,
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
    work.store.write_table(fits_path(work.model, name or task), table, key)


def predict(probe: Probe, X: LazyRows) -> np.ndarray:
    """Probabilities (N, K) of rows ``X``, a block of which is in memory."""
    return np.concatenate([probe.probabilities(block) for block in X.blocks()])


def told(
    work: Work, task: Task, rows: np.ndarray, probabilities: np.ndarray, further: Mapping[str, object] | None = None
) -> pd.DataFrame:
    """One row a tested sample, as in docs/run-format.md.

    Args:
        rows: (n,) positions of the samples.
        probabilities: (n, K).
        further: columns behind the usual ones.
    """
    classes = np.array(task.classes, dtype=object)
    truth, predicted = task.truth[rows], probabilities.argmax(1)
    order = np.arange(len(rows))
    columns = {
        "sample": work.samples["sample"].to_numpy()[rows],
        "truth": classes[truth],
        "predicted": classes[predicted],
        "p_truth": kept(probabilities[order, truth]),
        "p_predicted": kept(probabilities[order, predicted]),
        "seen": task.seen[rows],
    }
    return pd.DataFrame(columns | dict(further or {}))


def kept(probabilities: np.ndarray) -> np.ndarray:
    """(n,) ``float32`` probabilities, rounded so that a table of them takes a third of the bytes.

    Rounded are the logarithms of their odds, to 1 / `STEPS_OF_ODDS`: a probability is wrong by 0.001 at most, by less
    the nearer to 0 or 1, and up as often as down, so that means of many (scores) stay as they are. `FEW_VALUES` are
    left alone: each would be wrong in one direction for all its samples.
    """
    p = np.asarray(probabilities, np.float64)
    if len(np.unique(p)) <= FEW_VALUES:
        return p.astype(np.float32)
    with np.errstate(divide="ignore"):
        odds = np.clip(np.log(p) - np.log1p(-p), -LARGEST_ODDS, LARGEST_ODDS)
    return (1 / (1 + np.exp(-np.rint(odds * STEPS_OF_ODDS) / STEPS_OF_ODDS))).astype(np.float32)


def whole_images(work: Work, rows: np.ndarray, most: int) -> np.ndarray:
    """``rows`` of as many images, evenly spaced, as ``most`` samples allow."""
    if len(rows) <= most:
        return rows
    ids = work.samples["image_id"].to_numpy()[rows]
    names = pd.unique(ids)
    count = max(1, most * len(names) // len(rows))
    kept = names[np.linspace(0, len(names) - 1, count).round().astype(int)]
    return rows[np.isin(ids, kept)]
