"""``probing demo``: what it starts, and where it listens. The whole of it is tried by ``make package``."""

from __future__ import annotations

from pathlib import Path

import pytest

import dashboard
from probing_core import cli
from probing_core.cli import demo_command as demo
from probing_core.paths import reference_run


@pytest.fixture
def started(monkeypatch):
    """The programs that the command starts, instead of starting them."""
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(demo, "_run", lambda *command: calls.append(command) or 0)
    return calls


@pytest.mark.parametrize(
    ("options", "address"),
    [([], "127.0.0.1"), (["--host", "192.0.2.7"], "192.0.2.7"), (["--share"], "0.0.0.0")],
)
def test_the_demo_run_is_prepared_and_the_dashboard_served(started, options, address):
    assert cli.main(["demo", "--port", "8765", *options]) == 0
    prepared, served = started
    assert prepared == ("dashboard.jobs.demo",)
    assert served[:2] == ("streamlit", "run")
    assert Path(served[2]) == Path(dashboard.__file__).parent / "app.py"
    assert served[3:] == ("--server.address", address, "--server.port", "8765")


def test_a_run_of_ones_own_is_opened(started, monkeypatch):
    run = reference_run()
    monkeypatch.chdir(run.parent)
    assert cli.main(["demo", "--run", run.name]) == 0
    assert started[1][-3:] == ("--", "--run", str(run))


def test_a_run_that_is_none_is_refused(started, tmp_path, capsys):
    assert cli.main(["demo", "--run", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not started


def test_nothing_is_served_where_the_demo_run_cannot_be_prepared(monkeypatch):
    calls = []
    monkeypatch.setattr(demo, "_run", lambda *command: calls.append(command) or 2)
    assert cli.main(["demo"]) == 2
    assert len(calls) == 1


@pytest.mark.parametrize(("arguments", "code"), [(("version",), 0), (("no-such-command",), 2)])
def test_a_program_runs_in_this_process_and_its_exit_code_is_returned(monkeypatch, capsys, arguments, code):
    monkeypatch.setattr("sys.argv", ["probing"])
    assert demo._run("streamlit", *arguments) == code
