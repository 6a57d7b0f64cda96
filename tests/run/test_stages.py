from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from lab.scripts.reference import completed_on
from probing_core.compute.training import probe_training as train
from probing_core.errors import BadRun, ProbingError
from probing_core.probes import mlp
from probing_core.results import Run
from probing_core.run import embedding_worker, snapshot
from probing_core.run import train as train_stage
from probing_core.run.layout import IMAGES
from probing_core.run.models import read_embeddings
from probing_core.run.options import Options, last_options
from probing_core.run.recipe import Recipe
from probing_core.run.stages import STAGES, run
from probing_core.run.store import Files, Store
from tests.conftest import on_two_threads
from tests.run.test_embed import files

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_pixels")]

COMPUTING = ("embed", "train", "evaluate")
"""All stages but the map, which takes longer than the rest on so few samples; it is tested with a stand-in."""


def test_run_is_complete_and_has_the_documented_files(split_run):
    store = Store(split_run[0])
    assert store.damage() == []
    for model in ("baseline-pixels", "baseline-handcrafted"):
        for name in ("probes/fine.safetensors", "probes/deployment.safetensors", "predictions/fine.parquet"):
            assert store.has(f"models/{model}/{name}")
        points = store.read_table(f"models/{model}/map.parquet")
        samples = store.read_table("samples.parquet")
        assert len(points) == ((samples["split"] == "test") & (samples["draw"] == 0)).sum()
        embeddings = read_embeddings(store, model.replace("-", "/"))[points["sample"].to_numpy(), :2]
        assert np.array_equal(points[["x", "y"]], np.round(embeddings * 1024) / 1024)


def test_cross_validation_predicts_every_photograph(few_run):
    store = Store(few_run[0])
    samples = store.read_table("samples.parquet")
    predictions = store.read_table("models/baseline-handcrafted/predictions/fine.parquet")
    assert predictions["sample"].tolist() == samples.loc[samples["draw"] == 0, "sample"].tolist()
    fits = store.read_table("tables/fits.parquet")
    folds = [f"fold-{i}" for i in range(1, 6)]
    assert fits.loc[fits["task"] == "fine", "fold"].tolist() == [*folds, "deployment"]
    assert fits.loc[fits["task"] == "group-1", "fold"].tolist() == folds


def test_unseen_transformations_are_scored_separately(split_run):
    scores = Store(split_run[0]).read_table("tables/scores.parquet")
    rotations = scores[scores["measure"] == "group-hit-rate"]
    # brighten and Gaussian blur are members A, contrast and motion blur B; there is no C.
    assert set(rotations["task"]) == {"group-1", "group-2"}
    assert set(rotations["subset"]) == {"seen", "unseen"}


def test_second_call_computes_nothing(split_run, monkeypatch):
    out, options = split_run
    before = files(out)
    for module, name in (
        (embedding_worker, "load_embedder"),
        (train, "fit_in_span"),
        (train, "fit_deployment"),
        (mlp, "fit_seeds"),
        (train_stage, "lazy_embeddings"),
    ):
        monkeypatch.setattr(module, name, lambda *a, **k: pytest.fail("work was done again"))
    run(out, options)
    run(out)
    assert files(out) == before
    assert completed_on(out)


def test_the_samples_of_a_run_are_planned_once_in_a_command(few_run, tmp_path, monkeypatch):
    options, read, plain = few_run[1], [], Files.read_table
    planned, plan_sample_sets = [], snapshot.plan_sample_sets
    monkeypatch.setattr(Files, "read_table", lambda self, name, *rest: (read.append(name), plain(self, name, *rest))[1])
    monkeypatch.setattr(snapshot, "plan_sample_sets", lambda *given: (planned.append(1), plan_sample_sets(*given))[1])
    for models in (options.models[:1], options.models):
        run(tmp_path / "run", replace(options, models=models), ("embed",))
        assert (len(planned), read.count(IMAGES)) == (1, 1)
        planned.clear()
        read.clear()


def test_the_same_command_gives_the_same_bytes(few_run, tmp_path):
    out, options = few_run
    with on_two_threads():
        run(tmp_path / "again", options, COMPUTING)
    ours, theirs = files(out), files(tmp_path / "again")
    assert {n for n in ours if not n.startswith("log/")} == {n for n in theirs if not n.startswith("log/")}
    assert [n for n in ours if not n.startswith("log/") and ours[n] != theirs[n]] == []


def test_fit_of_the_deployment_probe_is_in_the_table(split_run):
    from probing_core.probes.linear import PENALTY_GRID
    from probing_core.run.live import read_probe

    store = Store(split_run[0])
    fits = store.read_table("tables/fits.parquet")
    mine = fits[(fits["fold"] == "deployment") & (fits["model"] == "baseline/pixels")].iloc[0]
    facts = read_probe(store, "baseline/pixels", "deployment").facts
    assert (mine["penalty"], mine["at_edge"]) == (facts.penalty, facts.at_edge)
    assert facts.at_edge == (facts.penalty in (PENALTY_GRID[0], PENALTY_GRID[-1]))
    assert len(facts.path) > 1


@pytest.mark.parametrize("lost", ["", "run.toml", "manifest.json"])
def test_folder_with_other_content_is_not_changed(split_run, tmp_path, lost):
    # A run that lost its recipe or its manifest is not replaced by a new run either.
    out = tmp_path / "mine"
    if lost:
        shutil.copytree(split_run[0], out)
        (out / lost).unlink()
    else:
        out.mkdir()
    (out / "notes.tmp").write_text("mine")
    before = files(out)
    for stages in (STAGES, ("embed",)):
        with pytest.raises(BadRun, match="is not a run .* Choose another folder"):
            run(out, split_run[1], stages)
    assert files(out) == before


def test_a_model_that_cannot_be_loaded_leaves_the_run(split_run, tmp_path):
    out, options = tmp_path / "run", split_run[1]
    shutil.copytree(split_run[0], out)
    with pytest.raises(ProbingError, match="was removed from the run"):
        run(out, replace(options, models=("baseline/random-vit@layer=99",)), ("embed",))
    before = files(out)
    run(out, options, COMPUTING)
    assert files(out) == before
    # Of a new run, too, as long as another model is left.
    both = replace(options, models=("baseline/pixels", "baseline/random-vit@layer=99"))
    with pytest.raises(ProbingError, match="was removed from the run"):
        run(tmp_path / "new", both, ("embed",))
    assert Recipe.from_toml(Store(tmp_path / "new").read_toml("run.toml")).models == ("baseline/pixels",)


def test_execution_options_are_noted_outside_the_recipe(few_scenes, tmp_path, monkeypatch):
    # Pages resume a run with the noted options; the recipe does not contain them.
    monkeypatch.setattr("probing_core.run.stages.embed", lambda plan: plan)
    asked = {"corpus": f"folder:{few_scenes}", "view": 32, "models": ["baseline/pixels"], "transforms": ["brighten"]}
    on_ray = Options(**asked, executor="ray", address="10.0.0.7:6379", precision="float32")
    run(tmp_path / "ray", on_ray, ("embed",))
    run(tmp_path / "local", Options(**asked), ("embed",))
    assert (tmp_path / "ray" / "run.toml").read_bytes() == (tmp_path / "local" / "run.toml").read_bytes()
    run(tmp_path / "ray", Options(), stages=("project",))
    had = Options(executor="ray", address="10.0.0.7:6379", precision="float32")
    assert last_options(tmp_path / "ray") == had, "drawing maps embeds nothing"
    assert last_options(tmp_path / "local") == Options()


def test_run_killed_while_reading_images_resumes(few_scenes, tmp_path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("probing_core.run.embed.choose_images", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", Options(corpus=f"folder:{few_scenes}", view=32, precision="float32"))
    assert last_options(tmp_path / "run") == Options(precision="float32")


def test_run_resumes_with_a_moved_corpus_from_a_different_folder(few_scenes, tmp_path, monkeypatch):
    shutil.copytree(few_scenes, tmp_path / "pictures")
    monkeypatch.chdir(tmp_path)
    asked = {"transforms": ("brighten",), "models": ("baseline/pixels",), "view": 32}
    run(tmp_path / "run", Options(corpus="folder:pictures", **asked), ("embed",))

    monkeypatch.chdir("/")  # a relative path would now lead nowhere
    run(tmp_path / "run", Options(models=("baseline/handcrafted",)), ("embed",))
    (tmp_path / "pictures").rename(tmp_path / "moved")
    joining = Options(models=("baseline/random-vit",))
    with pytest.raises(BadRun, match="(?s)If the corpus has moved.*--corpus"):
        run(tmp_path / "run", joining, ("embed",))
    assert "cannot be opened" in Run.open(tmp_path / "run").pictures.why_not

    before = Run.open(tmp_path / "run").samples
    run(tmp_path / "run", replace(joining, corpus=f"folder:{tmp_path}/moved"), ("embed",))
    made = Run.open(tmp_path / "run")
    assert list(made.models["name"]) == ["baseline/pixels", "baseline/handcrafted", "baseline/random-vit"]
    assert made.recipe.corpus == f"folder:{tmp_path}/moved"
    assert made.samples.equals(before)
    assert made.picture(0)[1].shape == (32, 32, 3)

    with pytest.raises(BadRun, match=r"has a different recipe \(run / request: corpus: folder:.*moved / photos\)"):
        run(tmp_path / "run", Options(corpus="photos"), ("embed",))
    next((tmp_path / "moved").rglob("*.png")).unlink()
    with pytest.raises(BadRun, match="has changed since the run was started"):
        run(tmp_path / "run", Options(models=("baseline/random-vit@seed=1",)), ("embed",))
