"""A run from somebody else can delete or write nothing outside its own folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import probing_core
from dashboard.jobs import processes
from probing_core.cli import main
from probing_core.errors import BadRun
from probing_core.run.directory import is_being_written
from tests.conftest import copy_of_made_run, kept_made_run
from tests.hostile import HOSTILE_NAMES, plant

COMMANDS: dict[str, Callable[[Path], list[str]]] = {
    "run": lambda run: ["run", "--out", str(run)],
    "verify": lambda run: ["verify", "--run", str(run)],
    "report": lambda run: ["report", "--run", str(run), "--out", str(run.parent / "report.html")],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a run, `shared`, and a file beside it."""
    place = tmp_path_factory.mktemp("shared")
    copy_of_made_run(place / "shared")
    (place / "shared" / "units").mkdir(exist_ok=True)
    (place / "victim.txt").write_text("precious")
    return place


@pytest.fixture
def restored(place):
    """The run `shared`, whose records are restored afterwards."""
    run = place / "shared"
    records = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    yield run
    (run / "done" / "planted.json").unlink(missing_ok=True)
    for name, content in records.items():
        (run / name).write_bytes(content)
    assert (place / "victim.txt").read_text() == "precious"


@pytest.mark.parametrize("name", [*HOSTILE_NAMES, "{place}/victim.txt"])
def test_commands_refuse_a_run_with_a_name_outside(restored, capsys, name):
    name = name.format(place=restored.parent)
    plant(restored, name)
    for command in COMMANDS.values():
        assert main(command(restored)) == 2
        (line,) = capsys.readouterr().err.splitlines()[:1]
        assert repr(name) in line
    with pytest.raises(BadRun):
        probing_core.open(restored)


@pytest.mark.parametrize("name", HOSTILE_NAMES[:2])
def test_removing_a_run_removes_nothing_outside(restored, monkeypatch, name):
    monkeypatch.setattr(processes.rights, "require", lambda what: None)
    plant(restored, name)
    with pytest.raises(BadRun):
        processes.remove(restored)
    assert (restored / "run.toml").is_file()


def test_a_base_names_no_file_outside(restored):
    (restored / "base" / "done").mkdir(parents=True)
    plant(restored / "base", "../new.txt")
    try:
        assert main(COMMANDS["run"](restored)) == 2
        assert not (restored.parent / "new.txt").exists()
    finally:
        shutil.rmtree(restored / "base")


LINKED = ("log", "models", "units", "tables", "done", "base")
LINKED_FILES = (
    "log/lock",
    "log/events.jsonl",
    "log/writer.json",
    "log/progress.json",
    "done/recipe.json",
    "done/images.json",
)


@pytest.mark.parametrize("name", [*LINKED, *LINKED_FILES])
@pytest.mark.parametrize("target", ["folder", "file", "missing"])
def test_commands_write_nothing_through_a_link(tmp_path, capsys, name, target):
    run, outside = tmp_path / "shared", tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("precious")
    (outside / "folder").mkdir()
    (outside / "folder" / "lock").write_text("precious")
    run.mkdir()
    for path in kept_made_run().iterdir():
        if path.is_file():
            shutil.copy(path, run)
    link = run / name
    link.unlink(missing_ok=True)
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(outside / target)
    before = {path: path.read_bytes() if path.is_file() else b"" for path in outside.rglob("*")}
    for command in COMMANDS.values():
        assert main(command(run)) == 2
        assert "Traceback" not in capsys.readouterr().err
    assert {path: path.read_bytes() if path.is_file() else b"" for path in outside.rglob("*")} == before


@pytest.mark.parametrize(
    "content", [b"[]", b"{", b"[" * 100_000, b'{"files": []}', b'{"files": {"a": 1}}', b"\xff", b"", b'{"step": "x"}']
)
def test_damaged_records_are_one_sentence(restored, capsys, content):
    record = restored / "done" / "samples.json"
    before = record.read_bytes()
    record.write_bytes(content)
    try:
        probing_core.open(restored)  # the step counts as incomplete
        assert main(COMMANDS["verify"](restored)) == 2
        error = capsys.readouterr().err
        assert "Traceback" not in error
        assert "'done/samples.json'" in error
    finally:
        record.write_bytes(before)


def test_records_that_cannot_be_listed_are_one_sentence(tmp_path, capsys):
    run = copy_of_made_run(tmp_path / "shared")
    shutil.rmtree(run / "done")
    (run / "done").write_text("no folder")
    for command in COMMANDS.values():
        assert main(command(run)) == 2
        error = capsys.readouterr().err
        assert str(run) in error
        assert "Traceback" not in error
    with pytest.raises(BadRun, match="cannot be read"):
        probing_core.open(run)


def plant_pipe(run: Path, name: str) -> None:
    (run / name).unlink(missing_ok=True)
    os.mkfifo(run / name)


SPECIAL: dict[str, Callable[[Path, str], None]] = {
    "pipe": plant_pipe,
    "device": lambda run, name: (run / name).symlink_to("/dev/zero"),
    "folder": lambda run, name: (run / name).mkdir(),
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes")
@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("name", ["done/x.json", "models/planted", "log/writer.json", "log/x"])
def test_pipes_and_devices_are_neither_read_nor_written(tmp_path, capsys, kind, name):
    run = copy_of_made_run(tmp_path / "shared")
    (run / "log").mkdir(exist_ok=True)
    plant(run, "models/planted")
    SPECIAL[kind](run, name)
    assert main(COMMANDS["verify"](run)) == 2
    if kind != "folder":
        assert main(COMMANDS["run"](run)) == 2
    assert "this is a bug" not in capsys.readouterr().err
    assert not is_being_written(run)


@pytest.mark.parametrize("name", ["m" * 300, "m/" * 3000 + "m"])
def test_names_that_no_system_accepts_are_refused(restored, name):
    plant(restored, name)
    with pytest.raises(BadRun, match="mmm|m/m"):
        probing_core.open(restored)
