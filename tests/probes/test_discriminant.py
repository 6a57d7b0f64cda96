"""Discriminant analysis in closed form, beside scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import EmpiricalCovariance, LedoitWolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from probing_core.probes.discriminant import fit_discriminant


def drawn(n: int = 600, d: int = 12, k: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    mixing = rng.normal(size=(d, d))
    return rng.normal(size=(k, d))[y] * 1.5 + rng.normal(size=(n, d)) @ mixing * 0.5 + 3, y


def test_it_predicts_as_scikit_learn_does_with_the_same_covariance():
    X, y = drawn()
    probe = fit_discriminant(X, y, classes="abcde")
    Z = (X - X.mean(0)) / X.std(0)
    means = np.stack([Z[y == c].mean(0) for c in range(5)])
    shrinkage = LedoitWolf(assume_centered=True).fit(Z - means[y])
    assert probe.penalty == pytest.approx(shrinkage.shrinkage_)
    mine = shrinkage.shrinkage_ * np.trace(np.cov((Z - means[y]).T, bias=True)) / X.shape[1]

    class OfAClass(EmpiricalCovariance):
        """Of the rows of one class; over all of them the mean is the covariance that ours shrinks."""

        def fit(self, X, y=None):
            super().fit(X)
            self.covariance_ = (1 - shrinkage.shrinkage_) * self.covariance_ + mine * np.eye(X.shape[1])
            return self

    theirs = LinearDiscriminantAnalysis(solver="lsqr", covariance_estimator=OfAClass()).fit(Z, y)
    other, _ = drawn(seed=1)
    np.testing.assert_allclose(
        probe.probabilities(other), theirs.predict_proba((other - X.mean(0)) / X.std(0)), atol=1e-4
    )


def test_probabilities_are_those_of_gaussians_with_the_shrunk_covariance():
    X, y = drawn(d=4, k=3)
    probe = fit_discriminant(X, y, classes="abc")
    Z = (X - X.mean(0)) / X.std(0)
    means = np.stack([Z[y == c].mean(0) for c in range(3)])
    inverse = np.linalg.inv(LedoitWolf(assume_centered=True).fit(Z - means[y]).covariance_)
    away = Z[:, None] - means
    density = np.exp(-0.5 * np.einsum("nkd,de,nke->nk", away, inverse, away))
    np.testing.assert_allclose(probe.probabilities(X), density / density.sum(1, keepdims=True), atol=2e-5)


def test_more_dimensions_than_rows_and_constant_ones_are_no_trouble():
    X, y = drawn(n=60, d=200, k=3)
    X = np.hstack([X, np.full((60, 5), 7.0)])
    probe = fit_discriminant(X, y, classes="abc")
    assert np.isfinite(probe.probabilities(X)).all()
    assert (probe.logits(X).argmax(1) == y).mean() > 0.9
    assert not probe.weight[:, -5:].any()
