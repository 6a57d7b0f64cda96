"""The deployment probe: learned from main samples and renderings, chosen on renderings of photographs held out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from probing_core.compute.folds import folds_of
from probing_core.compute.lazy_rows import LazyRows
from probing_core.compute.live.deployment import Deployment, class_weights, fit_deployment
from probing_core.compute.model_samples import ModelSamples
from probing_core.compute.names import DEPLOYMENT, RENDERING
from probing_core.measures.temperature import fit_temperature
from probing_core.probes.linear import negative_log_likelihood
from probing_core.run.embeddings import read_embeddings
from probing_core.run.layout import series_table
from probing_core.run.probes import read_probe
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


def renderings_held_out(store: Store) -> tuple[np.ndarray, pd.Series]:
    """Embeddings of the renderings of the val split, and their transforms."""
    table = store.read_table(series_table(RENDERING))
    held = (table["split"] == "val").to_numpy()
    return read_embeddings(store, MODEL, series=RENDERING)[held], table.loc[held, "transform"]


def test_penalty_and_temperature_are_those_of_the_held_out_renderings(work, store):
    made = deployment_of(work, store)
    (choosing,) = made.choosing
    rendered, transforms = renderings_held_out(store)
    truth = transforms.map(made.probe.classes.index).to_numpy()
    np.testing.assert_allclose(made.held_out[0], choosing.probabilities(rendered))
    assert np.array_equal(made.held_out[1], truth)
    losses = dict(choosing.facts.path)
    assert made.probe.penalty == choosing.penalty == min(losses, key=losses.__getitem__)
    found = negative_log_likelihood(choosing, rendered, truth)
    assert losses[choosing.penalty] == pytest.approx(found, rel=0.02)
    stored = read_probe(store, MODEL, DEPLOYMENT)
    assert stored.temperature == pytest.approx(fit_temperature(*made.held_out))
    assert stored.root == made.probe.root == choosing.root
    np.testing.assert_allclose(stored.weight, made.probe.weight, atol=1e-5)


def test_renderings_are_told_better_than_by_the_bank_alone(work, store):
    rendered, transforms = renderings_held_out(store)
    (made,), bank = deployment_of(work, store).choosing, read_probe(store, MODEL, "fine")
    truth = transforms.map(bank.classes.index).to_numpy()
    assert negative_log_likelihood(made, rendered, truth) < negative_log_likelihood(bank, rendered, truth)


def test_without_renderings_the_main_samples_choose(work, store):
    made, probe = deployment_of(replace(work, rendered=None), store), read_probe(store, MODEL, "fine")
    assert made.probe.penalty == probe.penalty
    assert replace(made.choosing[0].facts, path=()) == replace(probe.facts, path=())
    assert len(made.held_out[0]) == (work.samples["split"].eq("val") & work.samples["draw"].eq(0)).sum()


def test_every_class_weighs_the_same():
    truth = np.repeat([0, 1, 3], [11, 13, 5])
    weights = class_weights(truth)
    assert weights.mean() == pytest.approx(1)
    totals = np.bincount(truth, weights)[[0, 1, 3]]
    assert totals == pytest.approx(np.full(3, totals.mean()))


def test_of_several_repetitions_the_first_alone_is_learned_beside_the_renderings(work, store):
    again = replace(work, samples=work.samples.assign(repetition=0))
    later = work.samples["repetition"].to_numpy() > 0
    assert later.any()
    spoilt = replace(work, X=LazyRows((np.where(later[:, None], np.float32(1e3), work.X[:]),)))
    weight = deployment_of(work, store).probe.weight
    assert np.array_equal(deployment_of(spoilt, store).probe.weight, weight)
    assert not np.array_equal(deployment_of(again, store).probe.weight, weight)
