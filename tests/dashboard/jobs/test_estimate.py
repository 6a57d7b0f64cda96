from __future__ import annotations

import json
import shutil
from dataclasses import asdict

import pytest

from dashboard.jobs.estimate import Pace, estimate, most_alike, paces
from probing_core.results import Run
from probing_core.runs.layout import PROGRESS
from probing_core.runs.progress import Report

PIXELS = {"baseline/pixels": 768}


def test_an_estimate_grows_with_everything():
    pace = Pace("demo", ("baseline/pixels",), 700, 70.0)
    least = estimate(10, 5, PIXELS, pace)
    assert least.samples > estimate(10, 5, PIXELS, pace, few=True).samples == 70
    for more in (estimate(20, 5, PIXELS, pace), estimate(10, 5, PIXELS | {"timm:vit": None}, pace)):
        assert more.seconds > least.seconds
        assert more.megabytes > least.megabytes


def test_time_is_judged_by_a_run_that_took_some():
    pace = Pace("demo", ("a", "b"), 1000, 500.0)
    known = estimate(100, 8, {"a": 100}, pace, few=True)
    assert known.seconds == pytest.approx(1000 * 500 / (1000 * 2))
    assert known.megabytes == pytest.approx(1000 * 100 * 4 / 1e6)
    assert estimate(100, 8, {"a": 100}, few=True).seconds is None


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
