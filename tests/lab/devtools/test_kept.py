from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.devtools import kept as module
from lab.devtools.kept import cached_folder


class Maker:
    """Writes how often it was called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, folder: Path) -> None:
        self.calls += 1
        folder.mkdir()
        (folder / "calls.txt").write_text(str(self.calls))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FOLDER", tmp_path / "made")


def test_it_is_made_once_for_all_who_ask_at_once():
    make = Maker()
    with ThreadPoolExecutor(8) as pool:
        places = list(pool.map(lambda _: cached_folder("run", make), range(8)))
    assert make.calls == 1
    assert len(set(places)) == 1


def test_what_changed_after_it_was_made_or_is_half_made_is_made_again():
    make = Maker()
    (cached_folder("run", make) / "calls.txt").write_text("changed")
    assert (cached_folder("run", make) / "calls.txt").read_text() == "2"
    (cached_folder("run", make) / "other.txt").touch()
    assert not (cached_folder("run", make) / "other.txt").exists()

    def fail(folder: Path) -> None:
        folder.mkdir()
        (folder / "half.txt").touch()
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - its own
        cached_folder("killed", fail)
    assert [path.name for path in cached_folder("killed", make).iterdir()] == ["calls.txt"]


def test_nothing_is_taken_from_other_sources_or_kept_when_they_change_meanwhile(monkeypatch):
    make = Maker()
    cached_folder("run", make)
    monkeypatch.setattr(module, "AT_START", "other")
    cached_folder("run", make)
    cached_folder("run", make)
    assert make.calls == 3, "sources are no longer those of the start, so that nothing is kept"
    monkeypatch.setattr(module, "sources", lambda: "other")
    cached_folder("run", make)
    cached_folder("run", make)
    assert make.calls == 4


def test_a_file_of_the_core_changes_the_hash_and_a_chart_does_not(tmp_path, monkeypatch):
    for name in module.OTHERS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(module, "ROOT", tmp_path)
    found = [module.sources()]
    for name in ("charts/bars.py", "results/run.py", "compute/scores.py", "compute/page.html"):
        path = tmp_path / "probing_core" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        found.append(module.sources())
    assert found[0] == found[1] == found[2]
    assert len(set(found[2:])) == 3
