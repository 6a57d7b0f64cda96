"""Estimates of runs that have not started, that were interrupted, and that are complete."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from probing_core.images import encode_png
from probing_core.run import estimate as estimates
from probing_core.run import pending
from probing_core.run.directory import RunDirectory
from probing_core.run.estimate import estimate
from probing_core.run.options import Options
from probing_core.run.pipeline import run
from probing_core.run.recipe import read_recipe
from probing_core.run.run_files import RunFiles
from probing_core.run.step_times import StepTimes, kind_of, noted
from probing_core.run.work import Work
from tests.conftest import few_transforms, scene
from tests.run.test_embed import files


def phases(estimated: estimates.Estimate) -> set[str]:
    return set(estimated.table["phase"])


def test_estimate_of_a_new_run_covers_all_phases_and_writes_nothing(few_scenes, tmp_path):
    options = few_transforms(few_scenes, "baseline/pixels")
    estimated = estimate(options, tmp_path / "run")
    assert phases(estimated) == {
        *("Starting", "Reading images", "Loading and compiling", "Transforming", "Embedding"),
        *("Training probes", "Scores and studies", "Maps"),
    }
    assert estimated.seconds > 0
    assert estimated.images == 8
    assert not (tmp_path / "run").exists()
    run(tmp_path / "run", options, "embed")
    assert estimated.samples == len(RunFiles(tmp_path / "run").read_table("samples.parquet"))


def test_estimate_only_includes_what_is_left(few_run, tmp_path):
    out = Path(shutil.copytree(few_run[0], tmp_path / "run"))
    before = files(out)
    assert str(estimate(Options(), out, "evaluate")) == "The run is complete."
    assert phases(estimate(Options(), out)) == {"Starting", "Maps"}
    assert files(out) == before
    RunDirectory(out).remove("models/baseline-handcrafted/fine")
    estimated = estimate(Options(), out, "evaluate")
    assert phases(estimated) == {"Starting", "Training probes"}
    assert estimated.samples == 0


def test_estimate_of_a_copy_only_includes_the_added_model(few_run, tmp_path):
    estimated = estimate(Options(base=few_run[0], models=("baseline/pixels",)), tmp_path / "mine", "train")
    assert set(estimated.table["model"]) <= {"", "baseline/pixels"}
    assert "Embedding" in phases(estimated)
    assert not (tmp_path / "mine").exists()


def test_estimate_counts_images_that_are_not_used(few_scenes, tmp_path):
    folder = Path(shutil.copytree(few_scenes, tmp_path / "scenes"))
    place = next(path.parent for path in folder.rglob("*.png"))
    (place / "small.png").write_bytes(encode_png(scene(99, 20)))
    estimated = estimate(few_transforms(folder, "baseline/pixels"))
    assert estimated.images == 8
    assert sum(estimated.left_out.values()) == 1


def test_durations_are_noted_with_the_size_that_estimates_use(few_run):
    run = RunDirectory(few_run[0])
    work = Work(run, read_recipe(run))
    sizes = {(each.kind, each.size) for each in noted(few_run[0])}
    steps = [step for step in run.records if work.kind(step) in {kind for kind, _ in sizes}]
    assert len(steps) > 5
    assert {(work.kind(step), work.size(step)) for step in steps} <= sizes


def test_estimate_is_based_on_recorded_durations(few_run, tmp_path, monkeypatch):
    out = Path(shutil.copytree(few_run[0], tmp_path / "run"))
    RunDirectory(out).remove("models/baseline-handcrafted/fine")
    seconds = []
    for recorded in (10.0, 30.0):
        times = StepTimes({"fine without splits": [(1.0, recorded)]}, slowness=0.0 if recorded == 10.0 else 1.0)
        monkeypatch.setattr(pending, "step_times", lambda times=times: times)
        table = estimate(Options(), out, "train").table
        seconds.append(float(table.loc[table["phase"] == "Training probes", "seconds"].sum()))
    assert seconds[0] == 0
    assert seconds[1] >= 30


def test_runs_record_the_durations_of_their_steps(few_scenes, tmp_path):
    run(tmp_path / "run", few_transforms(few_scenes, "baseline/handcrafted"), "evaluate")
    times = {each.kind: each for each in noted(tmp_path / "run")}
    steps = [step for step in RunFiles(tmp_path / "run").records if step.startswith("models/baseline-handcrafted/")]
    assert {kind_of(step, has_splits=False) for step in steps if not step.endswith(("/model", "/embeddings"))} <= set(
        times
    )
    samples = len(RunFiles(tmp_path / "run").read_table("samples.parquet"))
    assert times["tables/scores without splits"].size == samples
    assert times["fine without splits"].size % samples == 0
    assert all(each.seconds > 0 for each in times.values())


RECORDED = {"fine": [(100.0, 2.0), (300.0, 4.0)]}


@pytest.mark.parametrize(("size", "seconds"), [(10, 2.0), (100, 2.0), (200, 3.0), (300, 4.0), (600, 8.0)])
def test_durations_are_interpolated_by_size(size, seconds):
    assert StepTimes(RECORDED, slowness=1.0).seconds("fine", size) == pytest.approx(seconds)
    assert StepTimes(RECORDED, slowness=3.0).seconds("fine", size) == pytest.approx(3 * seconds)
    assert StepTimes(RECORDED, slowness=1.0).seconds("fine without splits", size) == pytest.approx(seconds)


def test_unknown_kinds_of_steps_have_a_typical_duration():
    assert StepTimes(RECORDED, slowness=2.0).seconds("studies/new", 100) == pytest.approx(8.0)
    assert StepTimes({}, slowness=2.0).seconds("studies/new", 100) == 0
