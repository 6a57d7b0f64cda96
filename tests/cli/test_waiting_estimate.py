"""The process that waits for the name of a model, run in the process of the test."""

from __future__ import annotations

import io

import pytest

from probing_core.cli import waiting_estimate


@pytest.mark.parametrize(
    ("entered", "code", "printed", "error"),
    [
        ("baseline/dhash\n", 0, "Ranking baseline/dhash takes about ", ""),
        ("", 0, "", ""),
        ("timm:resnet18\n", 0, "Ranking timm:resnet18 takes about ", ""),
        ("timmm:resnet18\n", 2, "", "error: 'timmm:"),
        ("missing.py:embed\n", 2, "", "error: "),
    ],
)
def test_waiting_estimate_prints_the_estimate_of_the_model_that_it_reads(
    trained_run, monkeypatch, capsys, entered, code, printed, error
):
    monkeypatch.setattr(waiting_estimate, "_import_libraries", lambda: None)
    monkeypatch.setattr("sys.stdin", io.StringIO(entered))
    assert waiting_estimate.main([str(trained_run)]) == code
    output = capsys.readouterr()
    assert output.out.startswith(printed)
    assert bool(output.out) == bool(printed)
    assert output.err.startswith(error)


def test_waiting_estimate_ends_if_it_reads_no_name(trained_run, monkeypatch):
    timers = []

    class Timer:
        def __init__(self, seconds, function, arguments):
            timers.append((seconds, function, arguments))

        def start(self):
            pass

        cancel = start

    monkeypatch.setattr(waiting_estimate, "_import_libraries", lambda: None)
    monkeypatch.setattr(waiting_estimate.threading, "Timer", Timer)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    waiting_estimate.main([str(trained_run)])
    assert timers == [(waiting_estimate.IDLE_S, waiting_estimate.os._exit, [0])]
