from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from probing_core.errors import BadArray
from probing_core.measures.embedding_space import principal_axes, shift


def test_shift_is_zero_at_home_and_one_at_another_image():
    z = np.random.default_rng(0).normal(size=(2000, 30)) + 1
    assert shift(z, z) == pytest.approx(0, abs=1e-9)
    assert shift(z, 3 * z) == pytest.approx(0, abs=1e-9)
    assert shift(z, np.roll(z, 1, axis=0)).mean() == pytest.approx(1, abs=0.02)


def test_axes_are_scikit_learns():
    X = np.random.default_rng(0).normal(size=(200, 8)) * np.arange(1, 9)
    mean, axes = principal_axes(X, 3)
    theirs = PCA(3).fit(X)
    np.testing.assert_allclose(mean, theirs.mean_)
    np.testing.assert_allclose(np.abs(axes.T @ theirs.components_.T), np.eye(3), atol=1e-6)


def test_unpaired_embeddings_are_refused():
    z = np.ones((5, 3))
    with pytest.raises(BadArray):
        shift(z, z[:4])
