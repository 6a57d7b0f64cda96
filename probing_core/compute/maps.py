"""UMAP coordinates of samples in two projections, and the nearest samples from other photographs.

UMAP is computed for up to about `LANDMARKS` samples (landmarks). In larger runs, `place_others` places each remaining
sample between its nearest landmarks. ``python -m lab.evidence.landmarks`` measures the effect on neighborhoods. The
search for nearest samples is also limited to about `LANDMARKS` samples.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from probing_core.compute.lazy_rows import LazyRows
from probing_core.compute.task_names import ALL_REPETITIONS, BY_EMBEDDING, NEAR
from probing_core.compute.training.model_samples import whole_images
from probing_core.measures.neighbors import between, nearest, unit

MAP_NEIGHBORS = 15
"""Number of nearest neighbors that determine the position of a sample on a map."""

LANDMARKS = 50_000
"""Approximate maximum number of samples for UMAP. The samples of an image are either all included or all excluded."""

POSITION_STEP = np.float32(1 / 1024)
"""Rounding step of map positions. It is smaller than a pixel on any screen. Rounding halves the file size."""

MAP_ROWS = 8192
"""Maximum number of embeddings in memory at a time, in addition to the landmarks."""


@dataclass(frozen=True, eq=False)
class Residuals:
    """Embeddings (N, D) minus the mean embedding of their image, computed on access.

    Attributes:
        X: (N, D) embeddings.
        codes: (N,) index of the image of each row.
        means: (K, D) ``float32`` mean embedding of each image.
    """

    X: LazyRows
    codes: np.ndarray
    means: np.ndarray

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, key: slice | np.ndarray) -> np.ndarray:
        return self.X[key] - self.means[self.codes[key]]

    def at(self, rows: np.ndarray) -> Residuals:
        """Select the rows at the positions ``rows`` without reading them."""
        return Residuals(self.X.at(rows), self.codes[rows], self.means)


def read_as(X: LazyRows, samples: pd.DataFrame, reading: str) -> LazyRows | Residuals:
    """Apply one of the `PROJECTIONS` to embeddings.

    `BY_TRANSFORMATION` subtracts the mean embedding of each image, so that the effects of transformations remain. The
    mean is over the transformations that all images have, because some images have additional transformations.
    `BY_EMBEDDING` returns ``X`` unchanged.

    Args:
        X: (N, D) embeddings.
        samples: columns ``image_id`` and ``transform``, N rows.
        reading: name of the projection.

    Returns:
        (N, D) projected embeddings.
    """
    if reading == BY_EMBEDDING:
        return X
    codes, _ = pd.factorize(samples["image_id"])
    images = samples.groupby("transform", observed=True)["image_id"].nunique()
    counted = samples["transform"].isin(images.index[images == images.max()]).to_numpy()
    return Residuals(X, codes, _class_means(X, codes, counted))


def _class_means(X: LazyRows, codes: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Compute the mean embedding of each class over the rows in the mask ``counted`` (N,): (K, D) ``float32``."""
    sums = np.zeros((codes.max() + 1, X.shape[1]))
    for start in range(0, len(codes), MAP_ROWS):
        part = slice(start, start + MAP_ROWS)
        part_codes = codes[part][counted[part]]
        order = np.argsort(part_codes, kind="stable")
        classes, starts = np.unique(part_codes[order], return_index=True)
        if len(classes):
            sums[classes] += np.add.reduceat(X[part][counted[part]][order].astype(np.float64), starts, axis=0)
    counts = np.bincount(codes[counted], minlength=len(sums))
    return (sums / np.maximum(counts, 1)[:, None]).astype(np.float32)


def map_table(X: LazyRows | Residuals, samples: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Compute the positions of samples on a map.

    Args:
        X: (N, D) projected embeddings (`read_as`).
        samples: columns ``sample`` and ``image_id``, N rows.
        seed: random seed for UMAP.

    Returns:
        Table with the columns ``sample``, ``x`` and ``y``.
    """
    landmarks = whole_images(samples["image_id"].to_numpy(), LANDMARKS)
    points = umap_points(X[landmarks], seed)
    if len(landmarks) < len(samples):
        points = place_others(X, landmarks, points)
    points = np.round(points / POSITION_STEP) * POSITION_STEP
    return samples[["sample"]].assign(x=points[:, 0], y=points[:, 1])


def neighbor_table(X: LazyRows | Residuals, samples: pd.DataFrame) -> pd.DataFrame:
    """Find the samples from other photographs that are nearest to each sample.

    Samples are compared by cosine similarity after the mean is subtracted, as on maps. The search is exact for up to
    `LANDMARKS` samples. With more samples, the search is limited to a subset of images with about this many samples. In
    runs with several repetitions, samples of the first repetition have a second row with the nearest samples from the
    first repetition.

    Args:
        X: (N, D) projected embeddings (`read_as`).
        samples: columns ``sample``, ``image_id``, ``base_id`` and ``repetition``.

    Returns:
        Table with the columns ``sample``, ``among`` (`ALL_REPETITIONS`, or 0 for neighbors from the first repetition)
        and `NEAR` (row positions from 0 to N - 1, or the maximum of the integer type if there is no neighbor).
    """
    tables = [_nearest_of_others(X, samples, np.arange(len(samples))).assign(among=np.int8(ALL_REPETITIONS))]
    first = np.flatnonzero(samples["repetition"] == 0)
    if len(first) < len(samples):
        tables.append(_nearest_of_others(X, samples, first).assign(among=np.int8(0)))
    return pd.concat(tables, ignore_index=True)[["sample", "among", *NEAR]]


def _nearest_of_others(X: LazyRows | Residuals, samples: pd.DataFrame, rows: np.ndarray) -> pd.DataFrame:
    photographs = pd.factorize(samples["base_id"])[0]
    among = rows[whole_images(samples["image_id"].to_numpy()[rows], LANDMARKS)]
    gallery = X[among]
    mean = gallery.mean(axis=0)
    gallery = unit(gallery - mean, np.float32)
    dtype = np.uint16 if len(samples) <= np.iinfo(np.uint16).max else np.uint32
    neighbors = np.full((len(rows), len(NEAR)), np.iinfo(dtype).max, dtype)
    for start in range(0, len(rows), MAP_ROWS):
        part = rows[start : start + MAP_ROWS]
        groups = photographs[among], photographs[part]
        indices, cosines = nearest(gallery, unit(X[part] - mean, np.float32), len(NEAR), groups=groups)
        neighbors[start : start + len(part), : indices.shape[1]] = np.where(
            np.isfinite(cosines), among[indices], np.iinfo(dtype).max
        )
    return pd.DataFrame({"sample": samples["sample"].to_numpy()[rows], **dict(zip(NEAR, neighbors.T, strict=True))})


def place_others(
    embeddings: LazyRows | Residuals | np.ndarray, landmarks: np.ndarray, points: np.ndarray
) -> np.ndarray:
    """Extend a map from landmarks to all samples.

    Each remaining sample is placed at the weighted mean position of its nearest landmarks.

    Args:
        embeddings: (N, D) embeddings of all samples.
        landmarks: (L,) row numbers of the landmarks.
        points: (L, 2) positions of the landmarks.

    Returns:
        (N, 2) ``float32`` positions of all samples.
    """
    gallery = embeddings[landmarks]
    mean = gallery.mean(axis=0)
    gallery = unit(gallery - mean, np.float32)
    placed = np.empty((len(embeddings), 2), np.float32)
    placed[landmarks] = points
    remaining = np.setdiff1d(np.arange(len(embeddings)), landmarks)
    for start in range(0, len(remaining), MAP_ROWS):
        rows = remaining[start : start + MAP_ROWS]
        indices, cosines = nearest(gallery, unit(embeddings[rows] - mean, np.float32), MAP_NEIGHBORS)
        placed[rows] = between(points[indices], cosines)
    return placed


def umap_points(embeddings: np.ndarray, seed: int) -> np.ndarray:
    """Compute UMAP coordinates from cosine distances between centered embeddings (McInnes et al. 2018).

    Neighbors are exact, and the map is initialized with the first two principal components (Kobak & Linderman 2021).
    The same seed therefore always gives the same map, and similar data give similar maps.

    Returns:
        (N, 2) ``float32`` coordinates.
    """
    import umap

    # UMAP warns that new points cannot be placed with precomputed neighbors. `place_others` places them instead.
    warnings.filterwarnings("ignore", "precomputed_knn", module="umap")
    centered = (embeddings - embeddings.mean(axis=0)).astype(np.float32)
    neighbors = min(MAP_NEIGHBORS, len(embeddings) - 1)
    rows = unit(centered, np.float32)
    indices, cosines = nearest(rows, rows, neighbors, self_first=True)
    _, vectors = np.linalg.eigh(np.cov(centered.T))
    # The sign of an eigenvector is arbitrary. It is fixed so that a different library build does not mirror the map.
    axes = vectors[:, :-3:-1] * np.sign(vectors[np.abs(vectors[:, :-3:-1]).argmax(0), [-1, -2]])
    start = centered @ axes.astype(np.float32)
    start = 10 * start / np.maximum(np.abs(start).max(), 1e-12)
    reducer = umap.UMAP(
        n_neighbors=neighbors,
        metric="cosine",
        init=start.astype(np.float32),
        random_state=seed,
        n_jobs=1,
        precomputed_knn=(indices.astype(np.int32), 1 - cosines, None),
    )
    _compile_once()
    return reducer.fit_transform(centered).astype(np.float32)


@cache  # once per process
def _compile_once() -> None:
    """Enable caching of the compiled functions of UMAP. Otherwise, Numba would compile them in every process."""
    from umap import umap_

    for name in ("smooth_knn_dist", "compute_membership_strengths"):
        with suppress(AttributeError):  # a different version of UMAP, or Numba without a compiler
            getattr(umap_, name).enable_caching()
