"""Centered kernel alignment (CKA): how similar two spaces of embeddings are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from probing_core.errors import BadArray
from probing_core.measures.base import Measure
from probing_core.measures.intervals import MIN_CLUSTERS_FOR_T, Interval, t_quantile


def cka(X: np.ndarray, Y: np.ndarray) -> float:
    """Return the debiased linear CKA of two embeddings of the same samples; 0 in the mean for unrelated ones.

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


@dataclass(frozen=True, eq=False)
class Space:
    """Embeddings as `cka_of` reads them; made once for all comparisons of a model.

    Attributes:
        X: (N, D), ordered by photograph.
        kernel: (N, N), its diagonal empty.
        starts: (C,) rows at which photographs begin.
        own: (C,) HSIC with itself, without each photograph in turn.
    """

    X: np.ndarray
    kernel: np.ndarray
    starts: np.ndarray
    own: np.ndarray


def space_of(X: np.ndarray, clusters: np.ndarray) -> Space:
    """Return the centered kernel of embeddings, and its parts without each cluster, for `cka_of`.

    Args:
        X: (N, D) embeddings; N x N matrices are made of them.
        clusters: (N,) base photographs.
    """
    order = np.argsort(clusters, kind="stable")
    _, starts = np.unique(np.asarray(clusters)[order], return_index=True)
    X = np.asarray(X, np.float64)[order]
    kernel = (X - X.mean(0)) @ (X - X.mean(0)).T
    np.fill_diagonal(kernel, 0)
    own = _hsic_without(kernel, kernel, starts) if len(starts) >= MIN_CLUSTERS_FOR_T else np.empty(0)
    return Space(X, kernel, starts, own)


def cka_of(a: Space, b: Space) -> Interval:
    """Return `cka` and its 95 % interval over base photographs, by leaving out one after another (Tukey's jackknife).

    Drawing photographs with replacement would not do: a picture that is there twice is a pair of equal ones in both
    spaces, which makes them more similar. The jackknife runs on Fisher's z = artanh(CKA), whose spread depends less on
    the value. With fewer than `MIN_CLUSTERS_FOR_T` photographs there is no interval.

    Args:
        a, b: of the same samples.
    """
    value, count = cka(a.X, b.X), len(a.starts)
    if count < MIN_CLUSTERS_FOR_T:
        return Interval(value, float("nan"), float("nan"), "none", count)
    if value > 1 - 1e-9:  # the same space
        return Interval(value, value, value, "jackknife", count)
    both = _hsic_without(a.kernel, b.kernel, a.starts)
    z = np.arctanh(np.clip(both / np.sqrt(a.own * b.own), -1 + 1e-9, 1 - 1e-9))
    half = t_quantile(count - 1) * np.sqrt((count - 1) / count * ((z - z.mean()) ** 2).sum())
    center = np.arctanh(np.clip(value, -1 + 1e-9, 1 - 1e-9))
    return Interval(value, float(np.tanh(center - half)), float(np.tanh(center + half)), "jackknife", count)


def _hsic_without(K: np.ndarray, L: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the unbiased HSIC (C,) of kernels with an empty diagonal, without each cluster in turn.

    Args:
        starts: (C,) where clusters, which are blocks of rows, begin.
    """
    n = len(K)
    cluster = np.searchsorted(starts, np.arange(n), side="right") - 1
    left = n - np.diff([*starts, n])
    own = np.arange(n), cluster

    def rest(A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the row sums (n, C) without each cluster's columns, and the whole sum (C,) without its rows as
        well."""
        rows = A.sum(1)[:, None] - np.add.reduceat(A, starts, axis=1)
        return rows, rows.sum(0) - np.bincount(cluster, rows[own])

    (k, all_k), (m, all_m) = rest(K), rest(L)
    both = k * m
    cross = both.sum(0) - np.bincount(cluster, both[own])
    trace = rest(K * L)[1]
    return (trace + all_k * all_m / ((left - 1) * (left - 2)) - 2 * cross / (left - 2)) / (left * (left - 3))


MEASURES = (
    Measure(
        name="cka",
        title="debiased CKA",
        unit="fraction",
        low=None,
        high=1.0,
        higher_is_better=None,
        definition="Similarity of two models' embeddings of the same images; 0 in the mean for unrelated ones.",
        formula="HSIC(X, Y) / √(HSIC(X, X) · HSIC(Y, Y)), HSIC unbiased, kernels linear",
        source="Kornblith et al. 2019; Song et al. 2012",
    ),
)
