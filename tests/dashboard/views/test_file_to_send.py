"""The button of Explore that creates the file to send, and the files."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from dashboard.data import shared_files
from dashboard.data.shared_files import FileRemoved, FileToSend
from probing_core.errors import BadRun
from probing_core.results import Run
from probing_core.results.explorer.data import SHARED_MODELS, explorer_data, shared_models
from probing_core.results.explorer.shared_file import leaving, licenses_of
from tests.dashboard.app_reading import address, label, unescaped

MODELS = ["zoo/mae", "baseline/pixels"]


@pytest.fixture
def file(made_run, tmp_path, monkeypatch) -> FileToSend:
    """The file of the made run, in a folder of the test."""
    file = FileToSend(Run.open(made_run), MODELS, tmp_path / "sent" / "made.html")
    monkeypatch.setattr(shared_files, "file_of", lambda run, models: file)
    return file


@pytest.fixture
def in_an_instant(monkeypatch):
    """Writes the name of the file in place of the file."""

    def write(run, path, models, progress) -> None:
        path.write_text(path.stem)

    monkeypatch.setattr(shared_files, "write_shared_file", write)


def wait(*files: FileToSend) -> None:
    while any(file.is_being_written for file in files):
        time.sleep(0.05)


def others(made_run: Path, folder: Path, count: int) -> list[FileToSend]:
    run = Run.open(made_run)
    return [FileToSend(run, MODELS, folder / f"{number}.html") for number in range(count)]


def test_file_is_written_once_for_all_visitors(open_app, file, made_run):
    app = open_app("Explore")
    run = Run.open(made_run)
    data = explorer_data(run)
    assert leaving(data, *licenses_of(run, data)) in unescaped(app)
    assert not file.size, "nothing is written before it is wanted"
    label(app, "button", "Create file").click().run()
    assert not app.exception
    wait(file)
    assert file.share == 1
    for seen in (app.run(), open_app("Explore")):
        assert not seen.exception
        assert not [b for b in seen.button if b.label == "Create file"]
        assert [b for b in seen.get("download_button") if b.proto.label.startswith("Download (")]


def test_file_has_the_models_that_are_selected(open_app, made_run, monkeypatch, tmp_path):
    asked = []

    def file_of(run, models):
        asked.append(models)
        return FileToSend(run, models, tmp_path / "x.html")

    monkeypatch.setattr(shared_files, "file_of", file_of)
    last = shared_models(Run.open(made_run))[-1]
    app = open_app("Explore", selection=f'{{"a":"{last}","b":"zoo/mae"}}')
    assert {last, "zoo/mae"} <= set(asked[-1]), "at first, those on the maps"
    models = app.multiselect(key="exported")
    assert models.value == list(asked[-1])
    assert models.proto.max_selections == SHARED_MODELS
    models.set_value(["baseline/pixels", "zoo/mae"]).run()
    assert not app.exception
    assert asked[-1] == ("baseline/pixels", "zoo/mae")
    assert open_app("Explore", exported=address(app, "exported")).multiselect(key="exported").value == [
        "baseline/pixels",
        "zoo/mae",
    ]


def test_progress_of_a_file_is_shown_until_it_is_written(open_app, file, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()

    def write(run, path, models, progress) -> None:
        progress(1, 4)
        begun.set()
        assert go_on.wait(30)
        path.write_text("")

    monkeypatch.setattr(shared_files, "write_shared_file", write)
    app = open_app("Explore")
    label(app, "button", "Create file").click().run()
    assert begun.wait(30)
    (bar,) = app.run().get("progress")
    assert (bar.proto.value, "25%" in bar.proto.text) == (25, True)
    go_on.set()
    wait(file)


def test_page_without_images_says_that_the_file_contains_none(open_app, shipped_run):
    assert "The file contains no photographs" in unescaped(open_app("Explore", shipped_run))


ERRORS = [
    (BadRun("The run has no maps."), "The run has no maps."),
    (MemoryError(), "not enough memory"),
    (OSError(28, "No space left on device", "/srv/secret/x.html"), "No space left on device"),
    (ZeroDivisionError("/srv/secret"), "ZeroDivisionError"),
]


@pytest.mark.parametrize(("error", "words"), ERRORS, ids=lambda one: type(one).__name__)
def test_every_error_is_reported_and_the_file_can_be_created_again(
    open_app, file, monkeypatch, in_an_instant, error, words
):
    def fail(*_, **__):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(shared_files, "write_shared_file", fail)
        file.start()
        wait(file)
    app = open_app("Explore")
    assert words in unescaped(app)
    assert "secret" not in unescaped(app)
    label(app, "button", "Create file").click().run()
    wait(file)
    assert file.size
    assert not file.error


def test_few_files_are_kept(made_run, tmp_path, in_an_instant):
    files = others(made_run, tmp_path, 5)
    for file in files:
        file.start()
        wait(file)
    assert [bool(file.size) for file in files] == [False, False, True, True, True]
    assert files[-1].content(None) == b"4"
    with pytest.raises(FileRemoved):
        files[0].content(None)


def test_file_is_not_removed_while_it_is_downloaded(made_run, tmp_path, in_an_instant, monkeypatch):
    files = others(made_run, tmp_path, shared_files.MAX_KEPT + 1)
    for file in files[:-1]:
        file.start()
        wait(file)
    reads, read, go_on = threading.Event(), Path.read_bytes, threading.Event()

    def slowly(path):
        reads.set()
        assert go_on.wait(30)
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", slowly)
    found = []
    download = threading.Thread(target=lambda: found.append(files[0].content(None)))
    download.start()
    assert reads.wait(30)
    files[-1].start()  # which removes the oldest
    time.sleep(0.2)
    assert files[0].size
    go_on.set()
    download.join()
    wait(files[-1])
    assert found == [b"0"]
    assert not files[0].size


def test_many_files_at_once_are_refused(made_run, tmp_path, monkeypatch):
    go_on = threading.Event()
    monkeypatch.setattr(shared_files, "write_shared_file", lambda run, path, models, progress: go_on.wait(30))
    files = others(made_run, tmp_path, shared_files.MAX_WAITING + 1)
    for file in files:
        file.start()
    assert [file.is_being_written for file in files] == [True] * shared_files.MAX_WAITING + [False]
    assert "busy" in files[-1].error
    go_on.set()
    wait(*files)
