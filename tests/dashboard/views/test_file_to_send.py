"""The button of Explore that makes the file to send."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from dashboard.data import shared_files
from dashboard.data.shared_files import FileToSend
from probing_core.errors import BadRun
from probing_core.results import Run
from tests.dashboard.app_reading import label, unescaped


@pytest.fixture
def file(made_run, tmp_path, monkeypatch) -> FileToSend:
    """That of the made run, in a folder of the test."""
    file = FileToSend(Run.open(made_run))
    file.path = tmp_path / "sent" / "made.html"
    monkeypatch.setattr(shared_files, "file_of", lambda run: file)
    return file


def wait(file: FileToSend) -> None:
    while file.is_being_made:
        time.sleep(0.05)


def test_the_file_is_made_once_for_all_visitors(open_app, file, made_run):
    app = open_app("Explore")
    count = int(Run.open(made_run).images["used"].sum())
    assert f"{count} photographs and their altered versions are written into the file" in unescaped(app)
    assert not file.path.exists(), "nothing is made before it is wanted"
    label(app, "button", "Make the file").click().run()
    assert not app.exception
    wait(file)
    assert file.share == 1
    for seen in (app.run(), open_app("Explore")):
        assert not seen.exception
        assert not [b for b in seen.button if b.label == "Make the file"]
        assert [b for b in seen.get("download_button") if b.proto.label.startswith("Download, ")]


def test_where_the_photographs_are_elsewhere_none_leaves(open_app, shipped_run):
    assert "No photograph leaves this machine: this run ships no pictures" in unescaped(
        open_app("Explore", shipped_run)
    )


def test_why_it_could_not_be_made_is_shown_and_it_can_be_tried_again(open_app, file, monkeypatch):
    def refuse(*_, **__):
        raise BadRun("The disk is full.")

    monkeypatch.setattr(shared_files, "write_shared_file", refuse)
    file.begin()
    wait(file)
    app = open_app("Explore")
    assert "The disk is full." in unescaped(app)
    assert label(app, "button", "Make the file")


def test_few_files_are_kept(file, made_run, monkeypatch):
    monkeypatch.setattr(shared_files, "write_shared_file", lambda run, path, progress: path.write_text("made"))
    folder = file.path.parent
    folder.mkdir()
    for name in ("a", "b", "c", "d"):
        file.path = Path(folder / f"{name}.html")
        file.begin()
        wait(file)
    assert len(list(folder.iterdir())) == shared_files.MAX_KEPT
    assert (folder / "d.html").exists()
