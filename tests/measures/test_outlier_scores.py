from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score

from probing_core.errors import BadArray
from probing_core.measures.outlier_scores import auroc, fit_mahalanobis, quantile


def test_mahalanobis_is_scikit_learns():
    rng = np.random.default_rng(0)
    X, new = rng.normal(size=(300, 10)) @ rng.normal(size=(10, 10)), rng.normal(size=(50, 10))
    theirs = LedoitWolf().fit(X).mahalanobis(new) / 10
    np.testing.assert_allclose(fit_mahalanobis(X).score(new), theirs, rtol=1e-6)


def test_classes_have_means_of_their_own():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 300)
    X = rng.normal(size=(600, 5)) + 20 * labels[:, None]
    between = np.full((1, 5), 10.0)
    assert fit_mahalanobis(X).score(between)[0] < 1
    assert fit_mahalanobis(X, labels).score(between)[0] > 50


def test_the_threshold_keeps_its_rate_over_photographs():
    rng = np.random.default_rng(0)
    fitted = fit_mahalanobis(rng.normal(size=(2000, 8)))
    clusters = np.concatenate([np.zeros(5000, int), 1 + np.arange(2000)])
    held_out = rng.normal(size=(7000, 8))
    held_out[:5000] *= 5  # one strange photograph with many versions must not decide
    threshold = quantile(fitted.score(held_out), clusters, 0.95)
    assert (fitted.score(rng.normal(size=(20_000, 8))) > threshold).mean() == pytest.approx(0.05, abs=0.02)


def test_ranks_are_scikit_learns():
    rng = np.random.default_rng(0)
    familiar, foreign = rng.normal(size=1000).round(1), rng.normal(1, 1, 800).round(1)
    truth = np.repeat([0, 1], [1000, 800])
    assert auroc(familiar, foreign) == pytest.approx(roc_auc_score(truth, np.concatenate([familiar, foreign])))


def test_two_embeddings_have_no_covariance():
    with pytest.raises(BadArray):
        fit_mahalanobis(np.ones((2, 3)))
