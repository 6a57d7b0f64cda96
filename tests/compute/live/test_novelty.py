"""Distances from what is known, against scikit-learn and on made embeddings."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from probing_core.compute.live.novelty import HELD_OUT_BEYOND, Novelty, fit_novelty
from probing_core.errors import BadArray, BadRun
from probing_core.measures.nearest import unit

DIMS, PHOTOGRAPHS, VERSIONS = 96, 80, 6


def made(seed: int, away: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings of photographs in six classes; ``away`` moves them where none of the others are."""
    rng = np.random.default_rng(0)
    centers, mixing = rng.normal(size=(VERSIONS, DIMS)), rng.normal(size=(DIMS, DIMS)) * 0.5 ** np.arange(DIMS)[:, None]
    rng = np.random.default_rng(seed)
    photograph = np.repeat(np.arange(PHOTOGRAPHS), VERSIONS)
    classes = np.tile(np.arange(VERSIONS), PHOTOGRAPHS)
    X = centers[classes] + rng.normal(size=(len(classes), DIMS)) @ mixing + 0.2 * rng.normal(size=(len(classes), DIMS))
    strange = np.random.default_rng(1).normal(size=DIMS)
    return np.float32(X + away * strange), classes, photograph


def fitted() -> Novelty:
    X, classes, photograph = made(2)
    train = np.flatnonzero(photograph < 60)
    return fit_novelty(X, classes, train, [(train, np.flatnonzero(photograph >= 60))], photograph)


def test_strangers_lie_beyond_and_the_familiar_within():
    novelty = fitted()
    known = novelty.distance(made(3)[0]) <= 1
    assert known.mean() > 1 - 5 * HELD_OUT_BEYOND
    assert (novelty.distance(made(3, away=3)[0]) > 1).mean() > 0.95


def test_every_photograph_held_out_counts_for_the_threshold():
    X, classes, photograph = made(2)
    rows = np.arange(len(X))
    folds = [(rows[photograph % 4 != f], rows[photograph % 4 == f]) for f in range(4)]
    novelty = fit_novelty(X, classes, rows, folds, photograph)
    scores = np.concatenate([fit_novelty(X, classes, a, [(a, b)], photograph).score(X[b]) for a, b in folds])
    assert np.mean(scores <= novelty.threshold) == pytest.approx(1 - HELD_OUT_BEYOND, abs=0.005)


def test_the_rest_is_what_principal_components_leave():
    X, _, photograph = made(2)
    train = np.flatnonzero(photograph < 60)
    novelty = fitted()
    components = PCA(novelty.unwhitening.shape[0]).fit(np.float64(unit(X[train])))
    queries = unit(made(3)[0])
    left = ((queries - components.inverse_transform(components.transform(queries))) ** 2).sum(1)
    expected = novelty.within.score(queries) + left / novelty.residual
    np.testing.assert_allclose(novelty.score(made(3)[0]), expected, rtol=1e-5)


def test_axes_that_hold_everything_leave_no_rest():
    X, classes, photograph = made(2)
    train = np.flatnonzero(photograph < 60)
    small = fit_novelty(X[:, :8], classes, train, [(train, train)], photograph)
    assert small.residual == 0
    assert np.isfinite(small.distance(X[:, :8])).all()


def test_wide_embeddings_take_240_bytes_a_dimension():
    rng = np.random.default_rng(0)
    rows = np.arange(60)
    wide = fit_novelty(rng.normal(size=(60, 1536)), rows % 3, rows, [(rows, rows)], rows)
    assert len(wide.to_bytes()) < 240 * 1536 + 16_900  # which is a megabyte for 4096 dimensions, the widest published


def test_bytes_round_trip_and_repeat():
    novelty, X = fitted(), made(3)[0]
    read = Novelty.from_bytes(novelty.to_bytes())
    assert read.to_bytes() == novelty.to_bytes()
    np.testing.assert_allclose(read.distance(X), novelty.distance(X), rtol=1e-3)


def test_other_embeddings_and_damage_are_refused():
    with pytest.raises(BadArray, match="96 dimensions"):
        fitted().distance(np.zeros((2, 5)))
    for data in (b"", fitted().to_bytes()[:50], fitted().to_bytes().replace(b"novelty", b"novelta")):
        with pytest.raises(BadRun, match="train again"):
            Novelty.from_bytes(data)
