from __future__ import annotations

from probing_core import paths
from probing_core.results import find_runs


def begin(folder, complete):
    folder.mkdir(parents=True)
    (folder / "run.toml").write_text("")
    if complete:
        (folder / "tables").mkdir()
        (folder / "tables" / "scores.parquet").write_bytes(b"")
    return folder


def test_named_runs_come_first_and_the_demo_before_others(tmp_path):
    named = begin(tmp_path / "elsewhere" / "mine", True)
    for name in ("another-that-ships", "reference"):
        begin(tmp_path / name, True)
    (tmp_path / "zoo").mkdir()
    for name in ("another", "demo"):
        begin(tmp_path / "runs" / name, name == "demo")
    (tmp_path / "runs" / "no-run").mkdir()
    found = find_runs([named], tmp_path)
    assert [(p.name, p.complete) for p in found] == [
        ("mine", True),
        ("reference", True),
        ("another-that-ships", True),
        ("demo", True),
        ("another", False),
    ]


def test_one_directory_is_listed_once_and_names_differ(tmp_path):
    twin = begin(tmp_path / "elsewhere" / "demo", True)
    demo = begin(tmp_path / "runs" / "demo", True)
    assert [p.name for p in find_runs([twin, demo], tmp_path)] == ["demo", "demo-2"]


def test_an_installed_package_keeps_a_users_runs_where_the_system_does(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "site-packages" / "probing_core")
    shipped = begin(tmp_path / "site-packages" / "probing_core" / "data" / "reference", True)
    mine = begin(paths.runs_dir() / "mine", True)
    assert not mine.is_relative_to(tmp_path / "site-packages")
    assert [p.path for p in find_runs()] == [shipped, mine]
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "probing_core")  # a clone
    assert paths.runs_dir() == tmp_path / "data" / "runs"


def test_no_runs(tmp_path):
    assert find_runs(data=tmp_path) == []
