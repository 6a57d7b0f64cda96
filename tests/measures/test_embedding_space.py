"""Shift, and the parts of the variance."""

from __future__ import annotations

import numpy as np
import pytest

from probing_core.errors import BadArray
from probing_core.measures.embedding_space import VARIANCE_PARTS, shift, variance_parts


def test_shift_is_zero_at_home_and_one_at_another_image():
    z = np.random.default_rng(0).normal(size=(2000, 30)) + 1
    assert shift(z, z) == pytest.approx(0, abs=1e-9)
    assert shift(z, 3 * z) == pytest.approx(0, abs=1e-9)
    assert shift(z, np.roll(z, 1, axis=0)).mean() == pytest.approx(1, abs=0.02)


def test_unpaired_embeddings_are_refused():
    z = np.ones((5, 3))
    with pytest.raises(BadArray):
        shift(z, z[:4])


def slow(X: np.ndarray) -> dict[str, float]:
    """The analysis of variance as textbooks write it, one dimension after another."""
    P, T, R, D = X.shape
    total = np.zeros(4)
    for d in range(D):
        y = X[..., d].astype(float)
        grand = y.mean()
        a, b, ab, e = 0.0, 0.0, 0.0, 0.0
        for p in range(P):
            a += T * R * (y[p].mean() - grand) ** 2
        for t in range(T):
            b += P * R * (y[:, t].mean() - grand) ** 2
        for p in range(P):
            for t in range(T):
                cell = y[p, t].mean()
                ab += R * (cell - y[p].mean() - y[:, t].mean() + grand) ** 2
                e += ((y[p, t] - cell) ** 2).sum()
        a, b, ab = a / (P - 1), b / (T - 1), ab / ((P - 1) * (T - 1))
        if R > 1:
            e /= P * T * (R - 1)
            total += [(a - ab) / (R * T), (b - ab) / (R * P), (ab - e) / R, e]
        else:
            total += [(a - ab) / T, (b - ab) / P, 0, ab]
    total = np.maximum(total, 0)
    return dict(zip(VARIANCE_PARTS, total / total.sum(), strict=True))


def made(P: int, T: int, R: int, D: int, spread: tuple[float, ...], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    sizes = ((P, 1, 1, D), (1, T, 1, D), (P, T, 1, D), (P, T, R, D))
    return 5 + sum(np.sqrt(s) * rng.normal(size=size) for s, size in zip(spread, sizes, strict=True))


@pytest.mark.parametrize("repetitions", [1, 2, 3])
def test_parts_are_those_of_the_textbook(repetitions):
    X = made(7, 4, repetitions, 5, (0.5, 0.2, 0.2, 0.1))
    found, expected = variance_parts(X.astype(np.float32)), slow(X)
    assert list(found) == [p for p in VARIANCE_PARTS if repetitions > 1 or p != "both"]
    for part, interval in found.items():
        assert interval.value == pytest.approx(expected[part], abs=1e-5), part


@pytest.mark.parametrize("spread", [(0.5, 0.2, 0.2, 0.1), (0.1, 0.6, 0.0, 0.3)])
def test_known_components_are_found_and_lie_in_their_intervals(spread):
    found = variance_parts(made(120, 30, 2, 60, spread))
    for part, truth in zip(VARIANCE_PARTS, spread, strict=True):
        assert found[part].value == pytest.approx(truth, abs=0.05), part
        assert found[part].low - 0.03 <= truth <= found[part].high + 0.03, part
    assert sum(interval.value for interval in found.values()) == pytest.approx(1)


def test_intervals_hold_the_share_of_content_about_as_often_as_they_state():
    """Transformations are the run's own; photographs are drawn."""
    rng, held, n = np.random.default_rng(0), 0, 200
    look = rng.normal(size=(1, 6, 1, 10)) * 0.5
    truth = 1 / (1 + look.var(1, ddof=1).mean() + 0.3)
    for _ in range(n):
        X = rng.normal(size=(30, 1, 1, 10)) + look + np.sqrt(0.3) * rng.normal(size=(30, 6, 1, 10))
        found = variance_parts(X)["content"]
        held += found.low <= truth <= found.high
    assert held / n > 0.88


def test_the_interval_is_the_jackknife_over_photographs():
    from scipy.stats import t

    X = made(12, 4, 2, 5, (0.5, 0.2, 0.2, 0.1))
    shares = [slow(np.delete(X, i, axis=0))["content"] for i in range(12)]
    half = t.ppf(0.975, 11) * np.sqrt(11 / 12 * ((shares - np.mean(shares)) ** 2).sum())
    found = variance_parts(X)["content"]
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=1e-6)
    assert found.method == "jackknife"


def test_few_photographs_have_parts_without_an_interval():
    assert np.isnan(variance_parts(made(5, 3, 1, 4, (1, 1, 1, 1)))["content"].low)
