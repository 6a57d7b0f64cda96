"""The linear probe: softmax regression on standardized embeddings, its L2 penalty chosen on validation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from probing_core.probes import rows as reading
from probing_core.probes.base import FitFacts, LinearProbe
from probing_core.probes.rows import Sliceable
from probing_core.probes.softmax import Block, curvature, gram, metric_inverse, minimize

GRID = tuple(float(10.0**exponent) for exponent in np.arange(-5, 0.6, 0.5))
"""Penalties on the squared weights, beside the mean loss: the loss is ``mean(-log p) + penalty / 2 * sum(W^2)``,
which is scikit-learn's with ``C = 1 / (n * penalty)``. Ten photographs want about 0.1, thousands about 0.001."""

METRIC_ROWS = 8192
"""Rows, evenly spaced, from which the metric of the optimizer is taken."""


def fit(
    X: Sliceable,
    y: np.ndarray,
    *,
    classes: Sequence[str],
    validation: tuple[Sliceable, np.ndarray],
    weights: np.ndarray | None = None,
    penalties: Sequence[float] = GRID,
    standardize: bool = True,
) -> LinearProbe:
    """The probe of the penalty with the lowest loss on ``validation``.

    Args:
        X: (N, D) embeddings; anything that can be sliced, a memory-mapped file as well.
        y: (N,) whole numbers, positions in ``classes``.
        classes: K names.
        validation: (Xv, yv) of the same kinds, of photographs that are not in ``X``.
        weights: (N,) of rows in the mean loss and in standardization; 1 each if not given.
        penalties: the grid; solved from the strongest on, each start being the last solution.
        standardize: to mean 0 and deviation 1 on ``X``.

    Raises:
        BadArray: shapes that do not fit, classes out of range, embeddings that are not finite.
    """
    k = len(classes)
    reading.check(X, y, k)
    reading.check(*validation, k)
    d = X.shape[1]
    weights = np.ones(len(y)) if weights is None else np.asarray(weights, np.float64)
    mean, scale = reading.moments(X, weights) if standardize else (np.zeros(d), np.ones(d))
    blocks = [
        Block(
            reading.block_reader(X, part, mean, scale),
            torch.from_numpy(np.asarray(y[part], np.int64)),
            torch.from_numpy(np.float32(weights[part])),
            torch.zeros(1, dtype=torch.int64),
        )
        for part in reading.slices(len(y))
    ]
    sample, sample_weight = _sample(blocks)
    V = torch.zeros(d + 1, 1, k)
    fits = []
    for penalty in sorted(penalties, reverse=True):
        ridge = ridge_of(penalty, torch.ones(d, 1))
        curved = gram(sample, curvature(sample @ V[:, 0], sample_weight))
        solution = minimize(blocks, V, ridge, [metric_inverse(curved, ridge[:, 0])])
        V = solution.V
        probe = as_probe(classes, V[:, 0], mean, scale, FitFacts(penalty, False, bool(solution.converged), 0, 0.0))
        fits.append((penalty, negative_log_likelihood(probe, *validation), solution))
    losses = [loss for _, loss, _ in fits]
    best = int(np.argmin(losses))
    penalty, loss, solution = fits[best]
    facts = FitFacts(
        penalty=penalty,
        at_edge=best in (0, len(fits) - 1),
        converged=bool(solution.converged),
        iterations=int(solution.iterations),
        validation_loss=loss,
        path=tuple((penalty, loss) for penalty, loss, _ in fits),
    )
    return as_probe(classes, solution.V[:, 0], mean, scale, facts)


def negative_log_likelihood(probe: LinearProbe, X: Sliceable, y: np.ndarray) -> float:
    """Mean of -log p(truth) in nats; ``X`` is read in blocks."""
    total = 0.0
    for part in reading.slices(len(y)):
        logits = probe.logits(reading.read(X, part)).astype(np.float64) / probe.temperature
        top = logits.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0]
        total += float((log_sum - logits[np.arange(len(logits)), y[part]]).sum())
    return total / len(y)


def _sample(blocks: Sequence[Block]) -> tuple[Tensor, Tensor]:
    """At most `METRIC_ROWS` rows, evenly spaced, and their weights."""
    stride = -(-sum(len(block.truth) for block in blocks) // METRIC_ROWS)
    return torch.cat([b.rows()[::stride] for b in blocks]), torch.cat([b.weight[::stride] for b in blocks])


def ridge_of(penalty: float, squared_scale: Tensor) -> Tensor:
    """(D + 1, F): the penalty on every weight, none on the bias."""
    return torch.cat([penalty * squared_scale, torch.zeros(1, squared_scale.shape[1])])


def as_probe(classes: Sequence[str], V: Tensor, mean: np.ndarray, scale: np.ndarray, facts: FitFacts) -> LinearProbe:
    """The probe of ``V`` (D + 1, K), whose last row is the bias."""
    return LinearProbe(
        classes=tuple(classes),
        weight=V[:-1].T.contiguous().numpy(),
        bias=V[-1].numpy().copy(),
        mean=mean.astype(np.float32),
        scale=scale.astype(np.float32),
        facts=facts,
    )
