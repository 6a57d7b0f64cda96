"""The linear probe against scikit-learn, its penalty and its file, and discriminant analysis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.covariance import EmpiricalCovariance, LedoitWolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from probing_core.errors import BadArray, BadRun
from probing_core.probes import LinearProbe
from probing_core.probes.linear import PENALTY_GRID, fit, fit_discriminant, fit_in_span
from probing_core.probes.optimizer import MAX_ITERATIONS, Block, metric_inverse, minimize

CLASSES = tuple("abcde")


def made(n: int, seed: int, dims: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping classes in correlated dimensions of very different scales and offsets."""
    rng = np.random.default_rng(0)
    centers, mixing = rng.normal(size=(len(CLASSES), dims)), rng.normal(size=(dims, dims))
    scale, offset = 10.0 ** rng.uniform(-2, 2, dims), rng.normal(size=dims) * 5
    rng = np.random.default_rng(seed)
    y = rng.integers(0, len(CLASSES), n)
    return np.float32(((centers[y] + 2 * rng.normal(size=(n, dims))) @ mixing + offset) * scale), y


def sklearn_loss(train, validation, penalty, weights=None) -> float:
    (X, y), (Xv, yv) = train, validation
    scaler = StandardScaler().fit(np.float64(X), sample_weight=weights)
    total = len(y) if weights is None else weights.sum()
    model = LogisticRegression(C=1 / (total * penalty), tol=1e-8, max_iter=10_000)
    model.fit(scaler.transform(np.float64(X)), y, sample_weight=weights)
    return float(-model.predict_log_proba(scaler.transform(np.float64(Xv)))[np.arange(len(yv)), yv].mean())


@pytest.mark.parametrize("weighted", [False, True])
def test_every_penalty_has_scikit_learns_validation_loss(weighted):
    (X, y), (Xv, yv) = made(600, 1), made(500, 2)
    weights = np.random.default_rng(3).uniform(0, 2, len(y)) if weighted else None
    probe = fit(X, y, classes=CLASSES, validation=(Xv, yv), weights=weights)
    for penalty, loss in probe.facts.path:
        assert loss == pytest.approx(sklearn_loss((X, y), (Xv, yv), penalty, weights), rel=6e-3)
    assert probe.facts.converged
    best = sklearn_loss((X, y), (Xv, yv), probe.penalty, weights)
    assert probe.facts.validation_loss == pytest.approx(best, rel=5e-4)
    assert probe.penalty == min(probe.facts.path, key=lambda pair: pair[1])[0]
    # The path ended where it went up again, and nothing beyond would have been chosen.
    tried = [penalty for penalty, _ in probe.facts.path]
    assert tried == sorted(PENALTY_GRID, reverse=True)[: len(tried)]
    assert tried[-1] < probe.penalty
    assert not probe.facts.at_edge
    for penalty in set(PENALTY_GRID) - set(tried):
        assert sklearn_loss((X, y), (Xv, yv), penalty, weights) > best


def slow(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Some classes are nearly separated and others overlap, in dimensions that are nearly collinear, as image
    statistics are: one metric for all classes fits none of them."""
    rng, k, dims = np.random.default_rng(0), 15, 50
    left, _, right = np.linalg.svd(rng.normal(size=(dims, dims)))
    centers = rng.normal(size=(k, dims)) * np.geomspace(0.3, 8, k)[:, None]
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    return np.float32(
        (centers[y] + rng.standard_t(4, size=(n, dims))) @ (left * np.geomspace(1, 1e-3, dims) @ right)
    ), y


def test_fit_converges_where_one_metric_for_all_classes_is_slow():
    (X, y), (Xv, yv) = slow(1500, 1), slow(600, 2)
    probe = fit(X, y, classes=range(15), validation=(Xv, yv), penalties=(1e-6,))
    assert probe.facts.converged
    assert probe.facts.validation_loss == pytest.approx(sklearn_loss((X, y), (Xv, yv), 1e-6), rel=1e-3)


@pytest.mark.parametrize(("classes", "continues"), [(4, True), (200, False)])
def test_minimize_computes_no_metrics_of_classes_that_would_be_too_large(classes, continues):
    rng, dims = np.random.default_rng(0), 250
    rows, truth = torch.tensor(rng.normal(size=(300, dims)), dtype=torch.float32), torch.arange(300) % classes
    weight, ridge, start = torch.ones(300), torch.full((dims,), 0.1), torch.zeros(dims, classes)
    inverse = metric_inverse(rows, rows @ start, weight, ridge)
    found = minimize([Block(lambda: rows, truth, weight)], start, ridge, inverse, tolerance=-1.0)  # never converges
    assert (found.iterations > MAX_ITERATIONS) == continues


def test_bytes_round_trip_and_repeat():
    (X, y), validation = made(300, 1), made(200, 2)
    probes = [fit(X, y, classes=CLASSES, validation=validation) for _ in range(2)]
    assert probes[0].to_bytes() == probes[1].to_bytes()
    read = LinearProbe.from_bytes(probes[0].to_bytes())
    assert read.classes == CLASSES
    assert read.facts == probes[0].facts
    np.testing.assert_array_equal(read.probabilities(X), probes[0].probabilities(X))
    np.testing.assert_allclose(read.probabilities(X).sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        lambda probe: {"weight": probe.weight * np.nan},
        lambda probe: {"bias": np.full_like(probe.bias, np.nan)},
        lambda probe: {"mean": probe.mean * np.nan},
        lambda probe: {"scale": probe.scale * 0},
        lambda probe: {"scale": -probe.scale},
        lambda probe: {"temperature": 0},
        lambda probe: {"temperature": float("nan")},
        lambda probe: {"temperature": float("inf")},
        lambda probe: {"temperature": "x"},
        lambda probe: {"temperature": None},
        lambda probe: {"classes": tuple(range(len(CLASSES)))},
    ],
)
def test_a_file_with_meaningless_numbers_is_refused(change):
    probe = fit(*made(300, 1), classes=CLASSES, validation=made(200, 2))
    with pytest.raises(BadRun, match="linear probe"):
        LinearProbe.from_bytes(replace(probe, **change(probe)).to_bytes())


def test_a_file_may_have_infinite_scales():
    """Constant dimensions have an infinite scale."""
    (X, y), validation = made(300, 1), made(200, 2)
    probe = fit(X, y, classes=CLASSES, validation=validation)
    probe = replace(probe, scale=np.where(np.arange(probe.scale.size) == 0, np.inf, probe.scale).astype(np.float32))
    np.testing.assert_array_equal(LinearProbe.from_bytes(probe.to_bytes()).probabilities(X), probe.probabilities(X))


def test_rows_come_from_disk_as_from_memory(tmp_path, monkeypatch):
    (X, y), validation = made(3000, 1), made(300, 2)
    np.save(tmp_path / "x.npy", X)
    in_memory = fit(X, y, classes=CLASSES, validation=validation)
    monkeypatch.setattr("probing_core.probes.rows.FIT_ROWS", 700)
    monkeypatch.setattr("probing_core.probes.rows.MAX_CACHED_BYTES", 0)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    from_disk = fit(mapped, y, classes=CLASSES, validation=validation)
    assert from_disk.penalty == in_memory.penalty
    np.testing.assert_allclose(from_disk.probabilities(X), in_memory.probabilities(X), atol=2e-3)


@pytest.mark.parametrize("n", [40, 200])
def test_the_span_of_few_rows_holds_the_same_probe(n):
    (X, y), held = made(n, 1, dims=90), made(100, 2, dims=90)
    whole, within = (f(X, y, classes=CLASSES, validation=held) for f in (fit, fit_in_span))
    assert within.penalty == whole.penalty
    assert within.facts.validation_loss == pytest.approx(whole.facts.validation_loss, rel=1e-4)
    np.testing.assert_allclose(within.probabilities(held[0]), whole.probabilities(held[0]), atol=2e-3)


def test_a_class_without_rows_to_learn_from_is_improbable_and_breaks_nothing():
    (X, y), (Xv, yv) = made(300, 1), made(200, 2)
    probe = fit(X[y != 2], y[y != 2], classes=CLASSES, validation=(Xv, yv), penalties=(0.1,))
    told = probe.probabilities(Xv)
    assert np.isfinite(probe.facts.validation_loss)
    np.testing.assert_allclose(told.sum(1), 1, rtol=1e-5)
    assert told[:, 2].max() < 1 / len(CLASSES)


@pytest.mark.parametrize("large", [3e38, np.nan, np.inf])
def test_fit_raises_for_embeddings_that_are_too_large_or_not_finite(large):
    (X, y), validation = made(300, 1), made(200, 2)
    X[::2, 0], X[1::2, 0] = -large, large
    X[:100, 0] = -large  # the mean is not 0, so that differences to it overflow
    with pytest.raises(BadArray):
        fit(X, y, classes=CLASSES, validation=validation, penalties=(0.1,))


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_metric_inverse_raises_for_logits_that_are_not_finite(broken):
    rows, weight = torch.ones(20, 4), torch.ones(20)
    with pytest.raises(BadArray):
        metric_inverse(rows, torch.full((20, 3), broken), weight, torch.ones(4))
    with pytest.raises(BadArray):
        metric_inverse(rows * broken, torch.zeros(20, 3), weight, torch.ones(4))


def test_one_penalty_is_not_at_an_edge_and_solved_alone():
    (X, y), validation = made(300, 1), made(200, 2)
    for n in (300, 15):
        probe = fit_in_span(X[:n], y[:n], classes=CLASSES, validation=validation, penalties=(0.1,))
        assert probe.penalty == 0.1
        assert [penalty for penalty, _ in probe.facts.path] == [0.1]
        assert not probe.facts.at_edge


def test_roots_are_taken_where_they_tell_more(monkeypatch):
    monkeypatch.setattr("probing_core.probes.rows.FIT_ROWS", 70)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 400)
    X = (np.abs(rng.normal(size=(400, 6)) + 2 * np.eye(3, 6)[y]) ** 6).astype(np.float32)  # long tails
    plain, rooted = (
        fit(X[:300], y[:300], classes=CLASSES[:3], validation=(X[300:], y[300:]), root=root) for root in (False, True)
    )
    assert rooted.facts.validation_loss < plain.facts.validation_loss
    # Second implementation: a plain probe of the roots.
    roots = np.sqrt(X)
    by_hand = fit(roots[:300], y[:300], classes=CLASSES[:3], validation=(roots[300:], y[300:]))
    assert by_hand.facts == rooted.facts
    np.testing.assert_allclose(rooted.probabilities(X), by_hand.probabilities(roots), rtol=1e-5)
    again = LinearProbe.from_bytes(rooted.to_bytes())
    assert again.root
    assert not LinearProbe.from_bytes(plain.to_bytes()).root
    np.testing.assert_array_equal(again.probabilities(X), rooted.probabilities(X))


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


def test_more_dimensions_than_rows_and_constant_ones_are_no_trouble():
    X, y = drawn(n=60, d=200, k=3)
    X = np.hstack([X, np.full((60, 5), 7.0)])
    probe = fit_discriminant(X, y, classes="abc")
    assert np.isfinite(probe.probabilities(X)).all()
    assert (probe.logits(X).argmax(1) == y).mean() > 0.9
    assert not probe.weight[:, -5:].any()
