"""Training of probes: folds, predictions, MLP and k-NN probes, the deployment probe."""

from __future__ import annotations

import doctest
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsClassifier

from probing_core.compute.lazy_rows import LazyRows
from probing_core.compute.runtime import parallel
from probing_core.compute.sampling.samples import plan_samples
from probing_core.compute.task_names import DEPLOYMENT, NOTICING, OTHER_PROBES
from probing_core.compute.training import deployment_probe, other_probes, probe_training
from probing_core.compute.training.deployment_probe import Deployment, class_weights, fit_deployment
from probing_core.compute.training.model_samples import MAX_FOLDS, FoldProbe, ModelSamples, draw_photographs, folds_of
from probing_core.compute.training.probe_training import round_probabilities
from probing_core.errors import BadCorpus
from probing_core.measures.classification import at_temperature, fit_temperature
from probing_core.probes import mlp
from probing_core.probes.linear import PENALTY_GRID, fit, fit_in_span, fixed_penalty
from probing_core.probes.probe import FitFacts, LinearProbe
from probing_core.run.directory import RunDirectory
from probing_core.run.layout import fits_path, predictions_path, probe_path
from probing_core.run.live import read_posteriors, read_probe
from probing_core.run.models import differences, model_entries, read_embeddings
from probing_core.run.pipeline import run
from probing_core.run.recipe import Recipe, load_transforms, read_recipe
from probing_core.run.run_files import RunFiles
from probing_core.run.train import model_samples
from probing_core.run.work import Work
from tests.plans import pending

NAMES = ("identity", "brighten", "contrast", "gaussian-blur", "motion-blur")


def data_of(photographs: int, views: int = 2, reverse: bool = False, **recipe) -> ModelSamples:
    """A model of 3 numbers over the samples of ``photographs``, ``views`` images each; a third is of each split."""
    images = pd.DataFrame(
        [
            (f"p{i}/{view}", f"p{i}", "", ("train", "val", "test")[i % 3], True)
            for i in range(photographs)
            for view in range(views)
        ],
        columns=["image_id", "base_id", "label", "split", "used"],
    )
    images = images[::-1].reset_index(drop=True) if reverse else images
    asked = Recipe(corpus="made", fingerprint="", transforms=NAMES, models=("made",), **recipe)
    samples = plan_samples(asked.design, images)
    return ModelSamples(
        model="made",
        X=LazyRows((np.zeros((len(samples), 3), np.float32),)),
        samples=samples,
        images=images,
        transforms=load_transforms(asked),
        seed=asked.seed,
        train_samples=10**6,
    )


@pytest.mark.parametrize("photographs", [2, 3, 5, 7, 29])
@pytest.mark.parametrize("name", ["fine", "group-1"])
def test_every_photograph_is_tested_once_and_never_learned_from_in_its_fold(photographs, name):
    data = data_of(photographs)
    task, folds = data.task(name), folds_of(data, data.task(name))
    assert len(folds) == min(MAX_FOLDS, photographs)
    tested = np.concatenate([fold.test for fold in folds])
    assert sorted(tested) == np.flatnonzero(task.takes_part).tolist()
    sizes = []
    for fold in folds:
        learned, held = (set(data.photographs[rows]) for rows in (fold.train, fold.test))
        assert not learned & held
        assert len(learned | held) == photographs
        assert task.seen[fold.train].all()
        assert fold.val.tolist() == fold.test[task.seen[fold.test]].tolist()
        assert fold.penalties == (fixed_penalty(3),)
        sizes.append(len(held))
    assert max(sizes) - min(sizes) <= 1
    assert [fold.name for fold in folds] == [f"fold-{i + 1}" for i in range(len(folds))]


def test_groups_of_photographs_depend_on_their_names_and_the_seed_alone():
    def tested(**changes) -> list[set[str]]:
        data = data_of(12, **changes)
        return [set(data.samples["image_id"].iloc[fold.test]) for fold in folds_of(data, data.task("fine"))]

    assert tested() == tested() == tested(reverse=True)
    assert tested() != tested(seed=1)


def test_thirty_photographs_are_one_fold_by_their_splits():
    data = data_of(30)
    task = data.task("group-1")
    (fold,) = folds_of(data, task)
    for split, rows, learned in (("train", fold.train, True), ("val", fold.val, True), ("test", fold.test, False)):
        wanted = task.takes_part & (data.samples["split"] == split).to_numpy() & (task.seen | (not learned))
        assert rows.tolist() == np.flatnonzero(wanted).tolist()
    assert (fold.name, fold.penalties, fold.note) == ("split", PENALTY_GRID, "")


def test_no_fold_learns_from_more_samples_than_the_run_states():
    data = replace(data_of(12), train_samples=20)
    for fold in folds_of(data, data.task("fine")):
        assert len(fold.train) == 20  # two photographs of two images under five transforms
        assert fold.note in ("learned from 20 of 90 samples", "learned from 20 of 100 samples")
    assert (
        sorted(np.concatenate([fold.test for fold in folds_of(data, data.task("fine"))]))
        == np.flatnonzero(data.task("fine").takes_part).tolist()
    )


def test_one_photograph_and_a_split_without_images_are_refused():
    alone = data_of(1)
    with pytest.raises(BadCorpus, match="requires at least 2 photographs, but the corpus has 1"):
        folds_of(alone, alone.task("fine"))
    data = data_of(30)
    data.samples["split"] = data.samples["split"].replace("val", "train")
    with pytest.raises(BadCorpus, match="no usable images in the 'val' split"):
        folds_of(data, data.task("fine"))


def samples_of(store: RunFiles, model: str, task: str = "fine") -> ModelSamples:
    """Return what the training of ``task`` reads of ``model``."""
    run = RunDirectory(store.root)
    return model_samples(Work(run, read_recipe(run)), model, with_renderings=task == "fine")


MODEL = "baseline/handcrafted"


@pytest.fixture(scope="module")
def store(trained_run) -> RunFiles:
    return RunFiles(trained_run)


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


def test_train_others_knn_votes_as_in_scikit_learn(store, samples, X):
    predictions = store.read_table(predictions_path(MODEL, OTHER_PROBES)).query("probe == 'knn-20'")
    used = samples[samples["draw"] == 0]
    train, test = (used[used["split"] == s] for s in ("train", "test"))
    other = KNeighborsClassifier(20, metric="cosine", algorithm="brute").fit(X[train.index], train["transform"])
    votes = pd.DataFrame(other.predict_proba(X[test.index]), test.index, other.classes_)
    expected = [votes.at[s, t] for s, t in zip(predictions["sample"], predictions["truth"], strict=True)]
    np.testing.assert_allclose(predictions["p_truth"], (np.array(expected) * 20 + 1 / 5) / 21, atol=1e-6)


def test_train_others_predicts_the_test_samples_of_the_linear_probe(store):
    expected = store.read_table(predictions_path(MODEL, "fine"))["sample"].tolist()
    predictions = store.read_table(predictions_path(MODEL, OTHER_PROBES))
    assert {probe: rows["sample"].tolist() for probe, rows in predictions.groupby("probe")} == dict.fromkeys(
        ["mlp-0", "mlp-1", "mlp-2", "knn-5", "knn-20", "knn-50"], expected
    )


def test_train_others_fits_mlps_on_the_rows_of_the_linear_probe(store, samples, X):
    used = samples[samples["draw"] == 0]
    train, val, test = (used.index[used["split"] == split].to_numpy() for split in ("train", "val", "test"))
    truth = used["transform"].map(NAMES.index)
    selected = mlp.fit_selected(
        X[train],
        truth[train].to_numpy(copy=True),
        classes=NAMES,
        validation=(X[val], truth[val].to_numpy(copy=True)),
        seeds=other_probes.MLP_SEEDS,
    )
    fits = store.read_table(fits_path(MODEL, OTHER_PROBES)).set_index("probe")
    predictions = store.read_table(predictions_path(MODEL, OTHER_PROBES))
    for seed, probe in zip(other_probes.MLP_SEEDS, selected.probes, strict=True):
        expected = probe.probabilities(X[test])[np.arange(len(test)), truth[test]]
        stored = predictions.loc[predictions["probe"] == f"mlp-{seed}", "p_truth"]
        np.testing.assert_allclose(stored, expected, atol=2e-3)
        assert fits.loc[f"mlp-{seed}", ["penalty", "dropout"]].tolist() == [
            selected.settings.weight_decay,
            selected.settings.dropout,
        ]


def test_train_others_with_too_many_samples_draws_whole_photographs_and_notes_it(work, monkeypatch):
    monkeypatch.setattr(other_probes, "MAX_ROWS", 60)
    fits = other_probes.train_others(work).fits
    (note,) = fits["note"].unique()
    drawn, available = (int(word) for word in note.split() if word.isdigit())
    of_a_photograph = (work.photographs[work.task("fine").takes_part] == work.photographs[0]).sum()
    assert 0 < drawn <= 60 < available
    assert drawn % of_a_photograph == 0


def test_example_of_training_runs():
    assert doctest.testmod(probe_training).failed == 0
    assert probe_training.__doc__.count(">>>") > 10


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


def deployment_of(work: ModelSamples, store: RunFiles) -> Deployment:
    task = work.task("fine")
    (fold,) = folds_of(work, task)
    return fit_deployment(work, task, [FoldProbe(fold, read_probe(store, MODEL, "fine"))])


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
    monkeypatch.setattr(deployment_probe, "fit", fit)
    found = deployment_of(numbered, store)
    taking_part = work.samples["draw"].to_numpy() == 0
    assert np.isfinite(found.altered[taking_part]).all()
    assert (found.named[taking_part] > 0).all(), "identity is named of no picture that was altered"
    everybody = frozenset(float(i) for i in range(len(names)))
    *_, returned, first, second, third, fourth, fifth = [learned for learned, penalties in fits]
    assert returned == everybody, "the probe that is kept learned from all photographs"
    five = (first, second, third, fourth, fifth)
    assert all(not (everybody - one) & (everybody - other) for one in five for other in five if one is not other)
    assert frozenset.union(*(everybody - one for one in five)) == everybody


def test_what_is_stored_are_the_probe_its_calibration_and_the_answers_about_tested_samples(made, work, store):
    stored = read_probe(store, MODEL, DEPLOYMENT)
    np.testing.assert_allclose(stored.weight, made.probe.weight, atol=1e-5)
    assert stored.temperature == pytest.approx(made.probe.temperature)
    assert store.has(probe_path(MODEL, NOTICING))
    found = read_posteriors(store, MODEL)["direct"]
    assert found.temperature == pytest.approx(made.posterior.temperature, rel=1e-3)
    table = store.read_table(predictions_path(MODEL, "fine"))
    np.testing.assert_allclose(table["altered"], made.altered[table["sample"]], atol=1e-3)
    classes = np.array(work.task("fine").classes)
    assert (table["named"] == classes[made.named[table["sample"]]]).mean() > 0.99
    assert "identity" not in set(table["named"])


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


MAX_SAMPLES = 60


@pytest.fixture(scope="module")
def limited(trained_run, tmp_path_factory) -> Iterator[RunFiles]:
    """The trained run as a machine makes it whose memory holds so few samples: embeddings and samples are the same."""
    store = RunFiles(shutil.copytree(trained_run, tmp_path_factory.mktemp("limited") / "run"))
    dim = model_entries(store)[0]["dim"]
    machine = SimpleNamespace(total=4 * (dim + 1) * MAX_SAMPLES / parallel.MEMORY_OF_TRAINING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel.psutil, "virtual_memory", lambda: machine)
        assert pending(store.root, "embed") == []
        run(store.root, until="evaluate")
        yield RunFiles(store.root)


def test_photographs_are_drawn_whole_by_the_seed(trained_run):
    data = samples_of(RunFiles(trained_run), MODEL)
    rows = np.flatnonzero(data.split == "train")
    of_one = (data.photographs == data.photographs[rows[0]]).sum()
    drawn = {}
    for most in (1, of_one, 3 * of_one + 1, len(rows)):
        drawn[most] = draw_photographs(data, rows, most)
        for photograph in set(data.photographs[drawn[most]]):
            assert set(np.flatnonzero(data.photographs == photograph)) <= set(drawn[most])
    assert [len(found) for found in drawn.values()] == [of_one, of_one, 3 * of_one, len(rows)]
    assert set(drawn[of_one]) < set(drawn[3 * of_one + 1])
    other = replace(data, seed=1)
    assert set(draw_photographs(other, rows, 3 * of_one)) != set(drawn[3 * of_one + 1])


@pytest.mark.slow
def test_probes_learn_from_the_drawn_ones_alone(limited):
    data = samples_of(limited, MODEL)
    task = data.task("fine")
    (fold,) = folds_of(data, task)
    train, val, test = fold.train, fold.val, fold.test
    assert 0 < len(train) <= MAX_SAMPLES
    assert 0 < len(val) <= MAX_SAMPLES
    assert len(test) == (task.takes_part & (data.split == "test")).sum()
    expected = fit_in_span(
        data.X.at(train), task.truth[train], classes=task.classes, validation=(data.X.at(val), task.truth[val])
    )
    np.testing.assert_allclose(read_probe(limited, MODEL, "fine").weight, expected.weight, atol=1e-6)


@pytest.mark.slow
def test_the_number_stands_beside_each_score(limited, trained_run):
    data = samples_of(limited, MODEL)
    note = folds_of(data, data.task("fine"))[0].note
    learned, there = (int(word) for word in note.split() if word.isdigit())
    assert learned <= MAX_SAMPLES < there
    scores = limited.read_table("tables/scores.parquet")
    assert scores.loc[scores["task"] == "fine", "note"].str.contains(note).all()
    of_groups = scores["task"].str.startswith("group-")
    assert scores.loc[of_groups, "note"].str.contains("learned from .* of .* samples").all()
    assert not scores.loc[scores["task"] == "content", "note"].str.contains("learned from").any()  # it has fewer
    before = RunFiles(trained_run).read_table("tables/scores.parquet")
    assert not before["note"].str.contains("of .* samples").any()
