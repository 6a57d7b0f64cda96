"""The report of a process is read as it stands, and one that is gone is shown as cancelled."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from dashboard.jobs import processes
from dashboard.text import plain
from probing_core.run.layout import PROGRESS
from probing_core.run.progress import Report


def write(run, by=None, **changed):
    """Write the report of a process, by default of this one."""
    by = by or psutil.Process()
    about = {"stage": "embed", "done": 3, "total": 10, "left_s": 20.0, "message": "Transforming"}
    report = Report(**(about | {"pid": by.pid, "born": by.create_time()} | changed))
    (run / "log").mkdir(exist_ok=True)
    (run / PROGRESS).write_text(json.dumps(asdict(report)))
    return report


def state_of(run) -> str:
    report = processes.report_of(run)
    assert report is not None
    return report.state


def test_report(tmp_path):
    assert processes.report_of(tmp_path) is None
    report = write(tmp_path)
    assert processes.report_of(tmp_path) == report
    (tmp_path / PROGRESS).write_text('{"stage": ')
    assert processes.report_of(tmp_path) is None


@pytest.mark.parametrize(
    "wrong",
    [
        *({"pid": "1"}, {"done": "3"}, {"left_s": []}, {"message": 5}, {"error": None}),
        *({"left_s": math.nan}, {"total": math.inf}, {"done": 10**400}),
    ],
)
def test_a_report_with_which_pages_cannot_compute_is_none(tmp_path, wrong):
    write(tmp_path, **wrong)
    assert processes.report_of(tmp_path) is None


def test_a_process_that_was_killed_is_cancelled_and_can_be_cancelled_only_while_it_lives(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    write(tmp_path, psutil.Process(process.pid))
    assert state_of(tmp_path) == "running"
    assert processes.cancel(tmp_path)
    deadline = time.monotonic() + 20
    while state_of(tmp_path) == "running" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert state_of(tmp_path) == "cancelled"
    assert not processes.cancel(tmp_path)
    process.wait()


@pytest.mark.parametrize("ends", [True, False])
def test_a_process_that_is_stopped_writes_no_more(tmp_path, monkeypatch, ends):
    monkeypatch.setattr(processes, "END_S", 1.0)
    finishing = f"lambda *a: (time.sleep(0.3), open('last', 'w').close(), {'sys.exit()' if ends else '0'})"
    code = f"import signal, sys, time; signal.signal(15, {finishing}); print(flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    write(tmp_path, psutil.Process(process.pid))
    processes.stop(tmp_path)
    assert (tmp_path / "last").exists(), "it had the time to finish"
    assert not psutil.pid_exists(process.pid) or state_of(tmp_path) == "cancelled"
    process.wait()


def test_another_process_that_has_the_number_by_now_is_left_alone(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    write(tmp_path, psutil.Process(process.pid), born=1.0)
    assert state_of(tmp_path) == "cancelled"
    assert not processes.cancel(tmp_path)
    assert process.poll() is None
    process.kill()
    process.wait()


def test_what_is_under_way_is_not_started_twice(tmp_path):
    report = write(tmp_path)
    processes.start(tmp_path, ["--corpus", "folder:/no/such/folder"])
    assert processes.report_of(tmp_path) == report
    assert not (tmp_path / "log" / "worker.txt").exists()


def test_two_clicks_start_one_process(tmp_path, monkeypatch):
    """The process that was started has not reported yet when the second click comes."""
    started = []

    class Slow(subprocess.Popen):
        def __init__(self, command, **options):
            super().__init__([sys.executable, "-c", "import time; time.sleep(60)"], **options)
            started.append(self)
            time.sleep(0.5)

    monkeypatch.setattr(subprocess, "Popen", Slow)
    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda _: processes.start(tmp_path / "new", []), range(2)))
        assert len(started) == 1
        assert processes.report_of(tmp_path / "new").pid == started[0].pid
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_a_process_leaves_the_processor_to_the_server_and_its_failure_is_one_sentence(tmp_path):
    processes.start(tmp_path / "new", ["--corpus", "folder:/no/such/folder"])
    report = processes.report_of(tmp_path / "new")
    assert report is not None
    process, me = psutil.Process(report.pid), psutil.Process()
    if sys.platform == "win32":
        assert process.nice() == psutil.BELOW_NORMAL_PRIORITY_CLASS
    else:
        assert process.nice() == min(19, me.nice() + processes.NICENESS)
    autogroup = Path(f"/proc/{report.pid}/autogroup")
    if autogroup.exists():
        assert autogroup.read_text().split()[-1] == str(processes.NICENESS)
    process.wait(60)
    report = processes.report_of(tmp_path / "new")
    assert report is not None
    assert report.state == "failed"
    assert "/no/such/folder" in report.error


@pytest.mark.parametrize("state", ["running", "done", "failed"])
def test_the_banner_tells_every_page(open_app, data_folder, made_run, state):
    run = data_folder / "runs" / "demo"
    run.mkdir(parents=True)
    (run / "run.toml").write_text("")
    write(run)
    app = open_app("Models")
    assert not app.exception
    shown = [bar.proto.text for bar in app.get("progress")]
    assert shown == [plain("Computing the run 'demo'. Transforming: 3 of 10, 20 s left")]
    if state != "running":
        write(run, state=state, error="The disk is full.")
        app.run()
        shown = app.success if state == "done" else app.warning
        assert "demo" in shown[0].value


def test_a_run_that_this_visitor_started_is_shown_however_soon_it_ends(open_app, data_folder):
    run = data_folder / "runs" / "quick"
    run.mkdir(parents=True)
    (run / "run.toml").write_text("")
    write(run, state="failed", error="The corpus is empty.")
    app = open_app("Methods")
    assert not [w for w in app.warning if "quick" in w.value], "somebody else's, long ago"
    app.session_state["_watched"] = {"quick"}
    assert "The corpus is empty" in app.run().warning[0].value
