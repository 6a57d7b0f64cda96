"""Novelty: how far an embedding lies from those that a probe has learned from.

Embeddings are brought to length 1. Within the principal axes of what was learned it is the Mahalanobis distance from
the nearest class mean that counts (Lee et al. 2018); outside of them, how much is left (after Wang et al. 2022, ViM):
few photographs choose their own axes, and along those unrelated pictures look ordinary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from probing_core.compute.lazy_rows import BLOCK, LazyRows
from probing_core.errors import BadArray
from probing_core.measures.nearest import unit
from probing_core.measures.outlier_scores import Mahalanobis, fit_mahalanobis, quantile
from probing_core.probes import array_file

AXES = 64
MAX_NUMBERS = 200_000
"""Of the whitening: wide embeddings keep fewer axes, so that the file stays below 1 MB."""

HELD_OUT_BEYOND = 0.01
"""Share of the held-out photographs that lie beyond the threshold."""

MIN_RESIDUAL = 1e-9
"""Share of an embedding outside of the axes, below which they are taken to hold all of it."""


@dataclass(frozen=True, eq=False)
class Novelty:
    """Distances from all that a probe learned from; NumPy alone.

    Attributes:
        within: class means in a shared covariance, on r axes.
        unwhitening: (r, r); whitened coordinates times it are those on orthonormal axes, which have lengths
            (``upright`` in the file).
        residual: mean square of what is left of a learned embedding outside of the axes; 0 if they hold everything
            (``rest`` in the file).
        threshold: of `score`.
    """

    within: Mahalanobis
    unwhitening: np.ndarray
    residual: float
    threshold: float = np.inf

    def score(self, X: np.ndarray) -> np.ndarray:
        """Return scores (N,) of embeddings ``X`` (N, D); about 2 is usual, 1 where nothing is outside of the axes.

        Raises:
            BadArray: the embeddings have another dimension.
        """
        X = np.asarray(X)
        dims = self.within.center.size
        if X.ndim != 2 or X.shape[1] != dims:
            raise BadArray(
                f"Novelty was fitted on embeddings of {dims} dimensions and takes an array (N, {dims}), but got "
                f"{X.shape}; embed with the same model and options."
            )
        score = self.within.score(unit(X))
        return score if self.residual == 0 else score + _outside(X, self.within, self.unwhitening) / self.residual

    def distance(self, X: np.ndarray) -> np.ndarray:
        """Return (N,) of embeddings ``X`` (N, D); 1 is the threshold, and more is strange."""
        return np.sqrt(self.score(X) / self.threshold)

    def to_bytes(self) -> bytes:
        """Return a safetensors file; the same gives the same bytes."""
        arrays = {name: getattr(self.within, name) for name in ("center", "whitening", "means")}
        about = {"rest": self.residual, "threshold": self.threshold}
        return array_file.to_bytes(arrays | {"upright": self.unwhitening}, "novelty", about)

    @classmethod
    def from_bytes(cls, data: bytes) -> Novelty:
        """Read what `to_bytes` wrote.

        Raises:
            BadRun: the bytes are damaged or something else.
        """
        with array_file.expected("Novelty (safetensors with center, whitening, means, upright and a threshold)"):
            arrays, about = array_file.from_bytes(data, "novelty")
            within = Mahalanobis(arrays["center"], arrays["whitening"], arrays["means"])
            return cls(within, arrays["upright"], float(about["rest"]), float(about["threshold"]))


def fit_novelty(
    X: np.ndarray | LazyRows,
    classes: np.ndarray,
    rows: np.ndarray,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    photographs: np.ndarray,
) -> Novelty:
    """Fit on ``rows``, with a threshold taken from photographs that were held out.

    Args:
        X: (N, D) embeddings.
        classes: (N,) classes, each with a mean of its own.
        rows: positions to fit on.
        folds: (learned from, held out) positions; every held-out score counts for the threshold.
        photographs: (N,) ids; each weighs the same.
    """
    novelty = _fit(X[rows], classes[rows])
    scores, held = [], []
    for learned, out in folds:
        fitted = novelty if np.array_equal(learned, rows) else _fit(X[learned], classes[learned])
        scores += [fitted.score(X[out[start : start + BLOCK]]) for start in range(0, len(out), BLOCK)]
        held.append(photographs[out])
    return replace(novelty, threshold=quantile(np.concatenate(scores), np.concatenate(held), 1 - HELD_OUT_BEYOND))


def _fit(X: np.ndarray, classes: np.ndarray) -> Novelty:
    within = fit_mahalanobis(unit(X), classes, max(1, min(AXES, MAX_NUMBERS // X.shape[1])))
    unwhitening = np.linalg.inv(np.linalg.qr(within.whitening, mode="r"))
    residual = float(_outside(X, within, unwhitening).mean())
    whole = float(((unit(X) - within.center) ** 2).sum(1).mean())
    return Novelty(within, unwhitening, residual if residual > MIN_RESIDUAL * whole else 0.0)


def _outside(X: np.ndarray, within: Mahalanobis, unwhitening: np.ndarray) -> np.ndarray:
    """Return (N,) squared length of what the axes do not hold."""
    moved = unit(X) - within.center
    return np.maximum((moved**2).sum(1) - ((moved @ within.whitening @ unwhitening) ** 2).sum(1), 0)
