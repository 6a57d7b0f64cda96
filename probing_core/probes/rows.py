"""Optimizer input: blocks of standardized ``float32`` rows with a final 1 for the bias.

Embeddings can be any sliceable object (an array, a memory-mapped file, an HDF5 dataset). They are read block by block
and cached only if they are small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np

from probing_core.errors import BadArray
from probing_core.probes.probe import square_root

if TYPE_CHECKING:
    from torch import Tensor

FIT_ROWS = 2048

MAX_CACHED_BYTES = 2**31
"""Maximum size of cached standardized rows in bytes. Larger data is read again in every pass."""


class Sliceable(Protocol):
    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, key: slice, /) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Roots:
    """Square roots of rows (N, D), computed when they are read."""

    X: Sliceable

    @property
    def shape(self) -> tuple[int, ...]:
        return self.X.shape

    def __getitem__(self, key: slice, /) -> np.ndarray:
        return square_root(self.X[key])


def check(X: Sliceable, y: np.ndarray, classes: int) -> None:
    """Check that ``X`` is (N, D) and that ``y`` contains N class indices below ``classes``.

    Raises:
        BadArray: a check fails, or there are no rows.
    """
    if len(X.shape) != 2 or np.shape(y) != (X.shape[0],):
        raise BadArray(
            f"A probe requires embeddings (N, D) and classes (N,), but got {tuple(X.shape)} and {np.shape(y)}."
        )
    if not np.issubdtype(np.asarray(y).dtype, np.integer) or len(y) == 0 or min(y) < 0 or max(y) >= classes:
        raise BadArray(
            f"A probe of {classes} classes requires at least one row and integer class indices from 0 to "
            f"{classes - 1}; got {len(y)} rows with the class indices {np.unique(y)[:5]}..."
        )


def check_weights(y: np.ndarray, weights: np.ndarray, classes: Sequence[str]) -> None:
    """Check that a probe can learn to separate classes from rows with ``weights`` (N,).

    Raises:
        BadArray: weights are negative or not finite, or fewer than two classes have rows with a positive weight.
    """
    y = np.asarray(y)
    if weights.shape != y.shape or not np.isfinite(weights).all() or (weights < 0).any():
        raise BadArray(f"Each of the {len(y)} rows must have a finite weight of at least 0.")
    present = np.unique(y[weights > 0])
    if len(present) < 2:
        names = f"'{classes[int(present[0])]}'" if len(present) else "none"
        raise BadArray(
            f"A probe requires rows with a positive weight in at least two of its {len(classes)} classes, but got rows "
            f"in {names}. Add images of other classes."
        )


def slices(n: int) -> Iterator[slice]:
    return (slice(start, min(start + FIT_ROWS, n)) for start in range(0, n, FIT_ROWS))


def read(X: Sliceable, part: slice) -> np.ndarray:
    """Read one slice of ``X`` as ``float32``.

    Raises:
        BadArray: an embedding is not finite.
    """
    rows = np.asarray(X[part], np.float32)
    if not np.isfinite(rows).all():
        bad = part.start + int(np.flatnonzero(~np.isfinite(rows).all(1))[0])
        raise BadArray(
            f"Embeddings must be finite, but row {bad} contains NaN or infinity. Check the model and its precision."
        )
    return rows


def moments(X: Sliceable, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the weighted mean and standard deviation (D,) ``float64`` of the rows.

    Standard deviations of 0 are replaced with 1.
    """
    total, mean, squares = 0.0, np.zeros(X.shape[1]), np.zeros(X.shape[1])
    for part in slices(X.shape[0]):
        # To avoid cancellation, merge blocks with deviations from their own means (Chan, Golub & LeVeque 1983).
        w, rows = weights[part], read(X, part).astype(np.float64)
        if (share := w.sum()) == 0:
            continue
        local = w @ rows / share
        delta = local - mean
        squares += w @ (rows - local) ** 2 + delta**2 * total * share / (total + share)
        total += share
        mean += delta * share / total
    deviation = np.sqrt(squares / total)
    return mean, np.where(deviation > 1e-6 * np.abs(mean) + 1e-12, deviation, 1.0)


def standardized(X: Sliceable, part: slice, mean: np.ndarray, scale: np.ndarray) -> Tensor:
    """Compute the standardized rows (n, D + 1) of one slice, with a final 1 for the bias.

    Raises:
        BadArray: an embedding is not finite, or overflows when it is standardized.
    """
    import torch

    rows = torch.ones(part.stop - part.start, X.shape[1] + 1)
    with np.errstate(over="ignore", invalid="ignore"):
        Z = (read(X, part) - np.float32(mean)) / np.float32(scale)
    if not np.isfinite(Z).all():
        bad = part.start + int(np.flatnonzero(~np.isfinite(Z).all(1))[0])
        raise BadArray(
            f"The embedding of row {bad} is too large to standardize in float32. Scale the embeddings down, or check "
            f"the model and its precision."
        )
    rows[:, :-1] = torch.from_numpy(Z)
    return rows


def block_reader(X: Sliceable, part: slice, mean: np.ndarray, scale: np.ndarray) -> Callable[[], Tensor]:
    """Return a function that returns the `standardized` rows of ``part``. It caches them if ``X`` is small enough."""
    if 4 * X.shape[0] * (X.shape[1] + 1) > MAX_CACHED_BYTES:
        return partial(standardized, X, part, mean, scale)
    rows = standardized(X, part, mean, scale)
    return lambda: rows
