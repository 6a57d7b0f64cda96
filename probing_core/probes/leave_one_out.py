"""Linear probes for a handful of photographs: each is predicted by a probe that never saw it.

With n photographs, the probe that predicts photograph i chooses its penalty by leaving each other photograph j
out in turn. The fit without i and j serves both i (validated on j) and j (validated on i), so that

    n (n - 1) / 2 fits without two photographs, n without one, and 1 on all, per penalty,

are everything. They share the rows, and are minimized together (`probing_core.probes.optimizer`). A fit's own
standardization is folded into its penalty: with deviations s_f of its training rows, penalizing the weights of
standardized rows is the same as the ridge ``penalty * s_f^2`` on those of shared ones; the bias absorbs the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from probing_core.errors import BadArray
from probing_core.probes import rows as reading
from probing_core.probes.base import FitFacts, LinearProbe
from probing_core.probes.linear import as_probe, ridge_of
from probing_core.probes.optimizer import Block, Solution, curvature, gram, metric_inverse, minimize

GRID = tuple(float(10.0**exponent) for exponent in np.arange(-5, 0.6, 0.5))
"""Penalties; all of them are solved, and few photographs want none of the weakest in `probing_core.probes.linear`."""

BATCH = 64
"""Fits that advance together at most, which bounds memory."""


@dataclass(frozen=True, eq=False)
class LeaveOneOut:
    """What `fit_leave_one_out` found.

    Attributes:
        probabilities: (N, K) ``float32``, out of fold.
        deployment: the probe of all photographs.
        photographs: the n group ids, sorted.
        facts: for each of them, those of the probe that never saw it.
    """

    probabilities: np.ndarray
    deployment: LinearProbe
    photographs: tuple[str, ...]
    facts: tuple[FitFacts, ...]


def fit_leave_one_out(
    X: np.ndarray,
    y: np.ndarray,
    groups: np.ndarray,
    *,
    classes: Sequence[str],
    trainable: np.ndarray | None = None,
    penalties: Sequence[float] = GRID,
) -> LeaveOneOut:
    """Out-of-fold probabilities, and the deployment probe.

    Args:
        X: (N, D) embeddings.
        y: (N,) whole numbers, positions in ``classes``.
        groups: (N,) ids of the base photographs.
        classes: K names.
        trainable: (N,) bool; False for rows that are predicted out of fold but neither train a probe nor
            choose a penalty (transforms that are to stay unseen).
        penalties: the grid, as in `probing_core.probes.linear.fit`. It is walked from the strongest on, and ends at
            the first that betters none of the n + 1 choices: weaker ones, which take longest, would be worse.

    Raises:
        BadArray: fewer than three photographs with trainable rows, or arrays that do not fit together.
    """
    reading.check(X, y, len(classes))
    trainable = np.ones(len(y), bool) if trainable is None else np.asarray(trainable, bool)
    photographs = np.unique(groups)
    if len(np.unique(np.asarray(groups)[trainable])) < max(3, len(photographs)):
        raise BadArray(
            f"Leaving one photograph out needs at least three, each with rows to train on, but there are "
            f"{len(photographs)}; add photographs."
        )
    mean, scale = reading.moments(X, trainable.astype(np.float64))
    order = [np.flatnonzero(np.asarray(groups) == photograph) for photograph in photographs]
    folds = [_Fold.of(X[rows], y[rows], trainable[rows], mean, scale) for rows in order]
    return _Search(folds, classes, mean, scale, penalties).result(order, tuple(map(str, photographs)))


@dataclass(frozen=True)
class _Fold:
    """One photograph: all its rows (n, D + 1) in shared standardization, truth, and which rows train."""

    rows: Tensor
    truth: Tensor
    train: Tensor

    @classmethod
    def of(cls, X: np.ndarray, y: np.ndarray, trainable: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> _Fold:
        rows = reading.standardized(X, slice(0, len(X)), mean, scale)
        return cls(rows, torch.from_numpy(np.asarray(y, np.int64)), torch.from_numpy(trainable))

    def block(self, fits: Sequence[int]) -> Block:
        rows, truth = self.rows[self.train], self.truth[self.train]
        return Block(lambda: rows, truth, torch.ones(len(truth)), torch.tensor(fits, dtype=torch.int64))

    def loss(self, V: Tensor) -> float:
        """Summed -log p(truth) of the trainable rows under ``V`` (D + 1, K)."""
        return float(
            torch.nn.functional.cross_entropy(self.rows[self.train] @ V, self.truth[self.train], reduction="sum")
        )


class _Family:
    """All fits that leave out one of ``left_out`` each; they advance in batches of at most `BATCH`."""

    def __init__(self, folds: Sequence[_Fold], left_out: Sequence[tuple[int, ...]]) -> None:
        self.left_out = left_out
        self.batches = [slice(f, min(f + BATCH, len(left_out))) for f in range(0, len(left_out), BATCH)]
        self.blocks = []
        for batch in self.batches:
            trained = [[f for f, out in enumerate(left_out[batch]) if i not in out] for i in range(len(folds))]
            self.blocks.append([fold.block(fits) for fold, fits in zip(folds, trained, strict=True) if fits])
        self.squared_scale = torch.cat(
            [
                _squared_scale(blocks, batch.stop - batch.start)
                for blocks, batch in zip(self.blocks, self.batches, strict=True)
            ],
            1,
        )

    def minimize(self, start: Tensor, penalty: float, grams: Tensor) -> Solution:
        """The fits' minima; ``grams`` (n, D + 1, D + 1) are those of the photographs."""
        ridge = ridge_of(penalty, self.squared_scale)
        total = grams.sum(0)
        parts = []
        for batch, blocks in zip(self.batches, self.blocks, strict=True):
            inverses = [
                metric_inverse((total - grams[list(out)].sum(0)) * len(grams) / (len(grams) - len(out)), ridge[:, f])
                for f, out in enumerate(self.left_out[batch], batch.start)
            ]
            parts.append(minimize(blocks, start[:, batch], ridge[:, batch], inverses))
        return Solution(
            torch.cat([part.V for part in parts], 1),
            torch.cat([part.converged for part in parts]),
            torch.cat([part.iterations for part in parts]),
        )


def _squared_scale(blocks: Sequence[Block], fits: int) -> Tensor:
    """(D, F): each fit's variance of its training rows, in shared standardization; 1 where it is 0."""
    n = torch.zeros(fits)
    dims = blocks[0].rows().shape[1] - 1
    first, second = torch.zeros(dims, fits, dtype=torch.float64), torch.zeros(dims, fits, dtype=torch.float64)
    for block in blocks:
        rows = block.rows()[:, :-1].double()
        n[block.fits] += len(rows)
        first[:, block.fits] += rows.sum(0)[:, None]
        second[:, block.fits] += rows.square().sum(0)[:, None]
    variance = second / n - (first / n) ** 2
    return torch.where(variance > 1e-12, variance, 1.0).float()


class _Search:
    """The path over penalties, strongest first, and what it leaves behind at each."""

    def __init__(
        self,
        folds: Sequence[_Fold],
        classes: Sequence[str],
        mean: np.ndarray,
        scale: np.ndarray,
        penalties: Sequence[float],
    ) -> None:
        self.folds, self.classes, self.mean, self.scale = folds, classes, mean, scale
        self.penalties = sorted(penalties, reverse=True)
        n = len(folds)
        self.pairs = list(combinations(range(n), 2))
        self.rows_of = np.array([int(fold.train.sum()) for fold in folds])
        # inner[l, i, j]: loss on photograph j of the fit without i and j; outer[l, i]: on i of the fit without i.
        self.inner = np.zeros((len(self.penalties), n, n))
        self.outer = np.zeros((len(self.penalties), n))
        self.all: list[Solution] = []
        self.single: list[Solution] = []
        self._walk()

    def _walk(self) -> None:
        n, dims, k = len(self.folds), len(self.mean) + 1, len(self.classes)
        everyone = _Family(self.folds, [()])
        ones = _Family(self.folds, [(i,) for i in range(n)])
        twos = _Family(self.folds, self.pairs)
        first, second = torch.tensor(self.pairs).T
        all_, single, pair = torch.zeros(dims, 1, k), torch.zeros(dims, n, k), torch.zeros(dims, len(self.pairs), k)
        for step, penalty in enumerate(self.penalties):
            grams = self._grams(all_[:, 0])
            solved = everyone.minimize(all_, penalty, grams)
            # A photograph's influence is nearly the same at neighboring penalties, and that of two nearly adds up.
            solved_single = ones.minimize(single + (solved.V - all_), penalty, grams)
            moved = solved_single.V - single
            start = pair + moved[:, first] + moved[:, second] - (solved.V - all_)
            solved_pair = twos.minimize(start, penalty, grams)
            all_, single, pair = solved.V, solved_single.V, solved_pair.V
            self.all.append(solved)
            self.single.append(solved_single)
            for i, fold in enumerate(self.folds):
                self.outer[step, i] = fold.loss(single[:, i])
            for f, (i, j) in enumerate(self.pairs):
                self.inner[step, i, j] = self.folds[j].loss(pair[:, f])
                self.inner[step, j, i] = self.folds[i].loss(pair[:, f])
            losses = np.column_stack([self.inner.sum(2), self.outer.sum(1)])[: step + 1]
            if (losses.argmin(0) < step).all():
                break

    def _grams(self, V: Tensor) -> Tensor:
        """Each photograph's Gram matrix (n, D + 1, D + 1), its rows weighted by their curvature under ``V``."""
        rows = [fold.rows[fold.train] for fold in self.folds]
        total = self.rows_of.sum()
        return torch.stack([gram(r, curvature(r @ V, torch.ones(len(r))) * (len(r) / total)) for r in rows])

    def result(self, order: Sequence[np.ndarray], photographs: tuple[str, ...]) -> LeaveOneOut:
        probabilities = np.empty((sum(map(len, order)), len(self.classes)), np.float32)
        walked, facts = len(self.all), []
        for i, fold in enumerate(self.folds):
            rows = self.rows_of.sum() - self.rows_of[i]
            best, found = self._choose(self.inner[:walked, i].sum(1) / rows, self.single, i)
            probabilities[order[i]] = torch.softmax(fold.rows @ self.single[best].V[:, i], -1).numpy()
            facts.append(found)
        best, found = self._choose(self.outer[:walked].sum(1) / self.rows_of.sum(), self.all, 0)
        deployment = as_probe(self.classes, self.all[best].V[:, 0], self.mean, self.scale, found)
        return LeaveOneOut(probabilities, deployment, photographs, tuple(facts))

    def _choose(self, losses: np.ndarray, solutions: Sequence[Solution], fit: int) -> tuple[int, FitFacts]:
        best = int(np.argmin(losses))
        return best, FitFacts(
            penalty=self.penalties[best],
            at_edge=best in (0, len(self.penalties) - 1),
            converged=bool(solutions[best].converged[fit]),
            iterations=int(solutions[best].iterations[fit]),
            validation_loss=float(losses[best]),
            path=tuple(zip(self.penalties[: len(losses)], map(float, losses), strict=True)),
        )
