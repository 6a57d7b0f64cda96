"""What is announced of a run: formulas on made data, what is left of a resumed run, and what is left out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from probing_core.cli import main
from probing_core.images import encode_png
from probing_core.run import costs
from probing_core.run import estimate as module
from probing_core.run.costs import FIXED, PATH, Cost, Rates, by_name, fits_s, foreseen, steps_left
from probing_core.run.estimate import estimate
from probing_core.run.graph import build
from probing_core.run.layout import IMAGES
from probing_core.run.options import EMBED, EVALUATE, PROJECT, Options
from probing_core.run.recipe import read_recipe
from probing_core.run.scope import Scope
from probing_core.run.stages import run
from probing_core.run.store import Store
from tests.conftest import few_transforms

pytestmark = pytest.mark.usefixtures("few_pixels")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Nothing of a map is measured, which imports what takes seconds."""
    monkeypatch.setattr(module, "_map", lambda: (Cost(1.0, 1.0), Cost(0.001, 0.001)))


def plan_of(out):
    store = Store(out)
    return build(Scope(store, read_recipe(store)))


def test_a_fit_takes_longer_by_rows_numbers_classes_and_penalties():
    least = fits_s(1000, 200, 5, FIXED)
    assert fits_s(2000, 200, 5, FIXED) > least
    assert fits_s(1000, 400, 5, FIXED) > least
    assert fits_s(1000, 200, 31, FIXED) > least
    assert fits_s(1000, 200, 5, PATH) > least
    assert fits_s(1000, 200, 5, FIXED, 3) == pytest.approx(3 * least)


def test_what_is_embedded_costs_what_was_measured_for_each_sample(few_scenes, tmp_path):
    options = few_transforms(few_scenes, "baseline/pixels", "baseline/handcrafted")
    run(tmp_path / "run", options, (EMBED,))
    joined = Options(models=("baseline/dhash",))
    store = Store(tmp_path / "run")
    recipe = module.asked_for(store, joined)[0]
    plan = foreseen(build(Scope(store, recipe)))
    rates = Rates({"": Cost(0.5, 1.0)}, embedded={("baseline/dhash", False): Cost(2.0, 3.0)})
    steps = [step for step in steps_left(plan, rates) if step.stage in (EMBED, "load")]
    samples = len(plan.scope.sample_sets[""])
    assert {(step.phase, step.model): step.cost for step in steps} == {
        ("Loading and compiling", "baseline/dhash"): costs.LOAD,
        ("Transforming", ""): Cost(0.5 * samples, samples),
        ("Embedding", "baseline/dhash"): Cost(2.0 * samples, 3.0 * samples),
    }, "what is complete costs nothing"
    assert by_name(steps)[EMBED] == (EMBED, pytest.approx(2.5 * samples))


def test_of_a_run_that_was_stopped_only_what_is_left_counts(few_scenes, tmp_path):
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


def test_the_units_that_a_killed_run_made_are_not_counted_again(few_scenes, tmp_path, monkeypatch):
    monkeypatch.setattr("probing_core.compute.samples.UNIT_SAMPLES", 8)
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


def test_what_will_be_left_out_is_what_the_run_leaves_out(few_scenes, tmp_path, capsys):
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


def test_some_images_of_a_large_corpus_stand_for_the_others(few_scenes, monkeypatch):
    options = few_transforms(few_scenes, "baseline/pixels")
    whole = estimate(options, None, (EMBED,))
    monkeypatch.setattr(module, "MOST_READ", max(2, whole.images // 2))
    some = estimate(options, None, (EMBED,))
    assert (some.whole, whole.whole) == (False, True)
    assert some.samples == pytest.approx(whole.samples, rel=0.3)


def test_a_bar_knows_every_step_that_is_left_and_none_that_is_complete(trained_run):
    plan = plan_of(trained_run)
    steps = by_name(steps_left(plan))
    assert {stage for stage, _ in steps.values()} == {PROJECT}
    assert all(seconds > 0 for _, seconds in steps.values())
    plan.files.remove("models/baseline-handcrafted/scores.parquet")
    assert {name for name, (stage, _) in by_name(steps_left(plan)).items() if stage == EVALUATE} == {
        artifact.path for artifact in plan.left(plan.select(EVALUATE))
    }
