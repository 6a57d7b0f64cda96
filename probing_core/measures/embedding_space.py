"""Effects of a transformation on the space of embeddings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from probing_core.errors import BadArray
from probing_core.measures.base import Measure, fraction
from probing_core.measures.nearest import unit

RIDGES = 10.0 ** np.arange(-4.0, 5.0)
"""Penalties of the equivariance map, relative to the mean eigenvalue of the Gram matrix."""


def shift(clean: np.ndarray, transformed: np.ndarray) -> np.ndarray:
    """Return how far each embedding moves (N,): 1 - cos(z, z'), over the mean of 1 - cos between different images.

    1 means: as far as another picture. Always normalized, since spaces differ in how much their cosines vary.

    Args:
        clean, transformed: (N, D) embeddings of the same images.

    Raises:
        BadArray: shapes differ, or fewer than two images.
    """
    _check_pairs(clean, transformed)
    z, moved = unit(clean), unit(transformed)
    n = len(z)
    between = 1 - ((z.sum(0) ** 2).sum() - n) / (n * (n - 1))
    return (1 - (z * moved).sum(1)) / between


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Quality of the prediction of z' from z, for each image held out, (M,) each.

    Over many images, ``1 - error.sum() / total.sum()`` is the R2 of a prediction.

    Attributes:
        total: squared distance of z' from the mean z' of the training images.
        identity, offset, ridge: squared error of z' predicted as z, as z plus the mean offset, as W z + b.
        reciprocal_rank: 1 / rank of the right z' by the cosine to W z + b.
    """

    total: np.ndarray
    identity: np.ndarray
    offset: np.ndarray
    ridge: np.ndarray
    reciprocal_rank: np.ndarray


def held_out(clean: np.ndarray, transformed: np.ndarray, train: np.ndarray, basis: RidgeBasis | None = None) -> HeldOut:
    """Measure how linearly a transformation acts (after Bhardwaj et al. 2023, arXiv 2302.11349), image by image.

    The ridge penalty minimizes generalized cross-validation (Golub, Heath & Wahba 1979) on the training images.

    Args:
        clean, transformed: (N, D) embeddings of the same images.
        train: (N,) bool; the others are held out.
        basis: `ridge_basis` of the clean training images, where several transformations share them.

    Raises:
        BadArray: shapes differ, or fewer than two images on either side.
    """
    _check_pairs(clean, transformed)
    train = np.asarray(train, bool)
    if train.sum() < 2 or (~train).sum() < 2:
        raise BadArray(
            f"Equivariance needs two images to learn from and two held out at least, but got {train.sum()} and "
            f"{(~train).sum()}; give more."
        )
    X, Y = np.asarray(clean[train], np.float64), np.asarray(transformed[train], np.float64)
    Xt, Yt = np.asarray(clean[~train], np.float64), np.asarray(transformed[~train], np.float64)

    def error(predicted: np.ndarray) -> np.ndarray:
        return ((Yt - predicted) ** 2).sum(1)

    # A transformation is a change: the ridge map learns z' - z, so that a strong penalty leaves the offset.
    mapped = Xt + _ridge(basis or ridge_basis(X), Y - X, Xt)
    similarity = unit(mapped) @ unit(Yt).T
    rank = 1 + (similarity > np.diag(similarity)[:, None]).sum(1)
    return HeldOut(error(Y.mean(0)), error(Xt), error(Xt + (Y - X).mean(0)), error(mapped), 1 / rank)


def principal_axes(X: np.ndarray, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean (D,) and the leading axes (D, d) of training embeddings ``X`` (N, D), for accuracy against
    dimension.

    Axes are signed so that their largest entry is positive.
    """
    if not 1 <= dimensions <= X.shape[1]:
        raise BadArray(f"Dimensions must lie between 1 and {X.shape[1]}, but {dimensions} were asked for.")
    X = np.asarray(X, np.float64)
    mean = X.mean(0)
    _, axes = np.linalg.eigh((X - mean).T @ (X - mean))
    axes = axes[:, ::-1][:, :dimensions]
    return mean, axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(dimensions)])


@dataclass(frozen=True, eq=False)
class RidgeBasis:
    """The singular value decomposition of centered embeddings, ``X - mean = U diag(s) Vt``."""

    mean: np.ndarray
    U: np.ndarray
    s: np.ndarray
    Vt: np.ndarray


def ridge_basis(X: np.ndarray) -> RidgeBasis:
    X = np.asarray(X, np.float64)
    return RidgeBasis(X.mean(0), *np.linalg.svd(X - X.mean(0), full_matrices=False))


def _ridge(basis: RidgeBasis, Y: np.ndarray, Xt: np.ndarray) -> np.ndarray:
    """Predict targets for ``Xt`` by ridge regression with an intercept."""
    s = basis.s
    UY = basis.U.T @ (Y - Y.mean(0))
    rest = ((Y - Y.mean(0)) ** 2).sum() - (UY**2).sum()
    best, shrunk = np.inf, None
    for penalty in RIDGES * (s**2).mean():
        shrink = s**2 / (s**2 + penalty)
        error = rest + (((1 - shrink)[:, None] * UY) ** 2).sum()
        free = 1 - (shrink.sum() + 1) / len(Y)
        if free > 1e-6 and error / free**2 < best:
            best, shrunk = error / free**2, s / (s**2 + penalty)
    return Y.mean(0) + ((Xt - basis.mean) @ basis.Vt.T * shrunk) @ UY


def _check_pairs(clean: np.ndarray, transformed: np.ndarray) -> None:
    if clean.shape != transformed.shape or clean.ndim != 2 or len(clean) < 2:
        raise BadArray(
            f"Untouched and transformed embeddings must pair up, (N, D) each with N of at least 2, but they are "
            f"{clean.shape} and {transformed.shape}."
        )


MEASURES = (
    Measure(
        name="shift",
        title="shift",
        unit="of the distance between images",
        low=0.0,
        high=None,
        higher_is_better=None,
        definition="Cosine distance from untouched to transformed embedding, over the mean distance between images.",
        formula="(1 − cos(zᵢ, zᵢ′)) / mean over i ≠ j of (1 − cos(zᵢ, zⱼ)), averaged over images",
        source="protocol",
    ),
    Measure(
        name="equivariance-identity",
        title="R2 of staying put",
        unit="fraction",
        low=None,
        high=1.0,
        higher_is_better=None,
        definition="Held-out variance of transformed embeddings that the untouched ones explain as they are.",
        formula="1 − Σ ‖z′ − z‖² / Σ ‖z′ − m‖², m the mean z′ of the training images",
        source="after Bhardwaj et al., arXiv 2302.11349",
    ),
    Measure(
        name="equivariance-offset",
        title="R2 of a shift",
        unit="fraction",
        low=None,
        high=1.0,
        higher_is_better=None,
        definition="Held-out variance of transformed embeddings that the untouched ones plus one offset explain.",
        formula="1 − Σ ‖z′ − (z + b)‖² / Σ ‖z′ − m‖²",
        source="after Bhardwaj et al., arXiv 2302.11349",
    ),
    Measure(
        name="equivariance-ridge",
        title="R2 of a linear map",
        unit="fraction",
        low=None,
        high=1.0,
        higher_is_better=None,
        definition="Held-out variance of transformed embeddings that a ridge map of the untouched ones explains.",
        formula="1 − Σ ‖z′ − (W z + b)‖² / Σ ‖z′ − m‖²",
        source="after Bhardwaj et al., arXiv 2302.11349",
    ),
    fraction(
        name="equivariance-rank",
        title="reciprocal rank",
        higher_is_better=True,
        definition="Mean of 1 / rank of an image's own transformed embedding among those nearest to its predicted one.",
        formula="mean of 1 / rank of z′ᵢ among all z′, by the cosine to W zᵢ + b",
        source="after Bhardwaj et al., arXiv 2302.11349",
    ),
)
