"""Estimates of the duration of a run: formulas, remaining work of a resumed run, and images that are left out."""

from __future__ import annotations

import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from probing_core.cli import main
from probing_core.errors import ModelUnavailable
from probing_core.images import encode_png
from probing_core.models import locate
from probing_core.run import estimate as module
from probing_core.run.estimate import estimate
from probing_core.run.layout import (
    ANY_MODEL,
    IMAGES,
    VERDICT_PHOTOGRAPHS,
    predictions_path,
    quick_path,
    scored_views_path,
)
from probing_core.run.options import EMBED, EVALUATE, PROJECT, TRAIN, Options
from probing_core.run.progress import Progress
from probing_core.run.recipe import read_recipe
from probing_core.run.remaining_steps import (
    CLEAN_ONLY,
    EDITED,
    EMBEDDED,
    GUESSED,
    LEARNED,
    LOADED,
    MADE,
    Calculations,
    by_name,
    fits_s,
    foreseen,
    photographs_left,
    steps_left,
)
from probing_core.run.stages import run
from probing_core.run.store import Store
from tests.conftest import few_transforms, scene
from tests.plans import plan_of

pytestmark = pytest.mark.usefixtures("few_pixels")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Skip the measurement of a map, whose imports take seconds."""
    monkeypatch.setattr(module, "_map", lambda: (1.0, 0.001))


def test_fits_s_increases_with_rows_dimensions_classes_and_penalties():
    least = fits_s(1000, 200, 5)
    assert fits_s(2000, 200, 5) > least
    assert fits_s(1000, 400, 5) > least
    assert fits_s(1000, 200, 31) > least
    assert fits_s(1000, 200, 5, penalties=2) > least
    assert fits_s(1000, 200, 5, 3) == pytest.approx(3 * least)


def test_steps_left_multiply_samples_by_measured_seconds(few_scenes, tmp_path):
    options = few_transforms(few_scenes, "baseline/pixels", "baseline/handcrafted")
    run(tmp_path / "run", options, (EMBED,))
    joined = Options(models=("baseline/dhash",))
    store = Store(tmp_path / "run")
    recipe = module.asked_for(store, joined)[0]
    plan = foreseen(plan_of(store, recipe))
    measured = {(MADE, ""): 0.5, (EMBEDDED, "baseline/dhash"): 2.0}
    steps = [step for step in steps_left(plan) if step.stage in (EMBED, "load")]
    samples = len(plan.snapshot.sample_sets[""])
    assert {(step.phase, step.model): step.seconds(measured) for step in steps} == {
        ("Loading and compiling", "baseline/dhash"): GUESSED[LOADED],
        ("Transforming", ""): 0.5 * samples,
        ("Embedding", "baseline/dhash"): 2.0 * samples,
    }, "what is complete costs nothing"
    expected = by_name(steps)[EMBED]
    guessed = GUESSED[MADE] + GUESSED[EMBEDDED]
    assert (expected.stage, expected.seconds) == (EMBED, pytest.approx(guessed * samples))


def test_estimate_builds_a_network_whose_weights_are_not_available(few_scenes, tmp_path, monkeypatch, capsys):
    for name in ("HF_HOME", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "caches"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    name = "timm:test_vit.r160_in1k"
    assert locate(name)[1]
    options = few_transforms(few_scenes, name, "baseline/dhash")
    announced = estimate(options, tmp_path / "run", (EMBED,))
    assert announced.download.megabytes > 0
    assert not announced.download.is_exact
    assert {"timm:test_vit.r160_in1k", "baseline/dhash"} <= set(announced.table["model"])
    assert not list(tmp_path.rglob("*")), "neither weights nor a compiled network are stored"
    assert main(["run", "--out", str(tmp_path / "run"), *options.arguments(), "--until", "embed", "--estimate"]) == 0
    assert f"a download of {announced.download} and " in capsys.readouterr().out
    with pytest.raises(ModelUnavailable, match="HF_HUB_OFFLINE"):
        run(tmp_path / "run", options, (EMBED,))


def test_estimate_of_a_stopped_run_counts_only_remaining_work(few_scenes, tmp_path):
    options, out = few_transforms(few_scenes, "baseline/pixels"), tmp_path / "run"
    whole = estimate(options, out)
    assert not out.exists(), "nothing is written"
    run(out, options, (EMBED,))
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    rest = estimate(options, out)
    assert whole.samples == len(Store(out).read_table("samples.parquet"))
    assert (rest.samples, rest.megabytes) == (0, 0.0)
    assert set(rest.table["phase"]) < set(whole.table["phase"])
    assert "Embedding" not in set(rest.table["phase"])
    assert estimate(options, out, (EMBED,)).table.empty
    assert estimate(Options(models=("baseline/dhash",)), out).samples == whole.samples, "another model embeds them all"
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_estimate_of_a_killed_run_excludes_completed_units(few_scenes, tmp_path, monkeypatch):
    monkeypatch.setattr("probing_core.compute.sampling.samples.UNIT_SAMPLES", 8)
    options, out = few_transforms(few_scenes, "baseline/pixels"), tmp_path / "run"
    enter, times = Store.enter, []

    def stop(store, written, *inputs):
        enter(store, written, *inputs)
        times.extend(name for name, _ in written if name.startswith("units/"))
        if len(times) > 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Store, "enter", stop)
        with pytest.raises(KeyboardInterrupt):
            run(out, options, (EMBED,))
    whole, rest = estimate(options, None, (EMBED,)), estimate(options, out, (EMBED,))
    assert 0 < rest.samples < whole.samples
    assert rest.megabytes < whole.megabytes


def test_estimate_names_the_images_that_the_run_leaves_out(few_scenes, tmp_path, capsys):
    mine = tmp_path / "mine"
    mine.mkdir()
    for path in sorted(few_scenes.rglob("*.png"))[:4]:
        (mine / path.name).write_bytes(path.read_bytes())
    gray = np.full((200, 200, 3), 90, np.uint8)
    gray[:100] = 140
    (mine / "gray.png").write_bytes(encode_png(gray))
    small = cv2.resize(cv2.imread(str(path)), (40, 40), interpolation=cv2.INTER_AREA)
    (mine / "small.png").write_bytes(encode_png(small))
    options, out = few_transforms(mine, "baseline/pixels"), tmp_path / "run"
    announced = estimate(options, out)
    command = ["run", "--out", str(out), *options.arguments(), "--estimate"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    run(out, options, (EMBED,))
    images = Store(out).read_table(IMAGES)
    reasons = images.loc[~images["used"], "why_not"].str.split(":").str[0].value_counts().to_dict()
    assert announced.left_out == reasons
    assert announced.images == images["used"].sum()
    for reason, count in reasons.items():
        assert f"{count} {reason}" in printed


def test_steps_left_are_all_pending_partitions(trained_run, tmp_path):
    plan = plan_of(Store(shutil.copytree(trained_run, tmp_path / "run")))
    steps = by_name(steps_left(plan))
    assert {step.stage for step in steps.values()} == {PROJECT}
    assert all(step.seconds > 0 for step in steps.values())
    plan.store.remove("models/baseline-handcrafted/scores.parquet")
    assert {name for name, step in by_name(steps_left(plan)).items() if step.stage == EVALUATE} == {
        artifact.path for artifact in plan.pending(plan.select(EVALUATE))
    }


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Return a folder of clean photographs for calibration; every tenth is large enough for tiles."""
    folder = tmp_path_factory.mktemp("untouched")
    for i in range(20):
        (folder / f"{i:03d}.png").write_bytes(encode_png(scene(1000 + i, 120 if i % 10 == 0 else 46)))
    return folder


@pytest.mark.slow
def test_photographs_left_are_estimated_and_counted_during_the_run(few_pixels, many_scenes, photographs, tmp_path):
    options = replace(few_transforms(many_scenes, "baseline/pixels"), calibrate_on=(f"folder:{photographs}",))
    out, stages = tmp_path / "run", (EMBED, TRAIN)
    announced = estimate(options, out, stages)
    phases = announced.table.set_index("phase")
    assert (phases.loc[["Detector", "Calibration"], "seconds"] > 0).all()

    told = Watched()
    run(out, options, stages, told)
    assert {"detector", "verdicts"} <= told.expected
    assert told.seen <= told.expected | {"images", TRAIN}, "no work is outside the bar"
    rows = Store(out).read_table(VERDICT_PHOTOGRAPHS)
    assert not photographs_left(plan_of(Store(out)))
    assert estimate(options, out, stages).table.empty

    Store(out).remove(scored_views_path("baseline/pixels"))
    left = photographs_left(plan_of(Store(out)))
    assert not left[LEARNED]
    assert len(left[EDITED]) + len(left[CLEAN_ONLY]) == rows["role"].isin(("calibrate", "report")).sum()
    joined = foreseen(plan_of(Store(out), replace(read_recipe(Store(out)), models=("baseline/pixels", DHASH))))
    assert {kind: len(rows) for kind, rows in photographs_left(joined).items()} == {
        kind: len(rows) for kind, rows in left.items()
    }, "a model that was never loaded judges all of them"


DHASH = "baseline/dhash"


class Watched(Progress):
    """Stores the names of the expected steps and of the reported stages."""

    def __init__(self):
        super().__init__()
        self.expected, self.seen = set(), set()

    def expect(self, steps):
        super().expect(steps)
        self.expected = set(steps)

    def update(self, stage, done, total, message="", step=""):
        super().update(stage, done, total, message, step)
        self.seen.add(stage)


def test_estimate_extrapolates_from_some_images_of_a_large_corpus(few_scenes, monkeypatch):
    options = few_transforms(few_scenes, "baseline/pixels")
    whole = estimate(options, None, (EMBED,))
    monkeypatch.setattr(module, "MOST_READ", max(2, whole.images // 2))
    some = estimate(options, None, (EMBED,))
    assert (some.whole, whole.whole) == (False, True)
    assert some.samples == pytest.approx(whole.samples, rel=0.3)


def test_calculations_quick_protocol_uses_one_repetition(trained_run):
    store = Store(trained_run)
    plan = plan_of(store)
    work = Calculations(plan.snapshot)
    fine, quick = (
        next(one for one in plan.partitions.values() if one.asset.path == path)
        for path in (predictions_path(ANY_MODEL, "fine"), quick_path(ANY_MODEL))
    )
    assert 0 < work.seconds(quick) < work.seconds(fine)
