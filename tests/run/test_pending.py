"""Steps that the next call of `run` will compute, and the reasons."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from probing_core.run import evaluate, layout, train
from probing_core.run.directory import RunDirectory
from probing_core.run.layout import record_path
from probing_core.run.options import Options
from probing_core.run.pending import DryRun
from probing_core.run.pipeline import explain, run
from probing_core.run.recipe import read_recipe, write_recipe
from probing_core.run.run_files import Record, RunFiles
from probing_core.run.work import samples_step
from tests.conftest import in_few_pixels, write_scenes

pytestmark = pytest.mark.slow

PIXELS, DHASH = "baseline/pixels", "baseline/dhash"
SCORES = evaluate.scores_step(PIXELS)
JOINED = "tables/scores"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Options]:
    """Return a small run without splits and maps."""
    corpus = write_scenes(tmp_path_factory.mktemp("corpus") / "tiny", 6, 48)
    options = Options(
        corpus=f"folder:{corpus}",
        view=32,
        transforms=("identity", "brighten"),
        models=(PIXELS,),
        device="cpu",
        precision="float32",
    )
    out = tmp_path_factory.mktemp("made") / "run"
    with in_few_pixels():
        run(out, options, "evaluate")
    return out, options


@pytest.fixture
def copy(made, tmp_path) -> RunDirectory:
    return RunDirectory(shutil.copytree(made[0], tmp_path / "copy"))


def explained(run: RunDirectory) -> DryRun:
    return explain(RunDirectory(run.root), read_recipe(run))[0]


def change_inputs(run: RunDirectory, step: str, **changes: object) -> None:
    """Replace inputs in the record of a step, as if it had been computed from other ones. None removes an input."""
    record = run.records[step]
    inputs = {name: value for name, value in {**record.inputs, **changes}.items() if value is not None}
    changed = Record(step, "0" * 16, inputs, record.files)
    (run.root / record_path(step)).write_bytes(changed.to_json())


def test_reasons_of_a_complete_run_say_so(copy):
    dry = explained(copy)
    assert all(step.endswith("map") or "map-" in step or "neighbors" in step for step in dry.pending)
    assert list(dry.reasons(SCORES)) == [f"'{SCORES}' is complete: its inputs have not changed."]
    assert dry.visited.keys() >= copy.records.keys() - {"recipe", "models/baseline-pixels/model"}


def test_explain_computes_and_writes_nothing(copy):
    (copy.root / layout.SAMPLES).unlink()
    before = {path: path.stat().st_mtime_ns for path in copy.root.rglob("*")}
    assert samples_step("") in explained(copy).pending
    assert {path: path.stat().st_mtime_ns for path in copy.root.rglob("*")} == before


def test_reasons_name_a_missing_or_corrupted_file(copy):
    copy.path(layout.SCORES).unlink()
    (copy.root / record_path(SCORES)).unlink()
    dry = explained(copy)
    (sentence,) = dry.reasons(JOINED)
    assert f"'{layout.SCORES}' is missing or corrupted" in sentence
    assert list(dry.reasons(SCORES)) == [f"'{SCORES}' has not been computed yet."]


def test_reasons_name_a_corrupted_file_of_a_locked_run(copy):
    path = copy.path(layout.SCORES)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with copy.locked():
        dry = explain(copy, read_recipe(copy))[0]
        assert [step for step in dry.pending if "map" not in step and "neighbors" not in step] == [JOINED]
        (sentence,) = dry.reasons(JOINED)
    assert f"'{layout.SCORES}' is missing or corrupted" in sentence


def test_reasons_name_a_changed_code_version(copy):
    change_inputs(copy, SCORES, code_version=1)
    version = copy.records[SCORES].inputs["code_version"]
    assert list(explained(copy).reasons(SCORES)) == [
        f"'{SCORES}' will be recomputed: code version changed from 1 to {version}."
    ]


def test_reasons_name_inputs_that_were_added_or_removed(copy):
    change_inputs(copy, SCORES, unscored=None, samples=None, former=3)
    assert sorted(explained(copy).reasons(SCORES)) == [
        f"'{SCORES}' will be recomputed: 'former' is no longer an input.",
        f"'{SCORES}' will be recomputed: 'samples' is a new input.",
        f"'{SCORES}' will be recomputed: 'unscored' is a new input.",
    ]


def test_reasons_name_a_changed_seed_and_the_steps_that_depend_on_it(copy):
    write_recipe(copy, replace(read_recipe(copy), seed=7))
    dry = explained(copy)
    assert dry.pending.keys() >= copy.records.keys() - {"recipe", "models/baseline-pixels/model"}
    assert f"'{samples_step('')}' will be recomputed: seed changed from 0 to 7." in dry.reasons(samples_step(""))
    trained = [f"'{SCORES}' will be recomputed: {train.train_step(PIXELS, 'fine')} changed."]
    assert set(trained) <= set(dry.reasons(SCORES))
    assert not any("seed" in sentence for sentence in dry.reasons(SCORES))  # only inputs of the step itself


def test_reasons_name_nested_inputs(copy):
    sampled = copy.records[samples_step("")].inputs["transforms"]
    change_inputs(copy, samples_step(""), transforms={**sampled, "brighten": "weaker"})
    (sentence,) = explained(copy).reasons(samples_step(""))
    assert "transforms 'brighten' changed" in sentence


def test_explain_includes_models_that_have_not_been_loaded(copy):
    write_recipe(copy, replace(read_recipe(copy), models=(PIXELS, DHASH)))
    dry, unloaded = explain(RunDirectory(copy.root), read_recipe(copy))
    assert unloaded == [DHASH]
    assert list(dry.reasons(evaluate.scores_step(DHASH))) == [
        f"'{evaluate.scores_step(DHASH)}' has not been computed yet."
    ]
    assert SCORES not in dry.pending
    assert JOINED in dry.pending
    assert any(f"'{evaluate.scores_step(DHASH)}' is a new input" in sentence for sentence in dry.reasons(JOINED))


def test_reasons_of_copied_steps_say_so(made, tmp_path):
    with in_few_pixels():
        run(tmp_path / "run", replace(made[1], base=str(made[0]), models=(DHASH,)), "evaluate")
    copied = RunDirectory(tmp_path / "run")
    assert list(explained(copied).reasons(SCORES)) == [f"'{SCORES}' is complete: it was copied from another run."]
    own = evaluate.scores_step(DHASH)
    assert list(explained(copied).reasons(own)) == [f"'{own}' is complete: its inputs have not changed."]
    change_inputs(RunDirectory(copied.root / layout.BASE), SCORES, code_version=1)
    dry = explained(copied)
    assert SCORES not in dry.pending
    assert dry.outdated == {SCORES}


def test_reasons_of_unavailable_steps_say_so(made, copy):
    step = "models/baseline-pixels/embeddings"
    record = copy.records[step]
    base = copy.root / layout.BASE
    outer = RunDirectory(copy.root.parent / "outer")
    outer.start_copy(copy)
    base = outer.root / layout.BASE
    shutil.rmtree(base / step)
    (base / record_path(step)).write_bytes(Record(step, record.key, record.inputs, {}).to_json())
    (base / record_path(SCORES)).unlink()
    fine = train.train_step(PIXELS, "fine")
    (base / record_path(fine)).unlink()
    outer = RunDirectory(outer.root)
    outer.write_recipe(RunFiles(base).read_toml(layout.RECIPE))
    dry = explained(outer)
    assert {fine, SCORES} <= dry.unavailable
    for name in (fine, SCORES):
        assert "cannot be computed" in next(dry.reasons(name))
        assert name not in dry.pending
