"""The button of Explore that makes the file to send."""

from __future__ import annotations

import pytest

from dashboard.data import shared_files
from probing_core.results import Run
from tests.dashboard.app_reading import label, unescaped


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(shared_files, "path_of", lambda run: tmp_path / "sent" / f"{run.digest}.html")


def test_the_file_is_made_once_for_all_visitors(open_app, made_run):
    app = open_app("Explore")
    count = int(Run.open(made_run).images["used"].sum())
    assert f"{count} photographs and their altered versions are written into the file" in unescaped(app)
    path = shared_files.path_of(Run.open(made_run))
    assert not path.exists(), "nothing is made before it is wanted"
    label(app, "button", "Make the file").click().run()
    assert not app.exception
    assert path.exists()
    assert [b.proto.label.partition(",")[0] for b in app.get("download_button")][:1] == ["Download"]
    again = open_app("Explore")
    assert not [b for b in again.button if b.label == "Make the file"]


def test_where_the_photographs_are_elsewhere_none_leaves(open_app, shipped_run):
    assert "No photograph leaves this machine: this run ships no pictures" in unescaped(
        open_app("Explore", shipped_run)
    )


def test_few_files_are_kept(made_run, monkeypatch):
    monkeypatch.setattr(shared_files, "write_shared_file", lambda run, path, progress: path.write_text("made"))
    folder = shared_files.path_of(Run.open(made_run)).parent
    folder.mkdir()
    for name in ("a", "b", "c", "d"):
        monkeypatch.setattr(shared_files, "path_of", lambda run, name=name: folder / f"{name}.html")
        shared_files.make(Run.open(made_run), lambda done, total: None)
    assert len(list(folder.iterdir())) == shared_files.MAX_KEPT
    assert (folder / "d.html").exists()
