"""Optimizer for linear probes (penalized softmax regression).

The objective is minimized over V (D, K), where the last of the D columns of X is the constant 1 for the bias:

    sum over rows of w_n * (-log softmax(x_n V)[y_n]) / W  +  1/2 sum_dk ridge_d V_dk^2,   W = sum w_n.

The method is L-BFGS (Nocedal & Wright, Numerical Optimization, 2nd ed., algorithm 7.4). The initial Hessian
approximation, called metric, is the penalized Gram matrix of the rows, each weighted by the mean over classes of
p (1 - p). (With weight 1/2 for every row, it would be the bound of Böhning, Ann. Inst. Statist. Math. 44, 1992, which
is fifteen times too large for 31 classes.) Logits are linear in the step, so trial steps of the line search need no
product with X.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from probing_core.errors import BadArray
from probing_core.measures.classification import MIN_PROBABILITY

OBJECTIVE_TOLERANCE = 1e-6
"""Relative tolerance: the optimizer stops when the possible decrease, estimated by the Newton decrement, is below this
fraction of the objective. Validation losses then differ from the exact minimum by about 1e-4 (relative)."""

MAX_ITERATIONS = 300
"""Maximum number of iterations with one metric for all classes."""

CLASS_METRIC_ITERATIONS = 60
"""Number of iterations with class metrics before they are recomputed."""

MAX_CLASS_METRICS = 20
"""Maximum number of times that the class metrics are computed."""

MAX_CLASS_METRIC_DIMS = 512
"""Maximum number of dimensions D for which class metrics are used."""

MAX_CLASS_METRIC_NUMBERS = 2**23
"""Maximum total number of entries, K * D^2, of the class metrics. Computing them takes as many operations per row."""

MEMORY = 5
"""L-BFGS history size. A longer history does not reduce the number of iterations."""

MIN_SLOPE_RATIO = -0.7
"""Lower bound of the slope at the end of an accepted step, relative to the slope at its start."""

MAX_SLOPE_RATIO = 0.5
"""Upper bound of the slope at the end of an accepted step, relative to the slope at its start."""

MAX_TRIALS = 4
"""Maximum number of trial steps in a line search."""

MAX_LIFT_EXPONENT = 5
"""Exponent (base 10) of the largest regularization added to the metric, relative to its mean diagonal."""


@dataclass(frozen=True)
class Block:
    """A block of training rows.

    Attributes:
        rows: function that returns X (n, D) ``float32``, with 1 in the last column. It is called in every pass, and may
            read from disk.
        truth: class indices (n,) ``int64``.
        weight: row weights (n,) ``float32``; 0 excludes a row from training.
    """

    rows: Callable[[], Tensor]
    truth: Tensor
    weight: Tensor


@dataclass(frozen=True)
class Solution:
    """Parameters V (D, K), whether the optimizer converged, and the number of iterations."""

    V: Tensor
    converged: bool
    iterations: int


def metric_inverse(rows: Tensor, logits: Tensor, weight: Tensor, ridge: Tensor) -> Tensor:
    """Compute the inverse (D, D) of the metric from ``rows`` (n, D) with ``logits`` (n, K) and ``weight`` (n,).

    Raises:
        BadArray: rows or logits are not finite, or too large for ``float32``.
    """
    p = torch.softmax(logits, -1)
    curvature = (p * (1 - p)).mean(-1) * weight / weight.sum()
    return _inverse(rows.T @ (rows * curvature[:, None]) + torch.diag(ridge))


def _inverse(metric: Tensor) -> Tensor:
    """Invert one metric (D, D), or one metric for each class (K, D, D).

    Raises:
        BadArray: the inverse is not finite.
    """
    mean = metric.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
    # Rounding may make the matrix indefinite if there are fewer rows than dimensions and the penalty is small.
    for exponent in range(-6, MAX_LIFT_EXPONENT + 1):
        factor, info = torch.linalg.cholesky_ex(metric + 10.0**exponent * mean * torch.eye(metric.shape[-1]))
        if not info.any():
            return torch.cholesky_inverse(factor)
    raise BadArray(
        "The probe cannot be fitted: the embeddings or logits contain NaN, infinity or numbers too large for float32. "
        "Check the model and its precision."
    )


def minimize(
    blocks: Sequence[Block], start: Tensor, ridge: Tensor, inverse: Tensor, *, tolerance: float = OBJECTIVE_TOLERANCE
) -> Solution:
    """Minimize the objective over the rows of ``blocks``.

    Args:
        start: initial V (D, K).
        ridge: penalty for each row of V (D,); 0 for the bias.
        inverse: inverse metric (D, D) from `metric_inverse`. If the optimizer does not converge within
            `MAX_ITERATIONS`, it continues with class metrics (`class_metric_inverse`) unless D or K is too large.
        tolerance: see `OBJECTIVE_TOLERANCE`.
    """
    state = _State(blocks, start, ridge, inverse)
    converged, iterations = _iterate(state, tolerance, MAX_ITERATIONS)
    dims, classes = start.shape
    if dims > MAX_CLASS_METRIC_DIMS or classes * dims**2 > MAX_CLASS_METRIC_NUMBERS:
        return Solution(state.V, converged, iterations)
    for _ in range(MAX_CLASS_METRICS):
        if converged:
            break
        state = _State(blocks, state.V, ridge, class_metric_inverse(blocks, state.logits, ridge))
        converged, steps = _iterate(state, tolerance, CLASS_METRIC_ITERATIONS)
        iterations += steps
    return Solution(state.V, converged, iterations)


def class_metric_inverse(blocks: Sequence[Block], logits: Sequence[Tensor], ridge: Tensor) -> Tensor:
    """Compute the inverses (K, D, D) of the diagonal blocks of the Hessian, one for each class.

    The blocks are exact, whereas the shared metric is a mean over classes. The curvature of the objective is much lower
    for nearly separated classes than for other classes, so the shared metric would slow the optimizer down.
    """
    total = sum((block.weight.sum() for block in blocks), torch.zeros(()))
    metric = torch.diag(ridge).repeat(logits[0].shape[1], 1, 1)
    for block, block_logits in zip(blocks, logits, strict=True):
        rows, p = block.rows(), torch.softmax(block_logits, -1)
        curvature = p * (1 - p) * (block.weight / total)[:, None]
        for metric_of_class, weight in zip(metric, curvature.T, strict=True):
            metric_of_class.addmm_(rows.T, rows * weight[:, None])
    return _inverse(metric)


def _iterate(state: _State, tolerance: float, max_iterations: int) -> tuple[bool, int]:
    """Advance ``state`` until it converges or ``max_iterations`` is reached.

    Returns:
        Whether ``state`` has converged, and the number of iterations.
    """
    for iteration in range(max_iterations + 1):
        step, slope = state.direction()
        converged = bool(-slope / 2 <= tolerance * state.objective)
        if converged or iteration == max_iterations:
            break
        state.advance(step, slope)
    return converged, iteration


class _State:
    def __init__(self, blocks: Sequence[Block], start: Tensor, ridge: Tensor, inverse: Tensor) -> None:
        self.blocks, self.inverse = blocks, inverse
        self.V = start.clone()
        self.ridge = ridge[:, None]
        self.total = sum((block.weight.sum() for block in blocks), torch.zeros(()))
        self.logits = [_product(block, self.V) for block in blocks]
        self.errors = [torch.empty_like(logits) for logits in self.logits]
        self.objective = _dot(self.ridge * self.V, self.V) / 2
        for block, logits, errors in zip(self.blocks, self.logits, self.errors, strict=True):
            self.objective = self.objective + self._set_errors(block, logits, errors)
        self.gradient = self._gradient()
        self.pairs: list[tuple[Tensor, Tensor, Tensor]] = []
        self.scale = torch.ones(())

    def direction(self) -> tuple[Tensor, Tensor]:
        """Compute the search direction (D, K) with the two-loop recursion of L-BFGS, and the slope () along it."""
        q = self.gradient.clone()
        alphas = []
        for s, y, rho in reversed(self.pairs):
            alpha = rho * _dot(s, q)
            q.addcmul_(y, alpha, value=-1)
            alphas.append(alpha)
        step = self._precondition(q).mul_(-self.scale)
        for (s, y, rho), alpha in zip(self.pairs, reversed(alphas), strict=True):
            step.addcmul_(s, rho * _dot(y, step) + alpha, value=-1)
        return step, _dot(self.gradient, step)

    def _precondition(self, gradient: Tensor) -> Tensor:
        if self.inverse.dim() == 2:
            return self.inverse @ gradient
        return torch.einsum("kde,ek->dk", self.inverse, gradient)

    def advance(self, step: Tensor, slope: Tensor) -> None:
        step = step * self._search(step, slope)
        self.V += step
        before, self.gradient = self.gradient, self._gradient()
        change = self.gradient - before
        curved = _dot(step, change)
        moved = curved > 0  # False if rounding hides the change, in which case the pair is ignored
        self.scale = torch.where(moved, curved / _dot(change, self._precondition(change)), self.scale)
        self.pairs = [*self.pairs[-MEMORY + 1 :], (step, change, torch.where(moved, 1 / curved, 0.0))]

    def _search(self, step: Tensor, slope: Tensor) -> Tensor:
        """Perform a line search along ``step``, update logits, errors and objective, and return the step length ().

        The objective is convex, so its slope determines on which side the minimum is.
        """
        along = [_product(block, step) for block in self.blocks]
        value, at, curve = (_dot(self.ridge * a, b) for a, b in ((self.V, self.V), (self.V, step), (step, step)))
        length, applied = torch.ones_like(slope), torch.zeros_like(slope)
        low, low_slope, high = torch.zeros_like(slope), slope, torch.full_like(slope, torch.inf)
        for _ in range(MAX_TRIALS):
            self.objective = value / 2 + length * at + length**2 * curve / 2
            end = at + length * curve
            for block, logits, errors, move in zip(self.blocks, self.logits, self.errors, along, strict=True):
                logits.addcmul_(move, length - applied)
                self.objective = self.objective + self._set_errors(block, logits, errors)
                end = end + _dot(errors, move)
            applied = length
            if MIN_SLOPE_RATIO <= -end / slope <= MAX_SLOPE_RATIO:
                break
            secant = low + (length - low) * low_slope / (low_slope - end)
            if end > 0:
                high = length
            else:
                low, low_slope = length, end
            if low < secant < torch.minimum(high, 4 * length):
                length = secant
            else:
                length = (low + high) / 2 if end > 0 else 4 * length
        return applied

    def _set_errors(self, block: Block, logits: Tensor, errors: Tensor) -> Tensor:
        """Set errors = w (softmax(logits) - one-hot truth) / W, and return the contribution () to the mean loss."""
        share = block.weight / self.total
        truth = block.truth[:, None]
        torch.softmax(logits, -1, out=errors)
        right = errors.gather(1, truth)
        errors.scatter_(1, truth, right - 1)
        errors *= share[:, None]
        return -(share * right[:, 0].clamp_min(MIN_PROBABILITY).log()).sum()

    def _gradient(self) -> Tensor:
        gradient = self.ridge * self.V
        for block, errors in zip(self.blocks, self.errors, strict=True):
            gradient += (errors.T @ block.rows()).T  # faster than X' errors for few columns
        return gradient


def _product(block: Block, V: Tensor) -> Tensor:
    width = V.shape[1]
    # Matrix products with 31 columns take twice as long as with 32.
    padded = torch.nn.functional.pad(V, (0, -width % 16))
    return (block.rows() @ padded)[:, :width]


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return torch.einsum("dk,dk->", a, b)
