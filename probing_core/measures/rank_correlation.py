"""Rank correlations of several measures over points that come in clusters, with intervals over the clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from probing_core.errors import BadArray
from probing_core.measures.intervals import MIN_CLUSTERS_FOR_T, RESAMPLES

MIN_CLUSTERS = MIN_CLUSTERS_FOR_T
"""With fewer clusters than this no interval is given."""


@dataclass(frozen=True, eq=False)
class RankCorrelations:
    """Spearman's correlations between M measures.

    Attributes:
        value: (M, M) over all points.
        low, high: (M, M) ends of the 95 % intervals; NaN with fewer than `MIN_CLUSTERS` clusters.
        points, clusters: how many of each they rest on.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    points: int
    clusters: int


def rank_correlations(
    values: np.ndarray, clusters: np.ndarray, draws: int = RESAMPLES, seed: int = 0
) -> RankCorrelations:
    """Return Spearman's correlation of every two columns, with percentile bootstrap intervals over clusters.

    Points of one cluster are drawn, or left out, together (Davison & Hinkley 1997, section 3.8, strategy 1): they are
    not independent. Ties have their mean rank.

    Args:
        values: (N, M) measures of N points.
        clusters: (N,) names of their clusters.
        draws: resamples of clusters.
        seed: of the draws.

    Raises:
        BadArray: shapes do not fit, or a value is not finite.
    """
    values, clusters = np.asarray(values, float), np.asarray(clusters)
    if values.ndim != 2 or clusters.shape != values.shape[:1] or not len(values) or not np.isfinite(values).all():
        raise BadArray(
            f"Correlations need finite values (N, M) of one point or more, and N names of clusters; got {values.shape} "
            f"and {clusters.shape}, {np.isfinite(values).sum()} of {values.size} values finite."
        )
    names, of = np.unique(clusters, return_inverse=True)
    found = _weighted(values, np.ones((len(values), 1)))[..., 0]
    low = high = np.full(found.shape, np.nan)
    if len(names) >= MIN_CLUSTERS:
        chances = np.full(len(names), 1 / len(names))
        counts = np.random.default_rng(seed).multinomial(len(names), chances, draws)
        drawn = _weighted(values, counts[:, of].T)
        # A draw whose points are all alike in a measure says nothing.
        low, high = np.quantile(np.where(np.isnan(drawn), found[..., None], drawn), [0.025, 0.975], axis=-1)
    return RankCorrelations(found, low, high, len(values), len(names))


def _weighted(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the correlations (M, M, B) of points that are there several times, or not at all: ``weights`` (N, B)."""
    weights = weights.astype(float)
    ranks = np.stack([((x[:, None] > x) + (x[:, None] == x) / 2) @ weights for x in values.T])  # (M, N, B), less 1/2
    ranks -= (weights * ranks).sum(1, keepdims=True) / weights.sum(0)
    products = np.einsum("inb,jnb->ijb", weights * ranks, ranks)
    spread = np.sqrt(np.einsum("iib->ib", products))
    both = spread[:, None] * spread[None]
    return np.where(both > 1e-9, products / np.where(both > 1e-9, both, 1), np.nan)
