"""Runs are started, resumed or refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from lab.devtools.run_edits import omit
from probing_core.errors import BadConfig, BadRun, ProbingError, UnknownName
from probing_core.results import Run
from probing_core.run import setup
from probing_core.run.directory import RunDirectory
from probing_core.run.options import Options
from probing_core.run.pipeline import run
from probing_core.run.recipe import Recipe
from probing_core.run.run_files import RunFiles, copied_from
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
    assert RunFiles(tmp_path / "run").names() == []


def test_refused_options_do_not_bind_the_next_attempt(tmp_path, few_scenes):
    options = few_transforms(few_scenes, "baseline/pixels")
    with pytest.raises(ProbingError, match="has no usable image"):
        run(tmp_path / "run", replace(options, view=256))
    run(tmp_path / "run", options, "embed")
    with pytest.raises(BadRun, match="a different recipe"):
        run(tmp_path / "run", replace(options, view=64))
    assert Recipe.from_toml(RunFiles(tmp_path / "run").read_toml("run.toml")).view == 32


def test_existing_run_keeps_its_recipe_if_options_are_refused(tmp_path, few_scenes):
    options = few_transforms(few_scenes, "baseline/pixels")
    store = RunDirectory(tmp_path / "run")
    with store.locked():
        setup.open_or_start(store, options)
    with pytest.raises(BadRun, match="a different recipe"):
        run(tmp_path / "run", Options(seed=7))
    assert RunFiles(tmp_path / "run").names() == ["run.toml"]


def test_unknown_stage_is_refused(tmp_path):
    with pytest.raises(BadConfig, match="'maps' is not a known stage"):
        run(tmp_path / "none", until="maps")


def test_published_run_is_not_continued(few_run, tmp_path):
    out = Path(shutil.copytree(few_run[0], tmp_path / "published"))
    omit(RunFiles(out), *(name for name in RunFiles(out).names() if "/embeddings/" in name))
    with pytest.raises(BadRun, match="published without its embeddings"):
        run(out, Options(models=("baseline/dhash",)))


def test_run_of_an_earlier_format_is_refused(few_run, tmp_path):
    out = Path(shutil.copytree(few_run[0], tmp_path / "earlier"))
    shutil.rmtree(out / "done")
    (out / "manifest.json").write_text("{}")
    (out / "run.toml").write_text((out / "run.toml").read_text().replace("format = 3", "format = 2"))
    with pytest.raises(BadRun, match="has format 2, but this version only supports format 3"):
        run(out, Options(models=("baseline/dhash",)))
    with pytest.raises(BadRun, match="has format 2"):
        Run.open(out)


@pytest.mark.slow
def test_base_joins_models_to_a_copy_of_a_run(few_scenes, tmp_path):
    options = few_transforms(few_scenes, "baseline/pixels")
    run(tmp_path / "base", options)
    base = RunFiles(tmp_path / "base")
    omit(base, *(name for name in base.names() if "/embeddings/" in name))
    before = {path: path.read_bytes() for path in base.root.rglob("*") if path.is_file()}
    joining = Options(models=("baseline/handcrafted",), base=base.root)
    run(tmp_path / "mine", joining)
    run(tmp_path / "mine", joining)
    assert {path: path.read_bytes() for path in base.root.rglob("*") if path.is_file()} == before
    mine = Run.open(tmp_path / "mine")
    assert list(mine.models["name"]) == ["baseline/pixels", "baseline/handcrafted"]
    assert set(mine.scores["model"]) == set(mine.models["name"])
    computed = [step for step in mine.store.records if mine.store.is_own(step)]
    assert "models/baseline-handcrafted/scores" in computed
    assert not [step for step in computed if "baseline-pixels" in step]
    run(tmp_path / "same", replace(joining, models=("baseline/pixels",)))
    assert list(Run.open(tmp_path / "same").models["name"]) == ["baseline/pixels"], "the run has the model already"
    assert mine.store.damaged() == {}
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
    run(tmp_path / "base", options, "embed")
    with pytest.raises(BadRun, match="is not a run directory"):
        run(tmp_path / "mine", Options(models=("baseline/dhash",), base=tmp_path / "nowhere"))
    with pytest.raises(BadConfig, match="names of the models"):
        run(tmp_path / "mine", Options(base=tmp_path / "base"))
    assert not (tmp_path / "mine" / "run.toml").exists()
    with pytest.raises(BadRun, match="a different recipe .*seed"):
        run(tmp_path / "other", Options(models=("baseline/dhash",), base=tmp_path / "base", seed=7))
    assert copied_from(tmp_path / "other") is None, "nothing is left of it"
    shutil.copytree(tmp_path / "base", tmp_path / "another")
    run(tmp_path / "other", Options(models=("baseline/dhash",), base=tmp_path / "another"), "embed")
    with pytest.raises(BadRun, match="is a copy of .*another"):
        run(tmp_path / "other", Options(models=("baseline/dhash",), base=tmp_path / "base"))
    run(tmp_path / "alone", options, "embed")
    with pytest.raises(BadRun, match="is not a copy of another run"):
        run(tmp_path / "alone", Options(models=("baseline/dhash",), base=tmp_path / "base"))


def test_run_refuses_to_calibrate_on_its_own_corpus(tmp_path, few_scenes):
    folder = f"folder:{few_scenes}"
    with pytest.raises(BadConfig, match="different photographs"):
        setup.open_or_start(RunDirectory(tmp_path / "run"), Options(corpus=folder, calibrate_on=(folder,)))
    assert not (tmp_path / "run" / "run.toml").exists()
