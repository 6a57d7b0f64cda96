"""Linear probes: softmax regression with an L2 penalty selected on validation data, and discriminant analysis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from probing_core.errors import BadArray
from probing_core.probes import rows as reading
from probing_core.probes.probe import FitFacts, LinearProbe
from probing_core.probes.rows import Sliceable

if TYPE_CHECKING:
    from torch import Tensor

    from probing_core.probes.optimizer import Solution

PENALTY_GRID = tuple(float(10.0**exponent) for exponent in np.arange(-7, 0.6, 0.5))
"""L2 penalties. The loss is ``mean(-log p) + penalty / 2 * sum(W^2)``, as in scikit-learn with
``C = 1 / (n * penalty)``. For thousands of photographs, the selected penalty is about 0.001. It can be 100 times
smaller for the deployment probe, which is trained on the most data."""

PENALTY_PER_DIMENSION = 5e-5

MAX_WORSENING = 1e-3
"""Relative increase of the validation loss above its minimum at which the penalty search stops. It is larger than the
optimizer error."""

PATH_TOLERANCE = 1e-5
"""Optimizer tolerance (see `probing_core.probes.optimizer.OBJECTIVE_TOLERANCE`) during the penalty search."""


def fixed_penalty(dims: int) -> float:
    """Return the fixed penalty for ``dims`` dimensions, for probes with too few photographs to select a penalty.

    The penalty does not depend on the test photographs. Standardized embeddings have a mean squared norm of ``dims``,
    so a penalty proportional to ``dims`` shrinks the logits of all models equally. A constant penalty would favor
    models with certain embedding dimensions.
    """
    return PENALTY_PER_DIMENSION * dims


METRIC_ROWS = 4096

FINAL_TOLERANCE = 1e-7
"""Optimizer tolerance for the final fit with the selected penalty."""


def fit(
    X: Sliceable,
    y: np.ndarray,
    *,
    classes: Sequence[str],
    validation: tuple[Sliceable, np.ndarray],
    weights: np.ndarray | None = None,
    penalties: Sequence[float] = PENALTY_GRID,
    standardize: bool = True,
    root: bool = False,
) -> LinearProbe:
    """Fit a linear probe with the penalty that minimizes the loss on ``validation``.

    Args:
        X: embeddings (N, D); any sliceable object, such as a memory-mapped file.
        y: class indices (N,).
        classes: K class names.
        validation: (X, y) of photographs that are not in the training data.
        weights: row weights (N,) for the mean loss and the standardization; by default 1.
        penalties: penalty grid. The search starts at the largest penalty and stops when the validation loss increases,
            because smaller penalties take longer to fit and would be worse.
        standardize: whether to standardize embeddings with the mean and standard deviation of ``X``.
        root: whether to take the square root of embeddings, which must not be negative.

    Raises:
        BadArray: shapes do not match, classes are out of range, embeddings are not finite, or fewer than two classes
            have rows with a positive weight.
    """
    import torch

    from probing_core.probes.optimizer import Block, metric_inverse, minimize

    k = len(classes)
    reading.check(X, y, k)
    reading.check(*validation, k)
    d = X.shape[1]
    learned = reading.Roots(X) if root else X
    weights = np.ones(len(y)) if weights is None else np.asarray(weights, np.float64)
    reading.check_weights(y, weights, classes)
    mean, scale = reading.moments(learned, weights) if standardize else (np.zeros(d), np.ones(d))
    blocks = [
        Block(
            reading.block_reader(learned, rows, mean, scale),
            torch.from_numpy(np.asarray(y[rows], np.int64)),
            torch.from_numpy(np.float32(weights[rows])),
        )
        for rows in reading.slices(len(y))
    ]
    stride = -(-len(y) // METRIC_ROWS)
    sample = torch.cat([block.rows()[::stride] for block in blocks])
    sample_weight = torch.cat([block.weight[::stride] for block in blocks])

    def solve(penalty: float, start: Tensor, solution: Tensor, tolerance: float) -> Solution:
        ridge = torch.cat([torch.full((d,), penalty), torch.zeros(1)])  # no penalty on the bias
        inverse = metric_inverse(sample, sample @ solution, sample_weight, ridge)
        return minimize(blocks, start, ridge, inverse, tolerance=tolerance)

    def loss(V: Tensor, penalty: float) -> float:
        facts = FitFacts(penalty, False, False, 0, np.nan)
        return negative_log_likelihood(as_probe(classes, V, mean, scale, facts, root), *validation)

    V = start = torch.zeros(d + 1, k)
    path: list[tuple[float, float, Solution]] = []
    for penalty in sorted(penalties, reverse=True):
        solution = solve(penalty, start, V, PATH_TOLERANCE)
        # Start from an extrapolation of the last two solutions.
        V, start = solution.V, 2 * solution.V - V
        path.append((penalty, loss(V, penalty), solution))
        if path[-1][1] > (1 + MAX_WORSENING) * min(validation_loss for _, validation_loss, _ in path):
            break
    best = int(np.argmin([validation_loss for _, validation_loss, _ in path]))
    penalty, _, walked = path[best]
    solution = solve(penalty, walked.V, walked.V, FINAL_TOLERANCE)
    facts = FitFacts(
        penalty=penalty,
        at_edge=len(penalties) > 1 and best in (0, len(penalties) - 1),
        converged=solution.converged,
        iterations=walked.iterations + solution.iterations,
        validation_loss=loss(solution.V, penalty),
        path=tuple((penalty, validation_loss) for penalty, validation_loss, _ in path),
    )
    return as_probe(classes, solution.V, mean, scale, facts, root)


def fit_in_span(
    X: Sliceable,
    y: np.ndarray,
    *,
    classes: Sequence[str],
    validation: tuple[Sliceable, np.ndarray],
    penalties: Sequence[float] = PENALTY_GRID,
) -> LinearProbe:
    """Fit the same probe as `fit`, but faster if there are fewer rows than dimensions.

    By the representer theorem, the optimal weights are in the span of the standardized training rows.
    """
    if len(y) >= X.shape[1]:
        return fit(X, y, classes=classes, validation=validation, penalties=penalties)
    reading.check(X, y, len(classes))
    mean, scale = reading.moments(X, np.ones(len(y)))
    rows, held_out = ((reading.read(a, slice(0, a.shape[0])) - mean) / scale for a in (X, validation[0]))
    _, lengths, axes = np.linalg.svd(rows, full_matrices=False)
    axes = axes[lengths > 1e-6 * lengths[0]]
    validation = held_out @ axes.T, validation[1]
    probe = fit(rows @ axes.T, y, classes=classes, validation=validation, penalties=penalties, standardize=False)
    return replace(
        probe,
        weight=np.ascontiguousarray(probe.weight @ axes, np.float32),
        mean=mean.astype(np.float32),
        scale=scale.astype(np.float32),
    )


def negative_log_likelihood(probe: LinearProbe, X: Sliceable, y: np.ndarray) -> float:
    """Compute the mean negative log-likelihood in nats, without temperature scaling. ``X`` is read in blocks."""
    total = 0.0
    for part in reading.slices(len(y)):
        logits = probe.logits(reading.read(X, part)).astype(np.float64)
        top = logits.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0]
        total += float((log_sum - logits[np.arange(len(logits)), y[part]]).sum())
    return total / len(y)


def as_probe(
    classes: Sequence[str], V: Tensor, mean: np.ndarray, scale: np.ndarray, facts: FitFacts, root: bool = False
) -> LinearProbe:
    """Create a probe from the parameters ``V`` (D + 1, K), whose last row is the bias."""
    return LinearProbe(
        classes=tuple(classes),
        weight=V[:-1].T.contiguous().numpy(),
        bias=V[-1].numpy().copy(),
        mean=mean.astype(np.float32),
        scale=scale.astype(np.float32),
        facts=facts,
        root=root,
    )


MIN_SCALE = 1e-6
"""Standard deviation below which a dimension counts as constant, relative to the largest standard deviation."""


def fit_discriminant(X: np.ndarray, y: np.ndarray, *, classes: Sequence[str]) -> LinearProbe:
    """Fit linear discriminant analysis (Fisher 1936) on standardized embeddings.

    The within-class covariance is shrunk towards a multiple of the identity (Ledoit & Wolf 2004), so no penalty needs
    to be selected. Classes have equal priors, regardless of their numbers of rows.

    Args:
        X: embeddings (N, D).
        y: class indices (N,); each class must occur.
        classes: K class names.

    Raises:
        BadArray: shapes do not match, a class has no rows, or the embeddings are not finite or all equal.
    """
    from sklearn.covariance import ledoit_wolf

    X, y, k = np.asarray(X, np.float64), np.asarray(y), len(classes)
    if X.ndim != 2 or y.shape != (len(X),) or not np.array_equal(np.unique(y), np.arange(k)):
        raise BadArray(
            f"Discriminant analysis requires embeddings (N, D) and N class indices from 0 to {k - 1}, each at least "
            f"once; got {X.shape} and {y.shape} with {len(np.unique(y))} distinct classes."
        )
    if not np.isfinite(X).all():
        raise BadArray("The embeddings contain values that are not finite numbers. Embed these images again.")
    mean, scale = X.mean(0), X.std(0)
    scale[scale <= MIN_SCALE * scale.max()] = np.inf  # constant dimensions do not separate classes
    if np.isinf(scale).all():
        raise BadArray("All embeddings are equal, so classes cannot be separated. Check that the model was loaded.")
    Z = (X - mean) / scale
    means = np.stack([Z[y == c].mean(0) for c in range(k)])
    covariance, shrinkage = ledoit_wolf(Z - means[y], assume_centered=True)
    covariance[np.diag_indices_from(covariance)] += np.finfo(float).eps * np.trace(covariance)
    weight = np.linalg.solve(covariance, means.T).T
    facts = FitFacts(float(shrinkage), at_edge=False, converged=True, iterations=0, validation_loss=float("nan"))
    return LinearProbe(
        classes=tuple(classes),
        weight=weight.astype(np.float32),
        bias=(-0.5 * (weight * means).sum(1)).astype(np.float32),
        mean=mean.astype(np.float32),
        scale=scale.astype(np.float32),
        facts=facts,
    )
