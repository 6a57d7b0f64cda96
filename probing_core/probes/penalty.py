"""Choice of the penalty of a linear probe: the grid, and the search along it on validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from probing_core.probes.optimizer import Solution

GRID = tuple(float(10.0**exponent) for exponent in np.arange(-7, 0.6, 0.5))
"""Penalties on the squared weights, beside the mean loss: the loss is ``mean(-log p) + penalty / 2 * sum(W^2)``,
which is scikit-learn's with ``C = 1 / (n * penalty)``. Thousands of photographs want about 0.001, and the probe of
live predictions, which has most to learn from, down to a hundredth of that."""

PENALTY_PER_DIMENSION = 5e-5
"""Factor of `fixed_penalty`."""

WORSE = 1e-3
"""Share of the lowest validation loss by which another must exceed it to be worse: more than the optimizer leaves."""

PATH_TOLERANCE = 1e-5
"""Tolerance of the optimizer (see `probing_core.probes.optimizer.TOLERANCE`) while it searches the penalty."""


def fixed_penalty(dims: int) -> float:
    """Return the penalty of probes that have too few photographs to choose one, on embeddings of ``dims`` dimensions.

    It is fixed beforehand, so that nothing of the photographs that are tested enters it. Standardized embeddings have
    a mean squared length of ``dims``, so a penalty in proportion to it shrinks the logits of all models alike; one
    constant for all would favor models of some width.
    """
    return PENALTY_PER_DIMENSION * dims


def choose_penalty(
    penalties: Sequence[float],
    start: Tensor,
    solve: Callable[[float, Tensor, Tensor, float], Solution],
    loss: Callable[[Tensor, float], float],
) -> tuple[int, list[tuple[float, float, Solution]]]:
    """Return the (penalty, validation loss, solution) of the path where the loss is lowest, and the path, strongest
    first.

    It ends at the first penalty that is worse than one before: weaker ones take longest and would be worse still.

    Args:
        start: (D + 1, K).
        solve: (penalty, start, point of the metric, tolerance) -> solution.
        loss: (V, penalty) -> validation loss.
    """
    V, path = start, []
    for penalty in sorted(penalties, reverse=True):
        solution = solve(penalty, start, V, PATH_TOLERANCE)
        # The next start extrapolates the last two solutions.
        V, start = solution.V, 2 * solution.V - V
        path.append((penalty, loss(V, penalty), solution))
        if path[-1][1] > (1 + WORSE) * min(validation_loss for _, validation_loss, _ in path):
            break
    return int(np.argmin([validation_loss for _, validation_loss, _ in path])), path
