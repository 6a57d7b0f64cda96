from __future__ import annotations

import io
import json

import pytest

from probing_core import progress as module
from probing_core.progress import Progress, duration


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_time_left_counts_only_what_this_process_did(tmp_path, clock):
    told = Progress(file=tmp_path / "progress.json", pid=7)
    told.update("embed", 10, 30)  # ten were done by an earlier run
    clock[0] += 20
    told.update("embed", 20, 30)
    report = json.loads((tmp_path / "progress.json").read_text())
    assert report["left_s"] == pytest.approx(20)
    assert (report["stage"], report["done"], report["total"], report["state"]) == ("embed", 20, 30, "running")
    assert report["pid"] == 7
    told.finish("failed", "no space")
    report = json.loads((tmp_path / "progress.json").read_text())
    assert (report["state"], report["error"]) == ("failed", "no space")


def test_lines_are_rare_but_the_last_is_always_told(clock):
    stream = io.StringIO()
    told = Progress(stream)
    for done in range(101):
        told.update("train", done, 100, "Training")
        clock[0] += 0.01
    lines = stream.getvalue().splitlines()
    assert len(lines) < 6
    assert lines[-1].startswith("Training: 100 of 100")


@pytest.mark.parametrize(("seconds", "words"), [(3.2, "3 s"), (89, "89 s"), (200, "3 min"), (9000, "2.5 h")])
def test_durations_are_for_people(seconds, words):
    assert duration(seconds) == words
