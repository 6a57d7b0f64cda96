"""Effects of transformations on embeddings: shift and variance components."""

from __future__ import annotations

import numpy as np

from probing_core.errors import BadArray
from probing_core.measures.measure import Measure, fraction
from probing_core.measures.neighbors import unit
from probing_core.measures.statistics import MIN_CLUSTERS_FOR_T, NO_SPREAD, Interval, t_quantile

SAME_DIRECTION = 1e-12
"""Mean cosine distance up to which embeddings have the same direction. Smaller distances are rounding errors."""


def shift(clean: np.ndarray, transformed: np.ndarray) -> np.ndarray:
    """Compute embedding shifts (N,): cosine distances relative to the mean cosine distance between images.

    A shift of 1 is the mean distance between different images. The normalization is required because the scale of
    cosine distances differs between embedding spaces.

    Embeddings are compared in double precision, and hashes with their values 0 and 1. In contrast, nearest-neighbor and
    duplicate searches use `directions`: single precision for speed, and the values -1 and 1 for hashes, so that images
    are ordered by Hamming distance.

    Args:
        clean, transformed: (N, D) embeddings of the same images, before and after the transformation.

    Returns:
        Shifts (N,). They are NaN if all clean embeddings have the same direction, because there is no distance between
        images to compare with.

    Raises:
        BadArray: shapes differ, or there are fewer than two images.
    """
    if clean.shape != transformed.shape or clean.ndim != 2 or len(clean) < 2:
        raise BadArray(
            f"Clean and transformed embeddings must have the same shape (N, D) with N of at least 2, but got "
            f"{clean.shape} and {transformed.shape}."
        )
    z, moved = unit(clean), unit(transformed)
    n = len(z)
    between = 1 - ((z.sum(0) ** 2).sum() - np.count_nonzero(z.any(1))) / (n * (n - 1))
    if between <= SAME_DIRECTION:
        return np.full(n, np.nan)
    return (1 - (z * moved).sum(1)) / between


VARIANCE_PARTS = ("content", "look", "both", "rest")

MIN_VARIANCE_PHOTOGRAPHS = 3
"""Minimum number of photographs for variance components: the jackknife omits one, and a variance requires two."""


MIN_VARIANCE = 1e-12
"""Variance, relative to the mean squared norm of the embeddings, up to which it is a rounding error."""


def variance_parts(X: np.ndarray) -> dict[str, Interval]:
    """Estimate variance components as fractions of their sum, with confidence intervals over photographs.

    The method is a two-way analysis of variance with random effects: photographs (content), transformations
    (appearance), their interaction (both), and repetitions (rest). Mean squares, summed over dimensions, are equated
    to their expectations (Searle, Casella & McCulloch 1992, section 4.3). Negative components are set to 0. With one
    repetition, interaction and repetitions cannot be separated, and ``rest`` is their sum.

    Intervals are computed by a jackknife over photographs (Tukey), which requires at least 6 photographs. A bootstrap
    would be biased, because a photograph that is drawn twice adds no variance.

    Without variance, all fractions are NaN. A fraction that is the same without any single photograph has no interval.

    Args:
        X: (P, T, R, D) embeddings of P photographs under T transformations, R times each.

    Raises:
        BadArray: there are fewer than three photographs or fewer than two transformations.
    """
    if X.ndim != 4 or X.shape[0] < MIN_VARIANCE_PHOTOGRAPHS or X.shape[1] < 2:
        raise BadArray(
            f"Variance components require an array (photographs, transformations, repetitions, dimensions) with at "
            f"least three photographs and two transformations, but got {X.shape}."
        )
    count, repetitions = X.shape[0], X.shape[2]
    full, *jackknifed = _components(X, np.concatenate([np.ones((1, count)), 1 - np.eye(count)]))
    positive = np.maximum(full, 0)
    if positive.sum() <= MIN_VARIANCE * np.mean(np.square(X, dtype=np.float64)) * X.shape[-1]:
        positive = np.full(len(full), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.array(jackknifed) / np.sum(jackknifed, axis=1, keepdims=True)
    half = t_quantile(count - 1) * np.sqrt((count - 1) / count * ((shares - shares.mean(0)) ** 2).sum(0))
    parts = {}
    for part, value, reach in zip(VARIANCE_PARTS, positive / positive.sum(), half, strict=True):
        has_interval = count >= MIN_CLUSTERS_FOR_T and np.isfinite(value) and NO_SPREAD < reach < np.inf
        method = "jackknife" if has_interval else "none"
        low, high = (max(0.0, value - reach), min(1.0, value + reach)) if has_interval else (np.nan, np.nan)
        if repetitions > 1 or part != "both":
            parts[part] = Interval(float(value), float(low), float(high), method, count)
    return parts


def _components(X: np.ndarray, selected: np.ndarray) -> np.ndarray:
    """Estimate variance components (B, 4), possibly negative, for each of B subsets of photographs.

    ``selected`` (B, P) is 1 for the photographs in a subset and 0 for all others.
    """
    P, T, R, _ = X.shape
    X = X - X.mean((0, 1, 2), dtype=np.float64).astype(X.dtype)
    cells = X.mean(2, dtype=np.float64)
    photographs = cells.mean(1)
    # Squared means over selected photographs are quadratic forms of the selection.
    grand = photographs @ photographs.T
    by_appearance = cells.reshape(P, -1) @ cells.reshape(P, -1).T
    squares = np.stack(
        [np.diag(grand), np.diag(by_appearance), np.einsum("ptrd,ptrd->p", X, X, dtype=np.float64)], axis=1
    )
    count = selected.sum(1)
    mean = ((selected @ grand) * selected).sum(1) / count**2
    appearances = ((selected @ by_appearance) * selected).sum(1) / count**2
    of_photographs, of_cells, of_samples = (selected @ squares).T
    content = R * T * (of_photographs - count * mean)
    appearance = R * count * (appearances - T * mean)
    interaction = R * (of_cells - count * T * mean) - content - appearance
    residual = of_samples - R * of_cells
    ms_interaction = interaction / ((count - 1) * (T - 1))
    ms_residual = residual / (count * T * (R - 1)) if R > 1 else 0 * residual
    components = (
        (content / (count - 1) - ms_interaction) / (R * T),
        (appearance / (T - 1) - ms_interaction) / (R * count),
        (ms_interaction - ms_residual) / R if R > 1 else 0 * interaction,
        ms_residual if R > 1 else ms_interaction,
    )
    return np.stack(components, axis=1)


MEASURES = (
    Measure(
        name="shift",
        title="embedding shift",
        unit="mean distances between two photographs",
        low=0.0,
        high=None,
        higher_is_better=None,
        definition="Cosine distance between the clean and the transformed embedding, divided by the mean distance "
        "between two photographs.",
        formula="(1 − cos(zᵢ, zᵢ′)) / mean over i ≠ j of (1 − cos(zᵢ, zⱼ)), averaged over images",
        source="protocol",
    ),
    fraction(
        name="variance-share",
        title="fraction of variance",
        higher_is_better=None,
        definition="Fraction of the embedding variance explained by content, appearance, their interaction or the "
        "residual.",
        formula="σ²(part) / Σ σ², components of a two-way analysis of variance with random effects",
        source="Searle, Casella & McCulloch 1992",
    ),
)
