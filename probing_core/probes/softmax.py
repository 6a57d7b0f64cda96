"""The optimizer of every linear probe: many penalized softmax regressions over shared rows at once.

A *fit* f minimizes over V_f (D, K), where the last of the D columns of X is the constant 1 of the bias,

    sum over its rows of w_n * (-log softmax(x_n V_f)[y_n]) / W_f  +  1/2 sum_dk ridge_df V_dkf^2,   W_f = sum w_n.

Rows come in blocks, and each block lists the fits that train on it, so that leave-one-out costs no masked
arithmetic. All fits advance together: one matrix product over the columns of all of them gives the logits
along their search directions, one more their gradients.

The method is L-BFGS (Nocedal & Wright, Numerical Optimization, 2nd ed., algorithm 7.4), started from a metric
that all fits share: the penalized Gram matrix of the rows, each weighted by the mean over classes of p (1 - p),
which is the trace of the softmax's Hessian. (With weight 1/2 for every row it would be the bound of Böhning,
Ann. Inst. Statist. Math. 44, 1992, which is fifteen times too large for 31 classes.) Logits are linear in the
step, so that the line search needs no product with X.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

TOLERANCE = 1e-6
"""A fit has converged when the objective can still fall by this share of itself, by its Newton decrement."""

MEMORY = 8
"""Pairs of steps and gradient changes that L-BFGS remembers."""

STEEP, RISING = -0.7, 0.5
"""A step is taken when the slope at its end, over the slope at its start, lies between these two."""

TRIALS = 4
"""Steps that a line search tries at most."""


@dataclass(frozen=True)
class Block:
    """Some rows, and who trains on them.

    Attributes:
        rows: () -> X (n, D) ``float32``, the last column 1; read anew at every pass, so it may come from disk.
        truth: (n,) ``int64`` classes.
        weight: (n,) ``float32``; 0 for rows that train nothing.
        fits: (f,) ``int64``, the fits that train on these rows.
    """

    rows: Callable[[], Tensor]
    truth: Tensor
    weight: Tensor
    fits: Tensor


@dataclass(frozen=True)
class Solution:
    """V (D, F, K), and for each fit whether it converged and after how many iterations."""

    V: Tensor
    converged: Tensor
    iterations: Tensor


def metric_inverse(rows: Tensor, curvature: Tensor, ridge: Tensor) -> Tensor:
    """The inverse (D, D) of ``X' diag(curvature) X + diag(ridge)``, in which steps are measured."""
    gram = (rows.T @ (rows * curvature[:, None])).double()
    gram.diagonal().add_(ridge.double())
    # Rounding may leave the matrix barely indefinite where rows are fewer than dimensions.
    gram.diagonal().add_(1e-9 * gram.diagonal().mean())
    return torch.cholesky_inverse(torch.linalg.cholesky(gram)).float()


def curvature(logits: Tensor, weight: Tensor) -> Tensor:
    """Mean over classes of p (1 - p) of rows with ``logits`` (n, K), times their share of the weight."""
    p = torch.softmax(logits, -1)
    return (p * (1 - p)).mean(-1) * weight / weight.sum()


def minimize(blocks: Sequence[Block], start: Tensor, ridge: Tensor, inverse: Tensor, limit: int = 200) -> Solution:
    """All fits' minima.

    Args:
        blocks: the rows.
        start: (D, F, K), where each fit begins.
        ridge: (D, F); 0 in the row of the bias.
        inverse: (D, D) from `metric_inverse`.
        limit: iterations at most.
    """
    return _Minimizer(blocks, start, ridge, inverse).run(limit)


class _Minimizer:
    def __init__(self, blocks: Sequence[Block], start: Tensor, ridge: Tensor, inverse: Tensor) -> None:
        self.blocks, self.inverse = blocks, inverse
        self.V = start.clone()
        self.ridge = ridge[:, :, None]
        self.total = torch.zeros(start.shape[1])
        for block in blocks:
            self.total[block.fits] += block.weight.sum()
        self.logits = [self._times(block, self.V) for block in blocks]
        self.errors = [torch.empty_like(logits) for logits in self.logits]
        self.pairs: list[tuple[Tensor, Tensor, Tensor]] = []
        self.scale = torch.ones(start.shape[1])

    def run(self, limit: int) -> Solution:
        objective = self._set_errors()
        gradient = self._gradient()
        iterations = torch.zeros(self.V.shape[1], dtype=torch.int64)
        for _ in range(limit):
            step = self._direction(gradient)
            slope = _dot(gradient, step)
            active = -slope / 2 > TOLERANCE * objective
            if not active.any():
                break
            iterations += active
            step *= active[None, :, None]
            length, objective = self._search(step, slope * active)
            step *= length[None, :, None]
            self.V += step
            new = self._gradient()
            self._remember(step, new - gradient)
            gradient = new
        else:
            active = -_dot(gradient, self._direction(gradient)) / 2 > TOLERANCE * objective
        return Solution(self.V, ~active, iterations)

    def _times(self, block: Block, V: Tensor) -> Tensor:
        """X V (n, f, K) of the block's fits."""
        columns = V[:, block.fits]
        return (block.rows() @ columns.flatten(1)).view(-1, *columns.shape[1:])

    def _set_errors(self) -> Tensor:
        """The objective (F,); sets errors = w (softmax(logits) - one-hot truth) / W."""
        objective = _dot(self.ridge * self.V, self.V) / 2
        for block, logits, errors in zip(self.blocks, self.logits, self.errors, strict=True):
            objective[block.fits] += self._error(block, logits, errors)
        return objective

    def _error(self, block: Block, logits: Tensor, out: Tensor) -> Tensor:
        """Sets the errors of one block, and returns its part of the mean loss (f,)."""
        share = block.weight[:, None] / self.total[block.fits]
        truth = block.truth[:, None, None].expand(-1, out.shape[1], 1)
        torch.softmax(logits, -1, out=out)
        right = out.gather(2, truth)
        out.scatter_(2, truth, right - 1)
        out *= share[:, :, None]
        return -(share * right[:, :, 0].clamp_min(1e-30).log()).sum(0)

    def _gradient(self) -> Tensor:
        gradient = self.ridge * self.V
        for block, errors in zip(self.blocks, self.errors, strict=True):
            part = (block.rows().T @ errors.flatten(1)).view(-1, *errors.shape[1:])
            gradient.index_add_(1, block.fits, part)
        return gradient

    def _direction(self, gradient: Tensor) -> Tensor:
        """- H gradient, by the two loops of L-BFGS over the metric."""
        q = gradient.clone()
        kept = []
        for s, y, rho in reversed(self.pairs):
            alpha = rho * _dot(s, q)
            q -= alpha[None, :, None] * y
            kept.append(alpha)
        r = (self.inverse @ q.flatten(1)).view_as(q)
        r *= self.scale[None, :, None]
        for (s, y, rho), alpha in zip(self.pairs, reversed(kept), strict=True):
            r += (alpha - rho * _dot(y, r))[None, :, None] * s
        return -r

    def _remember(self, s: Tensor, y: Tensor) -> None:
        """Keeps a pair; fits that did not move get a weight of 0."""
        sy = _dot(s, y)
        moved = sy > 0
        rho = torch.where(moved, 1 / sy, 0.0)
        curved = _dot(y, (self.inverse @ y.flatten(1)).view_as(y))
        self.scale = torch.where(moved, sy / curved, self.scale)
        self.pairs = [*self.pairs[-MEMORY + 1 :], (s, y, rho)]

    def _search(self, step: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
        """Lengths (F,) along ``step``, and the objective there, where logits and errors are moved to.

        The objective is convex, so its slope tells where along the step the minimum lies.
        """
        along = [self._times(block, step) for block in self.blocks]
        length, taken = torch.ones_like(slope), torch.zeros_like(slope)
        low, high, low_slope = torch.zeros_like(slope), torch.full_like(slope, torch.inf), slope
        value, at, curve = (_dot(self.ridge * a, b) for a, b in ((self.V, self.V), (self.V, step), (step, step)))
        for _ in range(TRIALS):
            objective = value / 2 + length * at + length**2 * curve / 2
            end = at + length * curve
            for block, logits, errors, move in zip(self.blocks, self.logits, self.errors, along, strict=True):
                logits.addcmul_(move, (length - taken)[block.fits, None])
                objective[block.fits] += self._error(block, logits, errors)
                end[block.fits] += _dot(errors, move)
            taken = length
            # Fits that have converged have slope 0 and stay where they are.
            good = (slope == 0) | ((-end / slope >= STEEP) & (-end / slope <= RISING))
            if good.all():
                break
            secant = low + (length - low) * low_slope / (low_slope - end)
            rising = end > 0
            high = torch.where(rising, length, high)
            low, low_slope = torch.where(rising, low, length), torch.where(rising, low_slope, end)
            beyond = ~((secant > low) & (secant < 4 * length))
            secant = torch.where(beyond, torch.where(high.isinf(), 4 * length, (low + high) / 2), secant)
            length = torch.where(good, length, secant)
        return taken, objective


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """(F,) inner products of two (D, F, K)."""
    return torch.einsum("dfk,dfk->f", a, b)
