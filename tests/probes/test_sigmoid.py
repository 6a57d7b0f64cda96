from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from probing_core.probes import sigmoid


def rows(n: int, seed: int):
    """Three classes, each with its own axis; a row may be of none or of several."""
    rng = np.random.default_rng(seed)
    Y = rng.random((n, 3)) < 0.4
    return (2 * Y @ np.eye(3, 8) + rng.normal(size=(n, 8)) + 5).astype(np.float32), Y


def test_every_class_is_scikit_learns_logistic_regression():
    X, Y = rows(400, 0)
    penalty = 0.01
    probe = sigmoid.fit(X, Y, classes=("a", "b", "c"), validation=rows(100, 1), penalties=(penalty,))
    assert probe.facts.converged
    Z = StandardScaler().fit_transform(X)
    for c in range(3):
        theirs = LogisticRegression(C=1 / (len(X) * penalty), tol=1e-8, max_iter=1000).fit(Z, Y[:, c])
        np.testing.assert_allclose(probe.weight[c], theirs.coef_[0], atol=2e-3)
        assert probe.bias[c] == pytest.approx(theirs.intercept_[0], abs=2e-3)


def test_several_classes_are_found_at_once_and_the_penalty_is_chosen():
    probe = sigmoid.fit(*rows(400, 0), classes=("a", "b", "c"), validation=rows(200, 1))
    X, Y = rows(500, 2)
    assert ((probe.logits(X) > 0) == Y).mean() > 0.8
    losses = dict(probe.facts.path)
    assert probe.facts.validation_loss == min(losses.values()) == losses[probe.penalty]
    assert list(losses) == sorted(sigmoid.GRID, reverse=True)
