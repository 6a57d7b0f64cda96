"""Readings of embeddings: by everything, and by what was done to a picture; and what neighbors share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from probing_core.compute.lazy_rows import LazyRows
from probing_core.compute.names import EVERYTHING
from probing_core.measures.neighbors import nearest, unit

BLOCK = 8192
"""Rows in memory at once while means are taken."""


@dataclass(frozen=True, eq=False)
class Residuals:
    """Rows (N, D) less the mean of their image, read where they are asked for.

    Attributes:
        X: (N, D) rows.
        codes: (N,) image of each, from 0.
        means: (K, D) ``float32``.
    """

    X: LazyRows
    codes: np.ndarray
    means: np.ndarray

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, key: slice | np.ndarray) -> np.ndarray:
        return self.X[key] - self.means[self.codes[key]]

    def at(self, rows: np.ndarray) -> Residuals:
        """Return the rows at these positions, still to be read."""
        return Residuals(self.X.at(rows), self.codes[rows], self.means)


def read_as(X: LazyRows, samples: pd.DataFrame, reading: str) -> LazyRows | Residuals:
    """Return embeddings in one of the `READINGS`.

    `DONE` takes the mean of its versions off each image, which leaves what was done to it; `EVERYTHING` leaves all. An
    image's mean is over the transformations that all images have, since a few images have more.

    Args:
        X: (N, D) embeddings.
        samples: their columns ``image_id`` and ``transform``.
    """
    if reading == EVERYTHING:
        return X
    codes, _ = pd.factorize(samples["image_id"])
    images = samples.groupby("transform", observed=True)["image_id"].nunique()
    counted = samples["transform"].isin(images.index[images == images.max()]).to_numpy()
    return Residuals(X, codes, class_means(X, codes, counted))


def class_means(X: LazyRows | np.ndarray, codes: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Return the mean of the rows of each class that are ``counted``, (K, D) ``float32``; rows are read by blocks.

    Args:
        X: (N, D) rows.
        codes: (N,) class of each, from 0.
        counted: (N,) bool.
    """
    sums = np.zeros((codes.max() + 1, X.shape[1]))
    for start in range(0, len(codes), BLOCK):
        part = slice(start, start + BLOCK)
        mine = codes[part][counted[part]]
        order = np.argsort(mine, kind="stable")
        classes, starts = np.unique(mine[order], return_index=True)
        if len(classes):
            sums[classes] += np.add.reduceat(X[part][counted[part]][order].astype(np.float64), starts, axis=0)
    counts = np.bincount(codes[counted], minlength=len(sums))
    return (sums / np.maximum(counts, 1)[:, None]).astype(np.float32)


def nearest_embeddings(X: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    """Return the ``k`` rows of ``X`` (N, D) nearest to each of ``queries`` (Q,), positions of rows: (Q, k).

    By the cosine after the mean is taken off, as maps are drawn; without the row itself.
    """
    rows = unit(X - X.mean(axis=0), np.float32)
    return _without_own(nearest(rows, rows[queries], k + 1)[0], queries)


def nearest_points(points: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    """Return the ``k`` points of a map (N, 2) nearest to each of ``queries`` (Q,), positions of points: (Q, k)."""
    _, found = cKDTree(points).query(points[queries], min(k + 1, len(points)))
    return _without_own(found, queries)


def _without_own(indices: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Return (Q, k) of ``indices`` (Q, k + 1), without the query itself or, where duplicates hide it, the last."""
    order = np.argsort(indices == queries[:, None], axis=1, kind="stable")
    return np.take_along_axis(indices, order, axis=1)[:, :-1]


def shares_among(near: np.ndarray, queries: np.ndarray, labels: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return for each of ``labels``, name -> (N,), the share of neighbors that have the label of their query.

    Args:
        near: (Q, k) positions of neighbors.
        queries: (Q,) positions.
    """
    return {name: float((of[near] == of[queries][:, None]).mean()) for name, of in labels.items()}
