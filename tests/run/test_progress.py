from __future__ import annotations

import io
import json
import os

import psutil
import pytest

from probing_core.errors import BadRun
from probing_core.run import progress as module
from probing_core.run.layout import PROGRESS
from probing_core.run.progress import SILENT, Expected, Progress, Report, duration, final_report, terminal


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_time_left_counts_only_work_of_this_process(tmp_path, clock):
    told = Progress(file=tmp_path / "progress.json")
    told.update("embed", 10, 30)  # ten were done by an earlier run
    clock[0] += 20
    told.update("embed", 20, 30)
    assert json.loads((tmp_path / "progress.json").read_text())["left_s"] is None, "the first unit loads and compiles"
    clock[0] += 20
    told.update("embed", 25, 30)
    report = json.loads((tmp_path / "progress.json").read_text())
    assert report["left_s"] == pytest.approx(20)
    assert (report["stage"], report["done"], report["total"], report["state"]) == ("embed", 25, 30, "running")
    assert (report["pid"], report["born"]) == (os.getpid(), psutil.Process().create_time())
    told.finish("failed", "no space")
    report = json.loads((tmp_path / "progress.json").read_text())
    assert (report["state"], report["error"]) == ("failed", "no space")


def test_fraction_and_time_left_cover_the_whole_run(tmp_path, clock):
    file = tmp_path / "progress.json"
    told = Progress(file=file)
    steps = {"load": ("load", 10.0), "embed": ("embed", 40.0), "a": ("train", 10.0), "b": ("train", 40.0)}
    told.expect({name: Expected(*about) for name, about in steps.items()})

    def report() -> Report:
        return Report(**json.loads(file.read_text()))

    told.update("load", 0, 1, "Loading")
    assert (report().share, report().left_s) == (0, 100)
    clock[0] += 60  # compiling takes six times what was expected, and is no pace
    told.update("embed", 6, 10, "Embedding")
    assert report().share == pytest.approx(0.1), "six units were complete already, which is no progress"
    assert report().left_s == pytest.approx(90)
    clock[0] += 50
    told.update("embed", 7, 10, "Embedding")
    assert report().left_s == pytest.approx(30 + 50), "nor is the first unit, which compiles"
    clock[0] += 5
    told.update("embed", 8, 10, "Embedding")
    assert (report().share, report().left_s) == (pytest.approx(0.3), pytest.approx(2 * 5 + 50))
    clock[0] += 10
    told.update("train", 0, 2, "Training", "a")
    assert (report().share, report().left_s) == (pytest.approx(0.5), pytest.approx(50))
    clock[0] += 20  # twice what was expected, and so will be the next
    told.update("train", 1, 2, "Training", "b")
    assert (report().share, report().left_s) == (pytest.approx(0.6), pytest.approx(80))
    assert report().so_far == "60%, 1 min 20 s left: Training, 1 of 2"
    told.finish("done")
    assert (report().share, report().state) == (1, "done")


def test_guessed_time_is_shown_once_the_pace_is_known(tmp_path, clock):
    file = tmp_path / "progress.json"
    told = Progress(file=file)
    steps = {"embed": ("embed", 40.0, True), "strength": ("embed", 80.0, True), "a": ("train", 20.0)}
    told.expect({name: Expected(*about) for name, about in steps.items()})

    def left() -> float | None:
        return Report(**json.loads(file.read_text())).left_s

    told.update("embed", 0, 4, "Embedding")
    assert left() is None
    clock[0] += 9
    told.update("embed", 1, 4, "Embedding")
    assert left() is None, "the first unit loads and compiles"
    clock[0] += 1
    told.update("embed", 2, 4, "Embedding")
    assert left() == pytest.approx(2 + 80 / 40 * 4 + 20), "the other series take as much longer, or less"
    clock[0] += 2
    told.update("embed", 4, 4, "Embedding")
    assert left() == pytest.approx(80 / 40 * 12 + 20)
    told.update("strength", 0, 1, "The series")
    assert left() == pytest.approx(80 / 40 * 12 + 20), "with what the first unit took, once it is over"
    clock[0] += 24
    told.update("train", 0, 1, "Training", "a")
    assert left() == pytest.approx(20)


def test_lines_are_rare_but_the_last_is_always_written(clock):
    stream = io.StringIO()
    told = Progress(stream)
    for done in range(101):
        told.update("train", done, 100, "Training")
        clock[0] += 0.01
    lines = stream.getvalue().splitlines()
    assert len(lines) < 6
    assert lines[-1].startswith("Training: 100 of 100")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1.23, "1.2 s"),
        (9.96, "10 s"),
        (42.4, "42 s"),
        (59.7, "1 min"),
        (89, "1 min 29 s"),
        (200, "3 min 20 s"),
        (599.7, "10 min"),
        (725, "12 min"),
        (3599, "1 h"),
        (9000, "2 h 30 min"),
        (4e6, "1,111 h 7 min"),
    ],
)
def test_durations_are_for_people(seconds, words):
    assert duration(seconds) == words


def test_note_is_a_separate_line():
    stream = io.StringIO()
    told = Progress(stream)
    told.note("")
    told.note("2 files are left out.")
    told.update("embed", 1, 2)
    assert stream.getvalue().splitlines()[0] == "2 files are left out."
    SILENT.note("nobody hears it")


def test_the_line_of_a_notebook_is_overwritten_and_removed():
    stream = io.StringIO()
    progress = Progress(stream, overwrites=True)
    progress.close()
    assert stream.getvalue() == "", "nothing was shown"
    progress.update("embed", 3, 3, "Embedding")
    progress.close()
    assert "\n" not in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[K")


@pytest.mark.parametrize(
    ("error", "state", "words"),
    [(None, "done", ""), (BadRun("No space."), "failed", "No space."), (KeyboardInterrupt(), "cancelled", ""),
     (ZeroDivisionError("by 0"), "failed", "ZeroDivisionError: by 0")],
)  # fmt: skip
def test_progress_file_states_how_a_command_ended(tmp_path, error, state, words):
    (tmp_path / "log").mkdir()

    def work(begins: bool) -> None:
        told = terminal(tmp_path)
        told.stream = None
        with final_report(told):
            if begins:
                told.update("embed", 1, 2)
            if error:
                raise error

    for begins in (False, True):
        if error:
            with pytest.raises(type(error)):
                work(begins)
        else:
            work(begins)
        assert (tmp_path / PROGRESS).exists() == begins, "a command that was refused leaves another's report alone"
    report = json.loads((tmp_path / PROGRESS).read_text())
    assert (report["state"], report["error"]) == (state, words)
