"""A run is read as tables, and its pictures are made again."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from lab.devtools.run_edits import put
from probing_core.compute.sampling.samples import make_pair
from probing_core.errors import BadRun
from probing_core.results import PicturesMissing, Run
from probing_core.run.layout import slug
from probing_core.run.live import read_probe
from probing_core.run.run_files import RunFiles
from probing_core.transforms import GROUPS, resolve


def test_tables(made_run):
    run = Run.open(made_run)
    assert run.models["name"].iloc[0] == "zoo/mae"
    assert len(run.samples) == 32 * run.images["used"].sum()
    assert run.tasks == ["fine", "group-0", "group-1", "group-2"]
    assert run.classes("group") == list(GROUPS)
    assert len(run.classes("fine")) == 31
    assert len(run.classes("content")) == run.samples["label"].nunique()
    assert {"balanced-accuracy", "recall"} <= set(run.scores["measure"])
    assert len(run.fits) == 32


@pytest.mark.parametrize("task", ["fine", "group-1"])
def test_predictions_are_joined_with_their_samples(made_run, task):
    run = Run.open(made_run)
    told = run.predictions("baseline/pixels", task)
    assert {told[c].dtype.name for c in ("truth", "predicted", "transform", "image_id")} == {"category"}
    assert told["truth"].dtype == told["predicted"].dtype
    found = told.astype(dict.fromkeys(told.select_dtypes("category"), "str"))
    stored = run.table(f"models/{slug('baseline/pixels')}/predictions/{task}.parquet")
    expected = stored.merge(run.samples, on="sample", how="left", validate="one_to_one")
    expected = expected.assign(correct=expected["truth"] == expected["predicted"])
    pd.testing.assert_frame_equal(found[list(expected)], expected)
    some = run.predictions("baseline/pixels", task, ("base_id",))
    assert list(some) == ["sample", "truth", "predicted", "p_truth", "p_predicted", "seen", "base_id", "correct"]


def test_columns_and_rows_of_samples_are_those_of_the_table(made_run):
    run = Run.open(made_run)
    columns = run.sample_columns("transform", "strength", "no such column")
    assert list(columns) == ["transform", "strength"]
    assert list(columns["transform"].cat.categories) == sorted(run.samples["transform"].unique())
    assert columns["transform"].tolist() == run.samples["transform"].tolist()
    assert run.sample_count == len(run.samples)
    rows = np.array([40, 3, 7])
    pd.testing.assert_frame_equal(
        run.sample_rows(rows)[list(run.samples)], run.samples.iloc[rows].reset_index(drop=True)
    )


@pytest.mark.parametrize("damage", ["unknown", "beyond", "twice", "none"])
def test_predictions_of_other_samples_are_refused(made_run, tmp_path, damage):
    shutil.copytree(made_run, tmp_path / "run")
    store = RunFiles(tmp_path / "run")
    samples = store.read_table("samples.parquet")
    name = f"models/{slug('baseline/pixels')}/predictions/fine.parquet"
    told = store.read_table(name)
    if damage == "unknown":
        samples = samples[samples["sample"] != told["sample"].iloc[0]]
    elif damage == "beyond":
        told.loc[0, "sample"] = samples["sample"].max() + 5
    elif damage == "twice":
        told.loc[0, "sample"] = told["sample"].iloc[1]
    else:
        samples = samples[:0]
    put(store, {"samples.parquet": samples})
    put(store, {name: told})
    with pytest.raises(BadRun, match=rf"predictions in '{name}' do not match the samples"):
        Run.open(tmp_path / "run").predictions("baseline/pixels", "fine")


def test_a_table_that_is_not_there_is_empty(made_run):
    run = Run.open(made_run)
    assert run.table("tables/thresholds.parquet").empty
    assert run.predictions("zoo/mae", "content").empty
    assert run.map("no such model") is None
    assert run.embeddings("no such model") is None
    stored = run.embeddings("baseline/pixels")
    assert stored is not None
    assert stored.shape == (len(run.samples), 768)


def test_pictures_are_those_of_the_pipeline(made_run):
    run = Run.open(made_run)
    for sample in (0, 1, 5, 20):
        row = run.samples.iloc[sample]
        source = run.pictures.source(row["image_id"])
        transform = resolve(row["transform"]).for_split(row["split"])
        expected = make_pair(source, run.recipe.design, transform, row["image_id"], row["repetition"], row["draw"])
        before, after = run.picture(sample)
        np.testing.assert_array_equal(before, expected[0])
        np.testing.assert_array_equal(after, expected[1])
        assert (before == after).all() == (row["transform"] == "identity")


def test_a_run_of_another_corpus_says_that_it_has_no_pictures(made_run, tmp_path):
    for recipe, said in (
        ({"corpus": "folder:/no/such/folder"}, "cannot be opened"),
        ({"fingerprint": "0"}, "instead of"),
    ):
        store = RunFiles(tmp_path / said.replace(" ", "-"))
        for name in ("images.parquet", "samples.parquet"):
            put(store, {name: RunFiles(made_run).read_table(name)})
        put(store, {"run.toml": RunFiles(made_run).read_toml("run.toml") | recipe})
        with pytest.raises(PicturesMissing, match=said):
            Run.open(store.root).picture(0)


def test_no_run(tmp_path):
    with pytest.raises(BadRun, match="is not a run directory"):
        Run.open(tmp_path)


def test_the_digest_changes_with_the_run(made_run, tmp_path):
    store = RunFiles(tmp_path)
    put(store, {"run.toml": RunFiles(made_run).read_toml("run.toml")})
    before = Run.open(tmp_path)
    put(store, {"tables/more.parquet": b"x"})
    after = Run.open(tmp_path)
    assert before.digest != after.digest, "also where it is asked for only now: this run does not know the table"
    put(store, {"tables/more.parquet": b"y"})
    assert Run.open(tmp_path).digest not in (before.digest, after.digest)


def test_reading_needs_no_deep_learning_framework(made_run):
    code = (
        "import sys; from probing_core.results import Run, leaderboard; "
        f"run = Run.open({str(made_run)!r}); leaderboard(run); run.picture(3); "
        "assert not {'torch', 'umap', 'onnxruntime'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_data_are_what_the_probes_of_a_run_learn_and_are_tested_on(trained_run):
    run = Run.open(trained_run)
    (model,) = run.models["name"]
    X, y, photographs = run.data(model, split="test")
    tested = run.predictions(model, "fine", ("base_id",))
    assert sorted(zip(y, photographs, strict=True)) == sorted(
        zip(tested["truth"].astype(str), tested["base_id"].astype(str), strict=True)
    )
    assert X.shape == (len(y), run.models["dim"][0])
    probe = read_probe(run.store, model, "fine")
    right = np.array(probe.classes)[probe.probabilities(X).argmax(1)] == y
    assert right.mean() == pytest.approx(tested["correct"].mean()), "the probe of the run gives its own predictions"
    learned, held_out = run.data(model, split="train"), run.data(model, split="test")
    assert not set(learned.photographs) & set(held_out.photographs)
    assert len(run.data(model).y) == sum(len(run.data(model, split=split).y) for split in ("train", "val", "test"))


def test_data_of_a_group_task_come_apart_into_what_was_learned_and_what_was_not(trained_run):
    run = Run.open(trained_run)
    model = run.models["name"][0]
    task = next(task for task in run.tasks if task.startswith("group"))
    tested = run.predictions(model, task, ())
    assert set(tested["seen"]) == {True, False}
    for seen in (True, False):
        y = run.data(model, task, "test", seen=seen).y
        assert sorted(y) == sorted(tested.loc[tested["seen"] == seen, "truth"].astype(str))
    assert set(run.data(model, "content", "train").y) == set(run.classes("content"))
