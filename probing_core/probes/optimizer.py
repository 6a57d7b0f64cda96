"""The optimizer of every linear probe: many penalized softmax regressions over shared rows at once.

A *fit* f minimizes over V_f (D, K), where the last of the D columns of X is the constant 1 of the bias,

    sum over its rows of w_n * (-log softmax(x_n V_f)[y_n]) / W_f  +  1/2 sum_dk ridge_df V_dkf^2,   W_f = sum w_n.

Rows come in blocks, and each block lists the fits that train on it, so that leave-one-out costs no masked
arithmetic. All fits advance together: one matrix product over the columns of all of them gives the logits
along their search directions, one more their gradients.

The method is L-BFGS (Nocedal & Wright, Numerical Optimization, 2nd ed., algorithm 7.4), started from a metric of
each fit: the penalized Gram matrix of its rows, each weighted by the mean over classes of p (1 - p), which is the
trace of the softmax's Hessian. (With weight 1/2 for every row it would be the bound of Böhning, Ann. Inst. Statist.
Math. 44, 1992, which is fifteen times too large for 31 classes.) A metric of rows that a fit does not train on would
be far too stiff just where its held-out rows lie. Logits are linear in the step, so that the line search needs no
product with X.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from probing_core.measures.probabilities import MIN_PROBABILITY

TOLERANCE = 1e-6
"""A fit has converged when the objective can still fall by this share of itself, by its Newton decrement in the
metric that L-BFGS has learned. Validation losses are then those of an exact minimum to about 1e-4 of themselves."""

LIMIT = 300
"""Iterations at most."""

MEMORY = 5
"""Pairs of steps and gradient changes that L-BFGS remembers; more save no iterations here."""

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
        fits: (f,) ``int64``, the fits that train on these rows; at least one.
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


def gram(rows: Tensor, curvature: Tensor) -> Tensor:
    """``X' diag(curvature) X`` (D, D)."""
    return rows.T @ (rows * curvature[:, None])


def metric_inverse(gram: Tensor, ridge: Tensor) -> Tensor:
    """The inverse (D, D) of ``gram + diag(ridge)``, in which a fit measures its steps."""
    metric = gram + torch.diag(ridge)
    # Rounding may leave the matrix indefinite where rows are fewer than dimensions: little where the penalty is strong.
    share, failed = 1e-6, True
    while failed:
        lifted = metric + share * metric.diagonal().mean() * torch.eye(len(metric))
        factor, info = torch.linalg.cholesky_ex(lifted)
        share, failed = 10 * share, bool(info)
    return torch.cholesky_inverse(factor)


def curvature(logits: Tensor, weight: Tensor) -> Tensor:
    """Mean over classes of p (1 - p) of rows with ``logits`` (n, K), times their share of the weight."""
    p = torch.softmax(logits, -1)
    return (p * (1 - p)).mean(-1) * weight / weight.sum()


def minimize(
    blocks: Sequence[Block],
    start: Tensor,
    ridge: Tensor,
    inverses: Sequence[Tensor],
    *,
    tolerance: float = TOLERANCE,
) -> Solution:
    """All fits' minima.

    Args:
        blocks: the rows.
        start: (D, F, K), where each fit begins.
        ridge: (D, F); 0 in the row of the bias.
        inverses: F of (D, D), from `metric_inverse`.
        tolerance: see `TOLERANCE`.
    """
    solution = Solution(
        start.clone(), torch.zeros(start.shape[1], dtype=torch.bool), torch.zeros(start.shape[1], dtype=torch.int64)
    )
    state = _State(blocks, start, ridge, inverses)
    going = torch.arange(start.shape[1])
    for iteration in range(LIMIT + 1):
        step, slope = state.direction()
        unfinished = -slope / 2 > tolerance * state.objective
        finished = going[~unfinished]
        solution.V[:, finished] = state.V[:, ~unfinished]
        solution.converged[finished] = True
        solution.iterations[going] = iteration
        if iteration == LIMIT or not unfinished.any():
            break
        if len(finished):  # nothing more is computed for them
            going, step, slope = going[unfinished], step[:, unfinished], slope[unfinished]
            state.keep(unfinished)
        state.advance(step, slope)
    solution.V[:, going] = state.V
    return solution


class _State:
    """The state of all unfinished fits: parameters, logits, errors, gradient, and the memory of L-BFGS."""

    def __init__(self, blocks: Sequence[Block], start: Tensor, ridge: Tensor, inverses: Sequence[Tensor]) -> None:
        self.blocks, self.inverses = list(blocks), list(inverses)
        self.V = start.clone()
        self.ridge = ridge[:, :, None]
        self.total = torch.zeros(start.shape[1])
        for block in blocks:
            self.total[block.fits] += block.weight.sum()
        self.logits = [_product(block, self.V) for block in blocks]
        self.errors = [torch.empty_like(logits) for logits in self.logits]
        self.objective = _dot(self.ridge * self.V, self.V) / 2
        for block, logits, errors in zip(self.blocks, self.logits, self.errors, strict=True):
            self.objective[block.fits] += self._set_errors(block, logits, errors)
        self.gradient = self._gradient()
        self.pairs: list[tuple[Tensor, Tensor, Tensor]] = []
        self.scale = torch.ones(start.shape[1])

    def keep(self, unfinished: Tensor) -> None:
        """Forgets all fits but those where ``unfinished`` (F,)."""
        position = torch.cumsum(unfinished, 0) - 1
        stay = [i for i, block in enumerate(self.blocks) if unfinished[block.fits].any()]
        mine = [unfinished[self.blocks[i].fits] for i in stay]
        self.logits = [self.logits[i][:, fits] for i, fits in zip(stay, mine, strict=True)]
        self.errors = [self.errors[i][:, fits] for i, fits in zip(stay, mine, strict=True)]
        self.blocks = [
            replace(self.blocks[i], fits=position[self.blocks[i].fits[fits]])
            for i, fits in zip(stay, mine, strict=True)
        ]
        self.inverses = [inverse for inverse, stays in zip(self.inverses, unfinished, strict=True) if stays]
        self.V, self.ridge, self.gradient = (a[:, unfinished].contiguous() for a in (self.V, self.ridge, self.gradient))
        self.total, self.objective, self.scale = (a[unfinished] for a in (self.total, self.objective, self.scale))
        self.pairs = [(s[:, unfinished], y[:, unfinished], rho[unfinished]) for s, y, rho in self.pairs]

    def direction(self) -> tuple[Tensor, Tensor]:
        """-H gradient (D, F, K), by the two loops of L-BFGS around the metric, and the slope (F,) along it."""
        q = self.gradient.clone()
        alphas = []
        for s, y, rho in reversed(self.pairs):
            alpha = rho * _dot(s, q)
            q.addcmul_(y, alpha[:, None], value=-1)
            alphas.append(alpha)
        step = self._metric(q).mul_(-self.scale[:, None])
        for (s, y, rho), alpha in zip(self.pairs, reversed(alphas), strict=True):
            step.addcmul_(s, (rho * _dot(y, step) + alpha)[:, None], value=-1)
        return step, _dot(self.gradient, step)

    def advance(self, step: Tensor, slope: Tensor) -> None:
        """Moves every fit along its ``step``."""
        step = step * self._search(step, slope)[:, None]
        self.V += step
        before, self.gradient = self.gradient, self._gradient()
        change = self.gradient - before
        curved = _dot(step, change)
        moved = curved > 0  # False where rounding hides the change; such a pair is ignored
        self.scale = torch.where(moved, curved / _dot(change, self._metric(change)), self.scale)
        self.pairs = [*self.pairs[-MEMORY + 1 :], (step, change, torch.where(moved, 1 / curved, 0.0))]

    def _search(self, step: Tensor, slope: Tensor) -> Tensor:
        """Lengths (F,) along ``step``, where logits, errors and objective are moved to.

        The objective is convex, so its slope locates the minimum along the step.
        """
        along = [_product(block, step) for block in self.blocks]
        value, at, curve = (_dot(self.ridge * a, b) for a, b in ((self.V, self.V), (self.V, step), (step, step)))
        length, taken = torch.ones_like(slope), torch.zeros_like(slope)
        low, low_slope, high = torch.zeros_like(slope), slope, torch.full_like(slope, torch.inf)
        for _ in range(TRIALS):
            self.objective = value / 2 + length * at + length**2 * curve / 2
            end = at + length * curve
            for block, logits, errors, move in zip(self.blocks, self.logits, self.errors, along, strict=True):
                logits.addcmul_(move, (length - taken)[block.fits, None])
                self.objective[block.fits] += self._set_errors(block, logits, errors)
                end[block.fits] += _dot(errors, move)
            taken = length
            good = (-end / slope >= STEEP) & (-end / slope <= RISING)
            if good.all():
                break
            secant = low + (length - low) * low_slope / (low_slope - end)
            rising = end > 0
            high = torch.where(rising, length, high)
            low, low_slope = torch.where(rising, low, length), torch.where(rising, low_slope, end)
            outside = ~((secant > low) & (secant < torch.minimum(high, 4 * length)))
            secant = torch.where(outside, torch.where(rising, (low + high) / 2, 4 * length), secant)
            length = torch.where(good, length, secant)
        return taken

    def _set_errors(self, block: Block, logits: Tensor, errors: Tensor) -> Tensor:
        """errors = w (softmax(logits) - one-hot truth) / W; the block's share (f,) of the mean loss."""
        share = block.weight[:, None] / self.total[block.fits]
        truth = block.truth[:, None, None].expand(-1, logits.shape[1], 1)
        torch.softmax(logits, -1, out=errors)
        right = errors.gather(2, truth)
        errors.scatter_(2, truth, right - 1)
        errors *= share[:, :, None]
        return -(share * right[:, :, 0].clamp_min(MIN_PROBABILITY).log()).sum(0)

    def _gradient(self) -> Tensor:
        gradient = self.ridge * self.V
        for block, errors in zip(self.blocks, self.errors, strict=True):
            part = (errors.flatten(1).T @ block.rows()).T  # for few columns faster than X' errors
            gradient.index_add_(1, block.fits, part.unflatten(1, errors.shape[1:]))
        return gradient

    def _metric(self, gradient: Tensor) -> Tensor:
        """Each fit's inverse metric times its ``gradient``."""
        return torch.stack([inverse @ gradient[:, f] for f, inverse in enumerate(self.inverses)], 1)


def _product(block: Block, V: Tensor) -> Tensor:
    """X V (n, f, K) of the block's fits."""
    columns = V[:, block.fits].flatten(1)
    width = columns.shape[1]
    # Matrix products of 31 columns take twice the time of those of 32.
    padded = torch.nn.functional.pad(columns, (0, -width % 16))
    return (block.rows() @ padded)[:, :width].unflatten(1, (-1, V.shape[2]))


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """(F,) inner products of two (D, F, K)."""
    return torch.einsum("dfk,dfk->f", a, b)
