from __future__ import annotations

import shutil

import pytest

from dashboard.jobs import demo
from lab.devtools.run_edits import put
from probing_core.run.progress import Report
from probing_core.run.run_files import RunFiles


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setattr("probing_core.paths.data_dir", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def started(monkeypatch):
    calls = []
    monkeypatch.setattr(demo.processes, "start", lambda run, arguments: calls.append((run, arguments)))
    return calls


def test_with_a_reference_run_a_process_computes_the_demo_run_over_its_photographs(data, started):
    (data / "reference").mkdir()
    (data / "reference" / "run.toml").touch()
    assert demo.main() == 0
    ((run, arguments),) = started
    assert run == data / "runs" / "demo"
    assert arguments[arguments.index("--corpus") + 1] == "reference"


def test_a_process_that_runs_is_left_alone(data, started, monkeypatch):
    (data / "reference").mkdir()
    (data / "reference" / "run.toml").touch()
    monkeypatch.setattr(demo.processes, "report_of", lambda run: Report("embed", 1, 2, None, "", pid=1))
    assert demo.main() == 0
    assert not started


def test_without_a_reference_run_the_demo_run_is_made_first(data, started, monkeypatch):
    seen = []
    monkeypatch.setattr("probing_core.cli.main", lambda arguments: seen.append(arguments) or 0)
    assert demo.main() == 0
    assert seen[0][:3] == ["run", "--out", str(data / "runs" / "demo")]
    assert not started


def test_main_renames_a_demo_run_that_cannot_be_read(data, started, made_run, monkeypatch, capsys):
    stopped = []
    monkeypatch.setattr(demo.processes, "stop", lambda run: stopped.append(run.exists()))
    for path in (data / "reference", data / "runs" / "demo"):
        shutil.copytree(made_run, path)
    demo_run = RunFiles(data / "runs" / "demo")
    (demo_run.root / "notes.txt").write_text("mine")
    assert demo.main() == 0
    recipe = demo_run.read_toml("run.toml")
    put(demo_run, {"run.toml": recipe | {"probes_from": "those of last year"}})
    for name in ("demo-unreadable", "demo-unreadable-2"):
        content = {path.relative_to(demo_run.root): path.stat().st_ino for path in demo_run.root.rglob("*")}
        assert demo.main() == 0
        assert not demo_run.root.exists()
        aside = data / "runs" / name
        assert {path.relative_to(aside): path.stat().st_ino for path in aside.rglob("*")} == content
        assert str(aside) in capsys.readouterr().err
        shutil.copytree(aside, demo_run.root)
    assert stopped == [True, True], "what computes there ends before its folder is renamed"
    assert ["--limit" in arguments for _, arguments in started] == [False, True, True]
