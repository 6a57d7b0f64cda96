"""The deployment probe is chosen on renderings of photographs held out, fitted again on all, and calibrated by probes
that did not learn from the photograph."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from probing_core.compute.folds import folds_of
from probing_core.compute.lazy_rows import LazyRows
from probing_core.compute.live import deployment
from probing_core.compute.live.deployment import Deployment, class_weights, fit_deployment
from probing_core.compute.model_samples import ModelSamples
from probing_core.compute.names import DEPLOYMENT, NOTICING
from probing_core.probes.base import FitFacts, LinearProbe
from probing_core.run.layout import predictions_path, probe_path
from probing_core.run.probes import read_noticing, read_probe
from probing_core.run.store import Store
from tests.compute.train.samples import samples_of

MODEL = "baseline/handcrafted"


def deployment_of(work: ModelSamples, store: Store) -> Deployment:
    task = work.task("fine")
    return fit_deployment(work, task, folds_of(work, task), [read_probe(store, MODEL, "fine")])


@pytest.fixture(scope="module")
def store(trained_run) -> Store:
    return Store(trained_run)


@pytest.fixture(scope="module")
def work(store) -> ModelSamples:
    return samples_of(store, MODEL)


@pytest.fixture(scope="module")
def made(work, store) -> Deployment:
    return deployment_of(work, store)


@dataclass(frozen=True, eq=False)
class Witness(LinearProbe):
    """A probe that refuses to predict of a photograph that it learned from; embeddings are numbers of photographs."""

    learned: frozenset = frozenset()

    def probabilities(self, X: np.ndarray) -> np.ndarray:
        assert not self.learned & set(X[:, 0].tolist()), "it has seen the photograph"
        rng = np.random.default_rng(len(X))
        p = rng.random((len(X), len(self.classes)))
        return (p / p.sum(1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("with_renderings", [True, False])
def test_no_answer_that_calibrates_comes_from_a_probe_that_saw_its_photograph(
    work, store, monkeypatch, with_renderings
):
    fits = []

    def fit(X, y, *, classes, validation, penalties, **_):
        k = len(classes)
        learned = frozenset(X[:][:, 0].tolist())
        facts = FitFacts(0.1, False, True, 1, 1.0)
        fits.append((learned, len(penalties)))
        return Witness(tuple(classes), np.zeros((k, 1)), np.zeros(k), np.zeros(1), np.ones(1), facts, learned=learned)

    table, _ = work.rendered
    names = pd.Index(np.unique([*work.photographs, *table["base_id"]]))
    number = lambda bases: names.get_indexer(bases).astype(np.float32)[:, None]  # noqa: E731
    rendered = (table, number(table["base_id"])) if with_renderings else None
    numbered = replace(work, X=LazyRows((number(work.photographs),)), rendered=rendered)
    monkeypatch.setattr(deployment, "fit", fit)
    found = deployment_of(numbered, store)
    taking_part = work.samples["draw"].to_numpy() == 0
    assert np.isfinite(found.altered[taking_part]).all()
    assert (found.named[taking_part] > 0).all(), "identity is named of no picture that was altered"
    everybody = frozenset(float(i) for i in range(len(names)))
    *choosing, last = [learned for learned, penalties in fits]
    assert last == everybody, "the probe that is kept learned from all photographs"
    five = choosing[-5:]
    assert all(not (everybody - one) & (everybody - other) for one in five for other in five if one is not other)
    assert frozenset.union(*(everybody - one for one in five)) == everybody


def test_the_probe_that_is_stored_is_the_one_with_its_calibration(made, store):
    stored = read_probe(store, MODEL, DEPLOYMENT)
    np.testing.assert_allclose(stored.weight, made.probe.weight, atol=1e-5)
    assert stored.temperature == pytest.approx(made.probe.temperature)
    assert store.has(probe_path(MODEL, NOTICING))
    found = read_noticing(store, MODEL)["direct"]
    assert found.temperature == pytest.approx(made.noticing.temperature, rel=1e-3)


def test_tested_samples_have_the_answers_of_probes_that_had_not_seen_them(made, work, store):
    table = store.read_table(predictions_path(MODEL, "fine"))
    np.testing.assert_allclose(table["altered"], made.altered[table["sample"]], atol=1e-3)
    classes = np.array(work.task("fine").classes)
    assert (table["named"] == classes[made.named[table["sample"]]]).mean() > 0.99
    assert "identity" not in set(table["named"])


def test_the_tested_photographs_are_learned_from_as_well(made, work, store):
    test = (work.samples["split"] == "test").to_numpy()
    moved = replace(work, X=LazyRows((np.where(test[:, None], work.X[:][:, ::-1], work.X[:]),)))
    assert not np.allclose(deployment_of(moved, store).probe.weight, made.probe.weight)


def test_every_class_weighs_the_same():
    truth = np.repeat([0, 1, 3], [11, 13, 5])
    weights = class_weights(truth)
    assert weights.mean() == pytest.approx(1)
    totals = np.bincount(truth, weights)[[0, 1, 3]]
    assert totals == pytest.approx(np.full(3, totals.mean()))


def test_of_several_repetitions_the_first_alone_is_learned_beside_the_renderings(work, store, made):
    later = work.samples["repetition"].to_numpy() > 0
    assert later.any()
    spoilt = replace(work, X=LazyRows((np.where(later[:, None], np.float32(1e3), work.X[:]),)))
    assert np.array_equal(deployment_of(spoilt, store).probe.weight, made.probe.weight)
