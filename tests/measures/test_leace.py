from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from probing_core.measures.leace import fit_eraser


def made(dims: int = 20):
    rng = np.random.default_rng(0)
    y, other = rng.integers(0, 4, 3000), rng.integers(0, 3, 3000)
    X = rng.normal(size=(3000, dims)) @ rng.normal(size=(dims, dims))
    return X + 3 * rng.normal(size=(4, dims))[y] + 6 * rng.normal(size=(3, dims))[other], y, other


def test_no_linear_probe_finds_what_was_erased_and_other_things_stay():
    X, y, other = made()
    erased = fit_eraser(X, y)(X)

    def accuracy(Z, labels):
        return LogisticRegression(max_iter=2000).fit(Z, labels).score(Z, labels)

    assert accuracy(X, y) > 0.6
    assert accuracy(erased, y) == pytest.approx(np.bincount(y).max() / len(y), abs=0.02)
    assert accuracy(erased, other) > accuracy(X, other) - 0.05
    for c in range(4):
        np.testing.assert_allclose(erased[y == c].mean(0), erased.mean(0), atol=1e-8)


def test_erasing_again_changes_nothing_and_the_rank_is_small():
    X, y, _ = made()
    once = fit_eraser(X, y)(X)
    np.testing.assert_allclose(fit_eraser(X, y)(once), once, atol=1e-8)
    assert np.linalg.matrix_rank(X - once) == 3


def test_it_moves_less_than_the_orthogonal_projection():
    """LEACE is the least-squares eraser: leaving out the span of the class means moves embeddings more."""
    X, y, _ = made()
    means = np.stack([X[y == c].mean(0) for c in range(4)]) - X.mean(0)
    basis = np.linalg.svd(means.T, full_matrices=False)[0][:, :3]
    orthogonal = (X - X.mean(0)) @ basis
    assert ((fit_eraser(X, y)(X) - X) ** 2).sum() < (orthogonal**2).sum()


def test_dead_dimensions_do_no_harm():
    X, y, _ = made()
    X[:, 5] = 1.5
    erased = fit_eraser(X, y)(X.astype(np.float32))
    assert erased.dtype == np.float32
    assert np.isfinite(erased).all()
    np.testing.assert_allclose(erased[:, 5], 1.5, rtol=1e-5)
