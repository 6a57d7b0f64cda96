from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from probing_core.errors import BadArray
from probing_core.measures.cka import cka, cka_of, space_of


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


@pytest.mark.parametrize("given", [(5, 4), (3, 3)])
def test_unpaired_or_too_few_embeddings_are_refused(given):
    with pytest.raises(BadArray):
        cka(np.ones((given[0], 3)), np.ones((given[1], 3)))


def cka_interval(X, Y, clusters):
    return cka_of(space_of(X, clusters), space_of(Y, clusters))


def made(clusters: int, each: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two spaces that share what is in a picture, linearly and not; pictures of a photograph are alike."""
    mix = np.random.default_rng(5)
    A, B = mix.normal(size=(5, 20)), mix.normal(size=(5, 30))
    whole = rng.normal(size=(clusters, 5)).repeat(each, axis=0)
    inside = 0.7 * whole + 0.7 * rng.normal(size=(clusters * each, 5))
    X = inside @ A + 1.4 * rng.normal(size=(clusters * each, 20))
    Y = np.tanh(inside @ B) + 0.7 * rng.normal(size=(clusters * each, 30))
    return X, Y, np.repeat(np.arange(clusters), each)


def test_the_interval_is_the_jackknife_written_out():
    X, Y, clusters = made(20, 2, np.random.default_rng(0))
    clusters = np.array([f"photo-{c}" for c in clusters])
    order = np.random.default_rng(1).permutation(len(X))
    found = cka_interval(X[order], Y[order], clusters[order])
    assert found.value == pytest.approx(cka(X, Y))
    z = np.arctanh([cka(X[clusters != c], Y[clusters != c]) for c in np.unique(clusters)])
    half = t.ppf(0.975, 19) * np.sqrt(19 / 20 * ((z - z.mean()) ** 2).sum())
    assert found.low == pytest.approx(np.tanh(np.arctanh(found.value) - half))
    assert found.high == pytest.approx(np.tanh(np.arctanh(found.value) + half))
    assert (found.method, found.clusters) == ("jackknife", 20)


@pytest.mark.parametrize(("clusters", "each", "worlds"), [(12, 1, 400), (50, 1, 400), (50, 3, 300)])
def test_the_interval_covers(clusters, each, worlds):
    rng = np.random.default_rng(2)
    truth = np.mean([cka(*made(3000, 1, rng)[:2]) for _ in range(8)])
    found = [cka_interval(*made(clusters, each, rng)) for _ in range(worlds)]
    assert 0.92 <= np.mean([one.low <= truth <= one.high for one in found]) <= 0.995


def test_few_photographs_have_no_interval_and_the_same_space_has_none_to_doubt():
    X, Y, clusters = made(5, 3, np.random.default_rng(0))
    assert cka_interval(X, Y, clusters).method == "none"
    same = cka_interval(X, 2 * X + 1, np.arange(15))
    assert (same.low, same.high) == pytest.approx((1, 1))
