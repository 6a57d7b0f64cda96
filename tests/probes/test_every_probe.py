"""Every kind of probe passes the same checks."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from probing_core.errors import BadArray
from probing_core.probes import knn, linear, mlp
from tests.probes.test_linear import CLASSES, made

KINDS = {
    "linear": linear.fit,
    "mlp": lambda X, y, **options: mlp.fit_seeds(X, y, seeds=(0,), **options)[0],
}


@pytest.mark.parametrize("fit", KINDS.values(), ids=KINDS)
def test_it_learns_repeats_and_reports(fit):
    (X, y), validation, (Xt, yt) = made(900, 1), made(300, 2), made(500, 3)
    probes = [fit(X, y, classes=CLASSES, validation=validation) for _ in range(2)]
    p = probes[0].probabilities(Xt)
    assert p.shape == (500, len(CLASSES))
    assert p.dtype == np.float32
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(p, probes[1].probabilities(Xt))
    assert (p.argmax(1) == yt).mean() > 2 / len(CLASSES)
    facts = probes[0].facts
    assert facts.validation_loss == pytest.approx(min(loss for _, loss in facts.path), rel=5e-3)
    held = -np.log(probes[0].probabilities(validation[0])[np.arange(300), validation[1]]).mean()
    assert facts.validation_loss == pytest.approx(held, rel=1e-4)


@pytest.mark.parametrize("fit", KINDS.values(), ids=KINDS)
def test_it_refuses_arrays_that_do_not_fit(fit):
    X, y = made(60, 1)
    with pytest.raises(BadArray):
        fit(X, y[:-1], classes=CLASSES, validation=(X, y))


def test_neighbors_are_scikit_learns():
    (X, y), (Xt, _) = made(400, 1), made(100, 2)
    found = knn.votes(X, y, Xt, (5,), len(CLASSES))[5]
    theirs = KNeighborsClassifier(5, metric="cosine").fit(X, y).predict_proba(Xt)
    np.testing.assert_allclose(found, (5 * theirs + 1 / len(CLASSES)) / 6, atol=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_seeds_trained_together_are_those_trained_alone(dropout):
    (X, y), validation = made(300, 1), made(100, 2)
    together = mlp.fit_seeds(X, y, classes=CLASSES, validation=validation, seeds=(0, 1), dropout=dropout)
    alone = mlp.fit_seeds(X, y, classes=CLASSES, validation=validation, seeds=(1,), dropout=dropout)[0]
    np.testing.assert_allclose(together[1].probabilities(X), alone.probabilities(X), atol=1e-3)
    assert np.abs(together[0].probabilities(X) - alone.probabilities(X)).max() > 0.01


def test_fit_selected_uses_the_settings_with_the_lowest_validation_loss_for_all_seeds():
    (X, y), validation = made(300, 1), made(100, 2)
    selected = mlp.fit_selected(X, y, classes=CLASSES, validation=validation, seeds=(3, 4))
    fit = partial(mlp.fit_seeds, X, y, classes=CLASSES, validation=validation)
    losses = {}
    for settings in mlp.GRID:
        (probe,) = fit(seeds=(3,), dropout=settings.dropout, weight_decay=settings.weight_decay)
        losses[settings] = probe.facts.validation_loss
    assert len(set(losses.values())) == len(mlp.GRID)
    assert losses[selected.settings] == min(losses.values())
    for seed, probe in zip((3, 4), selected.probes, strict=True):
        settings = selected.settings
        (expected,) = fit(seeds=(seed,), dropout=settings.dropout, weight_decay=settings.weight_decay)
        np.testing.assert_array_equal(probe.probabilities(X), expected.probabilities(X))


def test_fit_selected_separates_classes_that_no_linear_probe_separates():
    X = np.random.default_rng(0).normal(size=(3000, 4)).astype(np.float32)
    y = (X[:, 0] * X[:, 1] > 0).astype(np.int64)
    options = {"classes": ("different", "same"), "validation": (X[2000:2500], y[2000:2500])}
    (network,) = mlp.fit_selected(X[:2000], y[:2000], seeds=(0,), **options).probes
    single_layer = linear.fit(X[:2000], y[:2000], **options)
    accuracies = [(probe.probabilities(X[2500:]).argmax(1) == y[2500:]).mean() for probe in (network, single_layer)]
    assert accuracies[0] > 0.9
    assert accuracies[1] < 0.6


def test_fit_seeds_with_few_epochs_anneals_within_them():
    (X, y), validation = made(300, 1), made(100, 2)
    fit = partial(mlp.fit_seeds, X, y, classes=CLASSES, validation=validation, seeds=(0,))
    (few,), (many,) = fit(epochs=4), fit()
    paths = [[loss for _, loss in probe.facts.path] for probe in (few, many)]
    assert [len(path) for path in paths] == [4, mlp.EPOCHS]
    assert paths[0] != paths[1][:4]  # the learning rate falls faster


@pytest.mark.parametrize("rows", [1, 744, 12_000, 16_001, 40_548, 100_000, 10**7])
def test_epochs_for_limits_the_rows_read_unless_there_are_few_epochs(rows):
    epochs = mlp.epochs_for(rows)
    assert mlp.MIN_EPOCHS <= epochs <= mlp.EPOCHS
    assert epochs * rows <= mlp.MAX_ROWS_READ or epochs == mlp.MIN_EPOCHS
    assert (epochs + 1) * rows > mlp.MAX_ROWS_READ or epochs == mlp.EPOCHS


def test_smoothed_labels_are_learned_less_surely_and_chosen_by_the_plain_loss():
    (X, y), validation = made(300, 1), made(100, 2)
    fitted = [
        mlp.fit_seeds(X, y, classes=CLASSES, validation=validation, seeds=(0,), smoothing=smoothing)[0]
        for smoothing in (0.0, 0.2)
    ]
    plain, smooth = (probe.probabilities(X).max(1).mean() for probe in fitted)
    assert smooth < plain - 0.02
    held = -np.log(fitted[1].probabilities(validation[0])[np.arange(100), validation[1]]).mean()
    assert fitted[1].facts.validation_loss == pytest.approx(held, rel=1e-4)


def test_dropped_units_keep_the_mean_and_differ_between_layers():
    generators = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
    layers = mlp._first_layers((5, 400, 400, 3), generators)
    kept = mlp._kept_units(layers, 50, 0.3, generators)
    assert [tuple(k.shape) for k in kept] == [(2, 50, 400)] * 2
    for k in kept:
        assert k.unique().tolist() == pytest.approx([0, 1 / 0.7])
        assert float(k.mean()) == pytest.approx(1, abs=0.02)
    assert not torch.equal(*kept)


def test_listing_probes_loads_no_framework():
    code = "import sys; from probing_core.probes import DEFINITIONS, LinearProbe; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
