"""What is familiar: how far an embedding lies from those that a probe has learned from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from probing_core.errors import BadArray, BadRun
from probing_core.measures.outliers import Mahalanobis, fit_mahalanobis, quantile

AXES = 64
MOST_NUMBERS = 200_000
"""Of the whitening: wide embeddings keep fewer axes, so that the file stays below 1 MB."""

STRANGE = 0.01
"""Share of familiar pictures, of photographs that were held out, that lie beyond the threshold."""

_ARRAYS = ("center", "whitening", "means")


@dataclass(frozen=True, eq=False)
class Familiarity:
    """Distances from all that a probe knows; NumPy alone.

    Attributes:
        model: class means in a shared covariance, with the threshold of `STRANGE`.
    """

    model: Mahalanobis

    def distance(self, X: np.ndarray) -> np.ndarray:
        """(N,) of embeddings ``X`` (N, D); 1 is the threshold, and more is strange.

        Raises:
            BadArray: the embeddings have another dimension.
        """
        X = np.asarray(X)
        if X.ndim != 2 or X.shape[1] != self.model.center.size:
            raise BadArray(
                f"Familiarity was fitted on embeddings of {self.model.center.size} dimensions and takes an array "
                f"(N, {self.model.center.size}), but got {X.shape}; embed with the same model and options."
            )
        return np.sqrt(self.model.score(X) / self.model.threshold)

    def to_bytes(self) -> bytes:
        """As a safetensors file; the same gives the same bytes."""
        from safetensors.numpy import save

        arrays = {name: np.ascontiguousarray(getattr(self.model, name), np.float32) for name in _ARRAYS}
        about = {"threshold": self.model.threshold}
        return save(arrays, metadata={"familiarity": json.dumps(about, sort_keys=True)})

    @classmethod
    def from_bytes(cls, data: bytes) -> Familiarity:
        """What `to_bytes` wrote.

        Raises:
            BadRun: the bytes are damaged or something else.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            arrays = load(data)
            header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
            threshold = float(json.loads(header["__metadata__"]["familiarity"])["threshold"])
            return cls(Mahalanobis(*(arrays[name] for name in _ARRAYS), threshold))
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise BadRun(
                "What is familiar (safetensors with center, whitening, means and a threshold) was expected, but the "
                "file is damaged or something else; train again with `probing train`."
            ) from error


def fit_familiarity(
    X: np.ndarray,
    classes: np.ndarray,
    rows: np.ndarray,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    photographs: np.ndarray,
) -> Familiarity:
    """Fitted on ``rows``, its threshold taken from photographs that were held out.

    Args:
        X: (N, D) embeddings.
        classes: (N,) classes, each with a mean of its own.
        rows: positions to fit on.
        folds: (learned from, held out) positions; every held-out distance counts for the threshold.
        photographs: (N,) ids; each weighs the same.
    """
    axes = max(1, min(AXES, MOST_NUMBERS // X.shape[1]))
    model = fit_mahalanobis(X[rows], classes[rows], axes)
    distances, held = [], []
    for learned, out in folds:
        fitted = model if np.array_equal(learned, rows) else fit_mahalanobis(X[learned], classes[learned], axes)
        distances.append(fitted.score(X[out]))
        held.append(photographs[out])
    threshold = quantile(np.concatenate(distances), np.concatenate(held), 1 - STRANGE)
    return Familiarity(replace(model, threshold=threshold))
