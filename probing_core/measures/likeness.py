"""How alike two spaces of embeddings are."""

from __future__ import annotations

import numpy as np

from probing_core.errors import BadArray
from probing_core.measures.intervals import FEWEST_FOR_T, Interval


def cka(X: np.ndarray, Y: np.ndarray) -> float:
    """Debiased linear CKA of two embeddings of the same samples; 0 in the mean for unrelated ones.

    Kornblith et al. (2019) with the unbiased HSIC of Song et al. (2012), in features: nothing of size N x N is made.

    Args:
        X, Y: (N, D1) and (N, D2); N of at least 4, better 2,000 and more.
    """
    if len(X) != len(Y) or len(X) < 4:
        raise BadArray(f"CKA needs the same samples in both, at least 4, but got {len(X)} and {len(Y)}.")
    X, Y = (np.asarray(A, np.float64) - np.asarray(A, np.float64).mean(0) for A in (X, Y))
    return float(_hsic(X, Y) / np.sqrt(_hsic(X, X) * _hsic(Y, Y)))


def _hsic(X: np.ndarray, Y: np.ndarray) -> float:
    n = len(X)
    x2, y2 = (X**2).sum(1), (Y**2).sum(1)
    # Row sums of the kernels with an empty diagonal.
    k, m = X @ X.sum(0) - x2, Y @ Y.sum(0) - y2
    trace = ((X.T @ Y) ** 2).sum() - x2 @ y2
    return float((trace + k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 * (k @ m) / (n - 2)) / (n * (n - 3)))


def cka_interval(X: np.ndarray, Y: np.ndarray, clusters: np.ndarray) -> Interval:
    """`cka` and its 95 % interval over base photographs, by leaving out one after another (Tukey's jackknife).

    Drawing photographs with replacement would not do: a picture that is there twice is a pair of equal ones in both
    spaces, which makes them more alike. The jackknife runs on Fisher's z = artanh(CKA), whose spread depends less on
    the value. With fewer than `FEWEST_FOR_T` photographs there is no interval.

    Args:
        X, Y: as in `cka`; N x N matrices are made here.
        clusters: (N,) base photographs.
    """
    value, count = cka(X, Y), len(np.unique(clusters))
    if count < FEWEST_FOR_T:
        return Interval(value, float("nan"), float("nan"), "none", count)
    if value > 1 - 1e-9:  # the same space
        return Interval(value, value, value, "jackknife", count)
    from scipy.stats import t

    order = np.argsort(clusters, kind="stable")
    _, starts = np.unique(np.asarray(clusters)[order], return_index=True)
    K, L = (_kernel(np.asarray(A, np.float64)[order]) for A in (X, Y))
    xy, xx, yy = (_hsic_without(A, B, starts) for A, B in ((K, L), (K, K), (L, L)))
    z = np.arctanh(np.clip(xy / np.sqrt(xx * yy), -1 + 1e-9, 1 - 1e-9))
    half = t.ppf(0.975, count - 1) * np.sqrt((count - 1) / count * ((z - z.mean()) ** 2).sum())
    center = np.arctanh(np.clip(value, -1 + 1e-9, 1 - 1e-9))
    return Interval(value, float(np.tanh(center - half)), float(np.tanh(center + half)), "jackknife", count)


def _kernel(X: np.ndarray) -> np.ndarray:
    X = X - X.mean(0)
    kernel = X @ X.T
    np.fill_diagonal(kernel, 0)
    return kernel


def _hsic_without(K: np.ndarray, L: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """(C,) the unbiased HSIC of kernels with an empty diagonal, without each cluster in turn.

    Args:
        starts: (C,) where clusters, which are blocks of rows, begin.
    """
    n = len(K)
    cluster = np.searchsorted(starts, np.arange(n), side="right") - 1
    left = n - np.diff([*starts, n])
    own = np.arange(n), cluster

    def rest(A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, C) row sums without each cluster's columns, and (C,) the whole sum without its rows as well."""
        rows = A.sum(1)[:, None] - np.add.reduceat(A, starts, axis=1)
        return rows, rows.sum(0) - np.bincount(cluster, rows[own])

    (k, all_k), (m, all_m) = rest(K), rest(L)
    both = k * m
    cross = both.sum(0) - np.bincount(cluster, both[own])
    trace = rest(K * L)[1]
    return (trace + all_k * all_m / ((left - 1) * (left - 2)) - 2 * cross / (left - 2)) / (left * (left - 3))
