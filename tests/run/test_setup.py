"""Runs are started, resumed or refused."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from probing_core.errors import BadConfig, BadRun, ProbingError, UnknownName
from probing_core.results import Run
from probing_core.run import setup
from probing_core.run.options import Options
from probing_core.run.recipe import Recipe
from probing_core.run.stages import run
from probing_core.run.store import Store
from tests.conftest import few_transforms


@pytest.mark.parametrize(
    ("asked", "error", "sentence"),
    [
        ({"models": ("baseline/pixel",)}, UnknownName, "Did you mean 'baseline/pixels'"),
        ({"transforms": ("identity", "brighten", "noise")}, UnknownName, "noise"),
        ({"transforms": ("style-8",)}, BadConfig, "bank,far-styles"),
    ],
)
def test_refused_run_leaves_no_files(few_scenes, tmp_path, asked, error, sentence):
    with pytest.raises(error, match=sentence):
        run(tmp_path / "run", replace(few_transforms(few_scenes, "baseline/pixels"), **asked))
    assert Store(tmp_path / "run").names() == []


def test_refused_options_do_not_bind_the_next_attempt(tmp_path, few_scenes):
    options = few_transforms(few_scenes, "baseline/pixels")
    with pytest.raises(ProbingError, match="has no usable image"):
        run(tmp_path / "run", replace(options, view=256))
    run(tmp_path / "run", options, ("embed",))
    with pytest.raises(BadRun, match="a different recipe"):
        run(tmp_path / "run", replace(options, view=64))
    assert Recipe.from_toml(Store(tmp_path / "run").read_toml("run.toml")).view == 32


def test_existing_run_keeps_its_recipe_if_options_are_refused(tmp_path, few_scenes):
    options = few_transforms(few_scenes, "baseline/pixels")
    store = Store(tmp_path / "run")
    with store.locked():
        setup.open_or_start(store, options)
    with pytest.raises(BadRun, match="has no embeddings"):
        run(tmp_path / "run", Options(), ("train",))
    assert Store(tmp_path / "run").names() == ["run.toml"]


def test_evaluate_requires_predictions(few_scenes, tmp_path):
    options = few_transforms(few_scenes, "baseline/pixels")
    run(tmp_path / "run", options, ("embed",))
    with pytest.raises(BadRun, match="(?s)which is missing from the run .*`probing run --out"):
        run(tmp_path / "run", options, ("evaluate",))


def test_train_requires_all_embeddings(tmp_path, few_scenes):
    options = few_transforms(few_scenes, "baseline/pixels")
    run(tmp_path / "run", options, ("embed",))
    store = Store(tmp_path / "run")
    with store.locked():
        store.remove(store.names("models/baseline-pixels/embeddings/")[-1])
    with pytest.raises(BadRun, match="(?s)has no embeddings .*`probing run --out"):
        run(tmp_path / "run", stages=("train",))


def test_stage_without_a_run_states_how_to_start(tmp_path):
    with pytest.raises(ProbingError, match="is not a run yet"):
        run(tmp_path / "none", stages=("train",))


def test_base_joins_models_to_a_copy_of_a_run(few_scenes, tmp_path):
    options = few_transforms(few_scenes, "baseline/pixels")
    run(tmp_path / "base", options)
    base = Store(tmp_path / "base")
    base.leave_out(*(name for name in base.names() if "/embeddings/" in name))
    base.fold()
    before = {path: path.read_bytes() for path in base.root.rglob("*") if path.is_file()}
    joining = Options(models=("baseline/handcrafted",), base=base.root)
    run(tmp_path / "mine", joining)
    run(tmp_path / "mine", joining)
    assert {path: path.read_bytes() for path in base.root.rglob("*") if path.is_file()} == before
    mine = Run.open(tmp_path / "mine")
    assert list(mine.models["name"]) == ["baseline/pixels", "baseline/handcrafted"]
    assert set(mine.scores["model"]) == set(mine.models["name"])
    computed = [name for name, entry in mine.store.entries("models/").items() if "pinned" not in entry]
    assert computed
    assert not [name for name in computed if "baseline-pixels" in name]
    run(tmp_path / "same", replace(joining, models=("baseline/pixels",)))
    assert list(Run.open(tmp_path / "same").models["name"]) == ["baseline/pixels"], "the run has the model already"
    assert mine.store.damage() == []
    theirs = Run.open(base.root).scores
    assert mine.scores[mine.scores["model"] == "baseline/pixels"].reset_index(drop=True).equals(theirs)
    run(tmp_path / "whole", few_transforms(few_scenes, "baseline/pixels", "baseline/handcrafted"))
    whole = Run.open(tmp_path / "whole")
    assert mine.scores.equals(whole.scores), "as if both had been in one run"
    shutil.rmtree(base.root)
    run(tmp_path / "mine", joining)
    assert Run.open(tmp_path / "mine").scores.equals(whole.scores), "the copy does not need its source"


def test_base_is_refused_where_models_cannot_join(few_scenes, tmp_path):
    options = few_transforms(few_scenes, "baseline/pixels")
    run(tmp_path / "base", options, ("embed",))
    with pytest.raises(BadRun, match="is not a run directory"):
        run(tmp_path / "mine", Options(models=("baseline/dhash",), base=tmp_path / "nowhere"))
    with pytest.raises(BadConfig, match="names of the models"):
        run(tmp_path / "mine", Options(base=tmp_path / "base"))
    assert not (tmp_path / "mine" / "run.toml").exists()
    with pytest.raises(BadRun, match="a different recipe .*seed"):
        run(tmp_path / "other", Options(models=("baseline/dhash",), base=tmp_path / "base", seed=7))
    assert Store(tmp_path / "other").copied_from is None, "nothing is left of it"
    shutil.copytree(tmp_path / "base", tmp_path / "another")
    run(tmp_path / "other", Options(models=("baseline/dhash",), base=tmp_path / "another"), ("embed",))
    with pytest.raises(BadRun, match="is a copy of .*another"):
        run(tmp_path / "other", Options(models=("baseline/dhash",), base=tmp_path / "base"))
    run(tmp_path / "alone", options, ("embed",))
    with pytest.raises(BadRun, match="is not a copy of another run"):
        run(tmp_path / "alone", Options(models=("baseline/dhash",), base=tmp_path / "base"))


def test_run_refuses_to_calibrate_on_its_own_corpus(tmp_path, few_scenes):
    folder = f"folder:{few_scenes}"
    with pytest.raises(BadConfig, match="different photographs"):
        setup.open_or_start(Store(tmp_path / "run"), Options(corpus=folder, calibrate_on=(folder,)))
    assert not (tmp_path / "run" / "run.toml").exists()
