from __future__ import annotations

import json
import shutil
from dataclasses import asdict

import numpy as np
import pytest

from dashboard.jobs.estimate import Pace, estimate, most_alike, paces
from probing_core.compute.names import LAYERS, RENDERING, STRENGTH
from probing_core.compute.samples import Design
from probing_core.corpora.data_sets import ArrayCorpus
from probing_core.results import Run
from probing_core.run import layout
from probing_core.run.graph import TABLE
from probing_core.run.layout import PROGRESS
from probing_core.run.progress import Report
from probing_core.run.recipe import Recipe
from probing_core.run.stages import make_files
from probing_core.run.store import Store
from probing_core.transforms import resolve

PIXELS = {"baseline/pixels": 768}


def design_of(*names: str) -> Design:
    return Design(view=64, transforms=tuple(resolve(name) for name in ("identity", *names)))


FIVE = design_of("jpeg", "sepia", "fog", "gaussian-blur", "text")


def test_an_estimate_grows_with_everything():
    pace = Pace("demo", ("baseline/pixels",), 700, 70.0)
    least = estimate(40, 40, FIVE, PIXELS, pace)
    for more in (
        estimate(60, 60, FIVE, PIXELS, pace),
        estimate(40, 40, design_of(*(t.name for t in FIVE.transforms[1:]), "rain"), PIXELS, pace),
        estimate(40, 40, FIVE, PIXELS | {"timm:vit": None}, pace),
    ):
        assert more.seconds > least.seconds
        assert more.megabytes > least.megabytes
    assert least.samples > estimate(40, 2, FIVE, PIXELS, pace).samples, "few photographs have no series"


@pytest.mark.parametrize("photographs", [34, 12])
def test_the_samples_are_those_that_a_run_has(photographs, tmp_path):
    rng = np.random.default_rng(0)
    store = Store(tmp_path / "run")
    images = [rng.integers(0, 256, (140, 140, 3)).astype(np.uint8) for _ in range(photographs)]
    corpus = ArrayCorpus(images, None)
    recipe = Recipe(
        corpus=corpus.name,
        fingerprint=corpus.fingerprint,
        transforms=("identity", "jpeg", "sepia"),
        models=("baseline/pixels",),
        view=64,
    )
    make_files(store, recipe, corpus, TABLE.without(lambda row: row.stage not in ("", "embed")))
    series = map(layout.series_table, (STRENGTH, RENDERING, LAYERS))
    rows = sum(len(store.read_table(name)) for name in (layout.SAMPLES, *series) if store.has(name))
    assert estimate(photographs, photographs, recipe.design, PIXELS).samples == rows


def test_time_is_judged_by_a_run_that_took_some():
    pace = Pace("demo", ("a", "b"), 1000, 500.0)
    known = estimate(100, 10, FIVE, {"a": 100}, pace)
    assert known.seconds == pytest.approx(100 * 7 * 500 / (1000 * 2)), "one draw of each of five, two of identity"
    assert estimate(100, 10, FIVE, {"a": 100}).seconds is None
    assert estimate(0, 0, FIVE, {"a": 100}, pace).samples == 0


def test_the_run_with_the_most_alike_models_is_the_measure():
    one, both, other = Pace("one", ("a",), 10, 1.0), Pace("both", ("a", "b"), 10, 1.0), Pace("other", ("c",), 10, 1.0)
    assert most_alike([one, both, other], ["a"]) == one
    assert most_alike([one, both, other], ["a", "b"]) == both
    assert most_alike([one, both, other], ["c", "d"]) == other
    assert most_alike([], ["a"]) is None


def finished(run, **changed):
    (run / "log").mkdir(exist_ok=True)
    report = asdict(Report("project", 1, 1, 0.0, "done", state="done", took_s=120.0)) | changed
    (run / PROGRESS).write_text(json.dumps(report))


def test_only_runs_that_were_completed_here_have_a_pace(made_run, tmp_path):
    run = tmp_path / "made"
    shutil.copytree(made_run, run)
    opened = Run.open(run)
    assert paces([("made", opened)]) == []
    finished(run, took_s=0.0)
    assert paces([("made", opened)]) == [], "by a version that did not measure it"
    finished(run, state="failed")
    assert paces([("made", opened)]) == []
    finished(run)
    assert paces([("made", opened)]) == [Pace("made", tuple(opened.models["name"]), len(opened.samples), 120.0)]


def test_the_page_judges_by_what_a_run_here_took(open_app, made_run, data_folder):
    app = open_app("New run")
    times = [m for m in app.metric if m.label == "Time, roughly"]
    assert [m.value for m in times] == ["not known"]
    assert "none has been completed yet" in times[0].help
    run = data_folder / "runs" / "mine"
    shutil.copytree(made_run, run)
    finished(run)
    app = open_app("New run")
    (time,) = (m for m in app.metric if m.label == "Time, roughly")
    assert time.value != "not known"
    assert "As the run 'mine' took 2 min here for 512 samples and 4 models" in time.help
