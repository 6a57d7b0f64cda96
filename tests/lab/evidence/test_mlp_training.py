from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lab.evidence import mlp_training
from probing_core.probes import mlp
from probing_core.run.directory import RunDirectory
from probing_core.run.recipe import read_recipe
from probing_core.run.train import model_samples
from probing_core.run.work import Work


@pytest.fixture(scope="module")
def data(trained_run):
    run = RunDirectory(trained_run)
    return model_samples(Work(run, read_recipe(run)), "baseline/handcrafted", with_renderings=False)


def test_accuracies_of_compares_probes_that_predict_better_than_chance(data, monkeypatch):
    monkeypatch.setattr(mlp, "GRID", mlp.GRID[:1])
    accuracies = mlp_training.accuracies_of(data)
    assert accuracies.keys() == mlp_training.COLUMNS.keys()
    assert all(1 / 5 < accuracy <= 1 for accuracy in accuracies.values())  # five classes


def test_first_images_are_complete_and_in_the_first_repetition(data, monkeypatch):
    monkeypatch.setattr(mlp_training, "FEW_SAMPLES", 60)
    samples = data.samples.assign(repetition=np.arange(len(data.samples)) % 2)
    rows = mlp_training.first_images(replace(data, samples=samples), np.arange(len(samples)))
    assert 0 < len(rows) <= 60
    assert (samples["repetition"][rows] == 0).all()
    chosen = samples["image_id"][rows]
    expected = samples[samples["image_id"].isin(chosen) & (samples["repetition"] == 0)].index
    assert rows.tolist() == expected.tolist()
