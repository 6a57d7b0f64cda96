"""What training leaves: content and its oracles, other probes, calibration, adoption."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsClassifier

from probing_core.compute.train.tables import round_probabilities
from probing_core.measures.classification import at_temperature, fit_temperature
from probing_core.probes.linear import fit
from probing_core.run.embeddings import read_embeddings
from probing_core.run.layout import predictions_path
from probing_core.run.models import differences
from probing_core.run.probes import read_probe
from probing_core.run.stages import run
from probing_core.run.store import Store

MODEL = "baseline/handcrafted"


@pytest.fixture(scope="module")
def store(trained_run) -> Store:
    return Store(trained_run)


@pytest.fixture(scope="module")
def samples(store) -> pd.DataFrame:
    return store.read_table("samples.parquet")


@pytest.fixture(scope="module")
def X(store) -> np.ndarray:
    return read_embeddings(store, MODEL)


def once(samples: pd.DataFrame, split: str, transform: str) -> np.ndarray:
    rows = samples[(samples["split"] == split) & (samples["transform"] == transform)]
    return rows.index[(rows["repetition"] == 0) & (rows["draw"] == 0)].to_numpy()


@pytest.mark.parametrize("transform", ["identity", "contrast"])
def test_content_is_learned_from_clean_images_and_its_oracle_from_images_transformed_alike(
    store, samples, X, transform
):
    name = "content" if transform == "identity" else "content-oracle"
    told = store.read_table(predictions_path(MODEL, name)).merge(samples, on="sample")
    told = told[told["transform"] == transform]
    truth = (samples["label"] == "odd").to_numpy(np.int64)
    train, val, test = (once(samples, split, transform) for split in ("train", "val", "test"))
    probe = fit(X[train], truth[train], classes=("even", "odd"), validation=(X[val], truth[val]))
    assert told["sample"].tolist() == test.tolist()
    expected = probe.probabilities(X[test])[np.arange(len(test)), truth[test]]
    np.testing.assert_allclose(told["p_truth"], expected, atol=5e-3)


def test_the_content_probe_meets_every_transform_once(store, samples):
    told = store.read_table(predictions_path(MODEL, "content")).merge(samples, on="sample")
    assert (told.groupby("transform").size() == (samples["split"] == "test").sum() // 18).all()  # 3 x (5 + identity)
    assert (told["seen"] == (told["transform"] == "identity")).all()
    assert (told["truth"] == told["label"]).all()


def test_neighbors_vote_as_in_scikit_learn(store, samples, X):
    told = store.read_table(predictions_path(MODEL, "fine-mlp-knn"))
    told = told[told["probe"] == "knn-20"].merge(samples, on="sample")
    first = samples[(samples["repetition"] == 0) & (samples["draw"] == 0)]
    train, test = (first[first["split"] == s] for s in ("train", "test"))
    other = KNeighborsClassifier(20, metric="cosine", algorithm="brute").fit(X[train.index], train["transform"])
    votes = pd.DataFrame(other.predict_proba(X[test.index]), test.index, other.classes_)
    expected = [votes.at[s, t] for s, t in zip(told["sample"], told["truth"], strict=True)]
    np.testing.assert_allclose(told["p_truth"], (np.array(expected) * 20 + 1 / 5) / 21, atol=1e-6)


def test_too_many_images_are_thinned_as_a_whole(trained_run, tmp_path, monkeypatch):
    from probing_core.compute.train import comparison as others

    copy = tmp_path / "copy"
    shutil.copytree(trained_run, copy)
    Store(copy).remove(predictions_path(MODEL, "fine-mlp-knn"))
    monkeypatch.setattr(others, "MAX_TO_LEARN", 60)
    run(copy, stages=("train",))
    fits = Store(copy).read_table("models/baseline-handcrafted/fits/fine-mlp-knn.parquet")
    assert fits["note"].str.startswith("learned from 12 images, evenly spaced").all()  # 60 samples of 5 classes


def test_reported_probabilities_are_tempered_on_the_val_split(store, samples, X):
    val = samples[(samples["split"] == "val") & (samples["draw"] == 0)]
    probe = read_probe(store, MODEL, "fine")
    held = probe.probabilities(X[val.index])
    assert probe.temperature == 1
    temperature = fit_temperature(held, val["transform"].map(probe.classes.index).to_numpy())
    assert read_probe(store, MODEL, "fine-calibrated").temperature == pytest.approx(temperature)
    told = store.read_table(predictions_path(MODEL, "fine"))
    tempered = at_temperature(probe.probabilities(X[told["sample"]]), temperature).max(1)
    np.testing.assert_allclose(told["p_calibrated"], tempered, atol=1e-5)


def test_kept_probabilities_are_near_smaller_and_in_order():
    rng = np.random.default_rng(0)
    p = 1 / (1 + np.exp(-rng.normal(0, 4, 20_000)))
    near = round_probabilities(p)
    assert near.dtype == np.float32
    assert np.abs(near - p).max() < 0.001
    assert (np.abs(near / p - 1) < 0.004).all()
    assert abs(np.log(near).mean() - np.log(p).mean()) < 1e-4
    assert abs(near.mean() - p.mean()) < 1e-5
    assert (np.diff(near[np.argsort(p)]) >= 0).all()
    assert len(np.unique(near)) < 5000
    assert np.array_equal(round_probabilities(near), near)
    assert round_probabilities(np.append(p, [0, 1e-30, 1]))[-3:] == pytest.approx([0, 0, 1], abs=1e-12)
    votes = np.repeat([0.1, 0.25], 5000)
    assert np.array_equal(round_probabilities(votes), votes.astype(np.float32))


def test_only_what_both_record_is_compared():
    theirs = {"weights": "a", "precision": "float32", "libraries": {"torch": "2.5"}, "gone": 1}
    ours = {"weights": "b", "precision": "bfloat16", "libraries": {"torch": "2.5"}, "new": 2}
    assert differences(theirs, ours) == (["weights"], ["precision"])
    assert differences(theirs | {"batch_size": 16}, ours | {"batch_size": 4}) == (["weights"], ["precision"])
