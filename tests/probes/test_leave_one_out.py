"""Leave-one-out against fitting every fold on its own."""

from __future__ import annotations

import numpy as np
import pytest

from probing_core.errors import BadArray
from probing_core.probes.leave_one_out import fit_leave_one_out
from probing_core.probes.linear import fit
from tests.probes.test_linear import CLASSES, made

PENALTIES = (0.3, 0.03, 0.003)


def made_photographs(photographs: int = 4, rows: int = 60):
    X, y = made(photographs * rows, 5)
    groups = np.array([f"p{i % photographs}" for i in range(len(y))])
    shift = {f"p{i}": np.random.default_rng(i).normal(size=X.shape[1]) * X.std(0) for i in range(photographs)}
    return np.float32(X + np.stack([shift[g] for g in groups])), y, groups


@pytest.mark.parametrize("masked", [False, True])
def test_it_equals_fits_made_one_by_one(masked):
    X, y, groups = made_photographs()
    trainable = np.random.default_rng(0).random(len(y)) < 0.7 if masked else None
    train = np.ones(len(y), bool) if trainable is None else trainable
    result = fit_leave_one_out(X, y, groups, classes=CLASSES, trainable=trainable, penalties=PENALTIES)
    for photograph, facts in zip(result.photographs, result.facts, strict=True):
        rest = train & (groups != photograph)
        for penalty, loss in facts.path:
            total = 0.0
            for other in set(result.photographs) - {photograph}:
                held = rest & (groups == other)
                total += fit_one(X, y, rest & ~held, held, penalty).facts.validation_loss * held.sum()
            assert loss == pytest.approx(total / rest.sum(), rel=4e-3)
        assert facts.penalty == min(facts.path, key=lambda pair: pair[1])[0]
        alone = fit_one(X, y, rest, rest, facts.penalty)
        held = groups == photograph
        np.testing.assert_allclose(result.probabilities[held], alone.probabilities(X[held]), atol=5e-3)
    deployed = fit_one(X, y, train, train, result.deployment.penalty)
    np.testing.assert_allclose(result.deployment.probabilities(X), deployed.probabilities(X), atol=5e-3)


def fit_one(X, y, train, validation, penalty):
    return fit(X[train], y[train], classes=CLASSES, validation=(X[validation], y[validation]), penalties=(penalty,))


def test_two_photographs_are_too_few():
    X, y, groups = made_photographs(2)
    with pytest.raises(BadArray, match="at least three"):
        fit_leave_one_out(X, y, groups, classes=CLASSES)
