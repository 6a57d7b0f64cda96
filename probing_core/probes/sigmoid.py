"""One yes or no a class: logistic regressions that share their rows, so that several classes can be found at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from probing_core.probes import rows as reading
from probing_core.probes.base import FitFacts, LinearProbe
from probing_core.probes.linear import as_probe

GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Penalties on the squared weights of each class, beside its mean loss."""

MAX_ITERATIONS = 200

TOLERANCE = 1e-4
"""Size of the largest entry of the gradient at which the optimizer has converged."""


def fit(
    X: np.ndarray,
    Y: np.ndarray,
    *,
    classes: Sequence[str],
    validation: tuple[np.ndarray, np.ndarray],
    penalties: Sequence[float] = GRID,
) -> LinearProbe:
    """Fit the probe of the penalty with the lowest loss on ``validation``.

    The loss is ``mean over rows (sum over classes -log p(yes or no)) + penalty / 2 * sum(W^2)``, minimized by L-BFGS,
    each penalty from the solution of the stronger one before it. The probe's logits are those of yes.

    Args:
        X: (N, D) embeddings.
        Y: (N, K) bool, whether a row is of a class; a row may be of none or of several.
        classes: K names.
        validation: (Xv, Yv) of the same kinds, of photographs that are not in ``X``.
        penalties: the grid.
    """
    mean, scale = reading.moments(X, np.ones(len(X)))
    rows, checked = (reading.standardized(A, slice(0, len(A)), mean, scale) for A in (X, validation[0]))
    targets, wanted = (torch.from_numpy(np.asarray(B, np.float32)) for B in (Y, validation[1]))
    V = torch.zeros(X.shape[1] + 1, len(classes))
    solutions: list[tuple[float, float, Tensor, bool, int]] = []
    for penalty in sorted(penalties, reverse=True):
        V, converged, iterations = _minimize(rows, targets, penalty, V)
        solutions.append((penalty, float(_loss(checked @ V, wanted)), V, converged, iterations))
    best = int(np.argmin([loss for _, loss, *_ in solutions]))
    penalty, loss, V, converged, iterations = solutions[best]
    facts = FitFacts(
        penalty=penalty,
        at_edge=best in (0, len(solutions) - 1),
        converged=converged,
        iterations=iterations,
        validation_loss=loss,
        path=tuple((penalty, loss) for penalty, loss, *_ in solutions),
    )
    return as_probe(classes, V, mean, scale, facts)


def _loss(logits: Tensor, targets: Tensor) -> Tensor:
    cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits
    return cross_entropy(logits, targets, reduction="none").sum(1).mean()


def _minimize(rows: Tensor, targets: Tensor, penalty: float, start: Tensor) -> tuple[Tensor, bool, int]:
    V = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [V],
        max_iter=MAX_ITERATIONS,
        tolerance_grad=TOLERANCE,
        tolerance_change=0,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def objective() -> Tensor:
        optimizer.zero_grad()
        value = _loss(rows @ V, targets) + penalty / 2 * (V[:-1] ** 2).sum()
        value.backward()
        return value

    optimizer.step(objective)
    objective()
    assert V.grad is not None
    # Steps may end where float32 holds no lower value: within ten times the tolerance nothing is left to gain.
    converged = float(V.grad.abs().max()) <= 10 * TOLERANCE
    return V.detach(), converged, int(optimizer.state[V]["n_iter"])
