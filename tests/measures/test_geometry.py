from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from probing_core.errors import BadArray
from probing_core.measures.geometry import cka, equivariance, principal_axes, shift


def test_shift_is_zero_at_home_and_one_at_another_image():
    z = np.random.default_rng(0).normal(size=(2000, 30)) + 1
    assert shift(z, z) == pytest.approx(0, abs=1e-9)
    assert shift(z, 3 * z) == pytest.approx(0, abs=1e-9)
    assert shift(z, np.roll(z, 1, axis=0)).mean() == pytest.approx(1, abs=0.02)


def test_equivariance_tells_the_three_kinds_apart():
    rng = np.random.default_rng(0)
    z, train = rng.normal(size=(600, 20)), np.arange(600) < 400
    W = np.linalg.qr(rng.normal(size=(20, 20)))[0]
    same, moved = equivariance(z, z, train), equivariance(z, z + 5, train)
    turned, random = equivariance(z, z @ W, train), equivariance(z, rng.normal(size=z.shape), train)
    assert (same.identity, same.offset, same.ridge) == pytest.approx((1, 1, 1), abs=1e-3)
    assert moved.identity < 0
    assert (moved.offset, moved.ridge) == pytest.approx((1, 1), abs=1e-3)
    assert turned.offset < 0.5
    assert turned.ridge == pytest.approx(1, abs=1e-3)
    assert turned.reciprocal_rank == 1
    assert abs(random.ridge) < 0.1
    assert random.reciprocal_rank < 0.1


def direct_hsic(X, Y):
    """Song et al. (2012), equation 5, with the kernels written out."""
    n, one = len(X), np.ones(len(X))
    K, L = X @ X.T, Y @ Y.T
    np.fill_diagonal(K, 0)
    np.fill_diagonal(L, 0)
    a = np.trace(K @ L) + (one @ K @ one) * (one @ L @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * (one @ K @ L @ one)
    return a / (n * (n - 3))


def test_cka_is_the_direct_formula_and_unbiased():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 12)) + 3
    Y = X[:, :6] @ rng.normal(size=(6, 9)) + rng.normal(size=(80, 9))
    direct = direct_hsic(X, Y) / np.sqrt(direct_hsic(X, X) * direct_hsic(Y, Y))
    assert cka(X, Y) == pytest.approx(direct)
    assert cka(X, 2 * X @ np.linalg.qr(rng.normal(size=(12, 12)))[0] + 1) == pytest.approx(1)
    unrelated = [cka(rng.normal(size=(60, 200)), rng.normal(size=(60, 200))) for _ in range(100)]
    assert np.mean(unrelated) == pytest.approx(0, abs=0.02)  # the biased one is near 0.77 here


def test_axes_are_scikit_learns():
    X = np.random.default_rng(0).normal(size=(200, 8)) * np.arange(1, 9)
    mean, axes = principal_axes(X, 3)
    theirs = PCA(3).fit(X)
    np.testing.assert_allclose(mean, theirs.mean_)
    np.testing.assert_allclose(np.abs(axes.T @ theirs.components_.T), np.eye(3), atol=1e-6)


def test_unpaired_embeddings_are_refused():
    z = np.ones((5, 3))
    for call in (lambda: shift(z, z[:4]), lambda: cka(z, z[:4]), lambda: equivariance(z, z, np.ones(5, bool))):
        with pytest.raises(BadArray):
            call()
