"""Samples and embeddings for training and testing probes on one model."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from probing_core.compute.lazy_rows import LazyRows
from probing_core.compute.runtime import parallel
from probing_core.compute.sampling.probe_tasks import Task, make_task
from probing_core.probes.probe import Probe
from probing_core.transforms.transformation import Transform


@dataclass(frozen=True, eq=False)
class ModelSamples:
    """The samples of a run with their embeddings from one model.

    Attributes:
        model: name of the model.
        X: (N, D) embeddings of all samples.
        samples, images: tables of the run.
        transforms: transformations of the run.
        seed: random seed.
        train_samples: maximum number of training samples for a probe.
        rendered: sample rows and embeddings (n, D) of the rendering experiment, or None.
    """

    model: str
    X: LazyRows
    samples: pd.DataFrame
    images: pd.DataFrame
    transforms: tuple[Transform, ...]
    seed: int
    train_samples: int = sys.maxsize
    rendered: tuple[pd.DataFrame, np.ndarray] | None = None

    @cached_property
    def split(self) -> np.ndarray:
        return self.samples["split"].to_numpy()

    @cached_property
    def photographs(self) -> np.ndarray:
        return self.samples["base_id"].to_numpy()

    def task(self, name: str) -> Task:
        return make_task(name, self.samples, self.transforms, self.images)


def predict(probe: Probe, X: LazyRows) -> np.ndarray:
    """Compute the class probabilities (N, K) for all rows of ``X``, one block at a time."""
    return np.concatenate(list(predicted_blocks(probe, X)))


def predicted_blocks(probe: Probe, X: LazyRows) -> Iterator[np.ndarray]:
    """Yield the class probabilities (n, K) for each block of ``X``, in order."""
    return (probe.probabilities(block) for block in X.blocks())


def most_to_learn(dim: int) -> int:
    """Return the maximum number of training samples of dimension ``dim`` for a probe, given `MEMORY_OF_TRAINING`."""
    return int(parallel.bytes_of(parallel.MEMORY_OF_TRAINING) / (4 * (dim + 1)))


def draw_photographs(data: ModelSamples, rows: np.ndarray, max_samples: int) -> np.ndarray:
    """Select the rows of randomly drawn photographs, up to ``max_samples`` rows but at least one photograph.

    Photographs are ordered by a hash of the seed and their name, so a larger selection includes every smaller one.

    Args:
        rows: positions of the candidate rows.

    Returns:
        Positions of the selected rows, which contain all ``rows`` of the drawn photographs.
    """
    if len(rows) <= max_samples:
        return rows
    names, photograph, counts = np.unique(data.photographs[rows].astype(str), return_inverse=True, return_counts=True)
    order = sorted(range(len(names)), key=lambda i: hashlib.blake2b(f"{data.seed}|{names[i]}".encode()).digest())
    within = np.cumsum(counts[order]) <= max_samples
    chosen = np.zeros(len(names), bool)
    chosen[np.array(order)[within | (np.arange(len(order)) == 0)]] = True
    return rows[chosen[photograph]]


def whole_images(image_ids: np.ndarray, max_samples: int) -> np.ndarray:
    """Select about ``max_samples`` samples, or all samples if there are fewer.

    Args:
        image_ids: (N,) image ID of each sample.

    Returns:
        Positions of all samples of evenly spaced images (at least one image).
    """
    if len(image_ids) <= max_samples:
        return np.arange(len(image_ids))
    names = pd.unique(image_ids)
    count = max(1, max_samples * len(names) // len(image_ids))
    chosen = names[np.linspace(0, len(names) - 1, count).round().astype(int)]
    return np.flatnonzero(np.isin(image_ids, chosen))
