"""Comparison of the linear probe with scikit-learn: 20,000 embeddings of 768 dimensions, 31 classes, ten penalties."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

PENALTIES = tuple(float(10.0**exponent) for exponent in np.arange(-5, 0, 0.5))
CLASSES = 31


@dataclass(frozen=True)
class Size:
    """Rows and dimensions of the embeddings."""

    rows: int = 20_000
    dims: int = 768


SMALL = Size(600, 16)


def run(size: Size) -> dict[str, float]:
    """Return how much faster the probe finds its penalty, its best validation loss over the other's, and how many
    penalties each side solved: our path ends where the validation loss increases.

    Both start from embeddings standardized in ``float32``, which scikit-learn's solver keeps. It runs with its own
    defaults except for the iterations, which suffice for its tolerance at most penalties.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    from probing_core.probes.linear import fit

    rows, dims = size.rows, size.dims
    X, y = _make_classes(rows + rows // 5, dims)
    train, held_out = slice(0, rows), slice(rows, None)
    fit(
        X[:2000],
        y[:2000],
        classes=tuple(map(str, range(CLASSES))),
        validation=(X[held_out], y[held_out]),
        penalties=(1.0,),
    )
    start = time.perf_counter()
    probe = fit(
        X[train],
        y[train],
        classes=tuple(map(str, range(CLASSES))),
        validation=(X[held_out], y[held_out]),
        penalties=PENALTIES,
    )
    probe_s = time.perf_counter() - start
    start = time.perf_counter()
    scaler = StandardScaler().fit(X[train])
    Z, Zv = scaler.transform(X[train]), scaler.transform(X[held_out])
    losses = []
    for penalty in PENALTIES:
        model = LogisticRegression(C=1 / (rows * penalty), max_iter=300).fit(Z, y[train])
        losses.append(-model.predict_log_proba(Zv)[np.arange(len(Zv)), y[held_out]].mean())
    sklearn_s = time.perf_counter() - start
    return {
        "linear_probe_times_faster_than_sklearn": sklearn_s / probe_s,
        "linear_probe_validation_loss_over_sklearn": probe.facts.validation_loss / float(min(losses)),
        "linear_probe_penalties_solved": len(probe.facts.path),
        "linear_probe_penalties_solved_sklearn": len(losses),
    }


def _make_classes(n: int, dims: int) -> tuple[np.ndarray, np.ndarray]:
    """Return synthetic embeddings of overlapping classes, with correlated dimensions and a decaying spectrum."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, n)
    spectrum = (np.arange(dims) + 1.0) ** -0.5
    centers = rng.normal(size=(CLASSES, dims)) * spectrum * 0.08
    mixing = np.linalg.qr(rng.normal(size=(dims, dims)))[0].astype(np.float32)
    X = np.float32(centers)[y] + rng.standard_normal((n, dims), np.float32) * np.float32(spectrum)
    return X @ mixing + 1, y
