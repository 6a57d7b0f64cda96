from __future__ import annotations

import pytest

from dashboard import demo
from probing_core.progress import Report


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "data_dir", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def started(monkeypatch):
    calls = []
    monkeypatch.setattr(demo.work, "start", lambda run, arguments: calls.append((run, arguments)))
    return calls


def test_with_a_reference_run_a_worker_computes_the_demo_run_under_its_probes(data, started):
    (data / "reference").mkdir()
    (data / "reference" / "run.toml").touch()
    assert demo.main() == 0
    ((run, arguments),) = started
    assert run == data / "runs" / "demo"
    assert arguments[:2] == ["--probes-from", str(data / "reference")]


def test_a_worker_that_runs_is_left_alone(data, started, monkeypatch):
    (data / "reference").mkdir()
    (data / "reference" / "run.toml").touch()
    monkeypatch.setattr(demo.work, "report_of", lambda run: Report("embed", 1, 2, None, "", pid=1))
    assert demo.main() == 0
    assert not started


def test_without_a_reference_run_the_demo_run_is_made_first(data, started, monkeypatch):
    seen = []
    monkeypatch.setattr("probing_core.cli.main", lambda arguments: seen.append(arguments) or 0)
    assert demo.main() == 0
    assert seen[0][:3] == ["run", "--out", str(data / "runs" / "demo")]
    assert not started
