"""Nearest neighbors: what the closest training embeddings are, by the cosine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from probing_core.measures.nearest import nearest, unit
from probing_core.probes import rows as reading
from probing_core.probes.base import FitFacts, log_loss

NEIGHBORS = (5, 20, 50)


@dataclass(frozen=True, eq=False)
class NearestNeighbors:
    """Votes of the k nearest training embeddings.

    Attributes:
        classes: K names.
        embeddings: (N, D) ``float32`` of length 1.
        truth: (N,) positions in ``classes``.
        k: how many vote.
        facts: how ``k`` was chosen.
    """

    classes: tuple[str, ...]
    embeddings: np.ndarray
    truth: np.ndarray
    k: int
    facts: FitFacts

    def probabilities(self, X: np.ndarray) -> np.ndarray:
        """Return the probabilities (N, K) ``float32``: votes, with one more vote spread over all classes."""
        return votes(self.embeddings, self.truth, X, (self.k,), len(self.classes))[self.k]


def fit(
    X: np.ndarray,
    y: np.ndarray,
    *,
    classes: Sequence[str],
    validation: tuple[np.ndarray, np.ndarray],
    neighbors: Sequence[int] = NEIGHBORS,
) -> NearestNeighbors:
    """Return the probe with the k of lowest loss on ``validation``; arguments as in
    `probing_core.probes.linear.fit`."""
    reading.check(X, y, len(classes))
    reading.check(*validation, len(classes))
    embeddings, truth = _unit(X), np.asarray(y, np.int64)
    sizes = [k for k in neighbors if k <= len(truth)] or [len(truth)]
    found = votes(embeddings, truth, validation[0], sizes, len(classes))
    losses = [log_loss(found[k], validation[1]) for k in sizes]
    best = int(np.argmin(losses))
    facts = FitFacts(
        penalty=float(sizes[best]),
        at_edge=best in (0, len(sizes) - 1),
        converged=True,
        iterations=0,
        validation_loss=losses[best],
        path=tuple(zip(map(float, sizes), losses, strict=True)),
    )
    return NearestNeighbors(tuple(classes), embeddings, truth, sizes[best], facts)


def votes(
    X: np.ndarray, y: np.ndarray, queries: np.ndarray, sizes: Sequence[int], classes: int
) -> dict[int, np.ndarray]:
    """Return a mapping from k to the probabilities (Q, K) ``float32`` of ``queries`` (Q, D), from one search for all
    ``sizes``.

    Args:
        X, y: training embeddings (N, D), of any length, and their classes (N,).
        sizes: none larger than N.
        classes: K.
    """
    near, _ = nearest(_unit(X), _unit(queries), max(sizes))
    rows = np.arange(len(queries))[:, None]
    found = {}
    for k in sizes:
        counts = np.full((len(queries), classes), 1 / classes)
        np.add.at(counts, (np.broadcast_to(rows, (len(rows), k)), y[near[:, :k]]), 1)
        found[k] = (counts / (k + 1)).astype(np.float32)
    return found


def _unit(X: np.ndarray) -> np.ndarray:
    return unit(reading.read(X, slice(0, len(X))), np.float32)
