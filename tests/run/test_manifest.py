"""The journal of a run: an entry costs the same for any number of files, and survives a kill."""

from __future__ import annotations

import json

import pytest

from probing_core.run.layout import JOURNAL, MANIFEST
from probing_core.run.manifest import Manifest, stamp
from probing_core.run.store import Store


def entry(text: str) -> dict:
    return {"bytes": len(text), "key": "k", "sha256": text.encode().hex().ljust(64, "0")}


@pytest.fixture
def manifest(tmp_path):
    return Manifest(tmp_path)


def test_enter_appends_one_line_and_keeps_the_manifest(manifest):
    manifest.enter([("first", entry("1"))])
    manifest.fold()
    before = (manifest.root / MANIFEST).read_bytes()
    sizes = []
    for i in range(3):
        manifest.enter([(f"later-{i}", entry("2"))])
        sizes.append((manifest.root / JOURNAL).stat().st_size)
    assert (manifest.root / MANIFEST).read_bytes() == before
    assert sizes == [sizes[0], 2 * sizes[0], 3 * sizes[0]]
    assert set(Manifest(manifest.root).files) == {"first", "later-0", "later-1", "later-2"}


def test_journal_cut_at_any_byte_keeps_earlier_entries(manifest):
    manifest.enter([("old", entry("o")), ("changed", entry("c"))])
    manifest.fold()
    journal = manifest.root / JOURNAL
    steps = [("new \N{SNOWMAN}", entry("n")), ("old", None), ("changed", entry("again")), ("last", entry("l"))]
    states, stops = [dict(manifest.files)], [0]
    for step in steps:
        manifest.enter([step])
        states.append(dict(manifest.files))
        stops.append(journal.stat().st_size)
    content = journal.read_bytes()
    for cut in range(len(content) + 1):
        journal.write_bytes(content[:cut])
        after = Manifest(manifest.root)
        # A line is whole without the line feed that ends it.
        assert after.files == states[sum(stop - 1 <= cut for stop in stops) - 1]
        after.enter([("next", entry("x"))])
        assert Manifest(manifest.root).files == after.files
        assert after.files["next"] == entry("x")


def test_fold_equals_writing_the_manifest_each_time(manifest):
    manifest.enter([("b", entry("b")), ("a", entry("a")), ("gone", entry("g"))])
    manifest.enter([("gone", None)])
    manifest.fold()
    expected = json.dumps({"format": 2, "files": {"a": entry("a"), "b": entry("b")}}, sort_keys=True, indent=1)
    assert (manifest.root / MANIFEST).read_text() == expected
    assert not (manifest.root / JOURNAL).exists()


def test_a_kill_while_folding_changes_nothing(manifest, monkeypatch):
    manifest.enter([("a", entry("a")), ("b", entry("b"))])
    manifest.fold()
    manifest.enter([("a", None), ("c", entry("c"))])
    lines = (manifest.root / JOURNAL).read_bytes()
    before = dict(manifest.files)
    manifest.fold()
    (manifest.root / JOURNAL).write_bytes(lines)  # as a kill leaves it that comes before the journal is removed
    again = Manifest(manifest.root)
    assert again.files == before
    again.fold()
    assert Manifest(manifest.root).files == before


def test_fold_keeps_entries_of_other_processes(manifest):
    other = Manifest(manifest.root)
    manifest.enter([("mine", entry("m"))])
    other.enter([("others", entry("o"))])
    manifest.fold()
    assert set(Manifest(manifest.root).files) == {"mine", "others"}


def test_reading_and_empty_fold_write_nothing(tmp_path):
    store = Store(tmp_path / "run")
    store.write_bytes("x", b"1", "k")
    store.fold()
    store.write_bytes("y", b"2", "k")

    def content():
        return {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in store.root.rglob("*") if p.is_file()}

    before = content()
    again = Store(store.root)
    assert again.damage() == []
    assert again.names() == ["x", "y"]
    assert content() == before
    store.fold()
    before = content()
    Store(store.root).fold()
    assert content() == before


def test_locked_folds_entries_of_a_killed_process(tmp_path):
    store = Store(tmp_path / "run")
    store.write_bytes("x", b"1", "k")
    store.fold()
    store.write_bytes("y", b"2", "k")
    with store.path(JOURNAL).open("ab") as journal:
        journal.write(b'\n["z", {"bytes": 1')
    with Store(store.root).locked():
        assert not store.path(JOURNAL).exists()
        assert set(json.loads(store.path(MANIFEST).read_bytes())["files"]) == {"x", "y"}


def test_readers_see_at_once_that_something_was_entered(tmp_path):
    store = Store(tmp_path / "run")
    stamps, digests = [], []
    for name in "ab":
        for change in (lambda name=name: store.write_bytes(name, b"1", "k"), store.fold):
            change()
            stamps.append(stamp(store.root))
            digests.append(Manifest(store.root).digest())
    assert len(set(stamps)) == 4
    assert len(set(digests)) == 2, "folding changes no file"
    assert digests[0] == digests[1]


def test_options_without_a_file_are_written_again(tmp_path):
    # A process can be killed after it wrote the line of the options and before it wrote the line of the file.
    killed = Manifest(tmp_path)
    name = killed.note({"seed": 0})
    again = Manifest(tmp_path)
    again.fold()
    assert again.note({"seed": 0}) == name
    entry = {"bytes": 1, "key": "k", "sha256": "s", "inputs": {"options": name, "revision": 1}}
    again.enter([("a", entry)])
    again.fold()
    assert Manifest(tmp_path).options == {name: {"seed": 0}}


def test_options_are_removed_with_their_last_file(tmp_path):
    manifest = Manifest(tmp_path)
    name = manifest.note({"seed": 0})
    manifest.enter([("a", {"bytes": 1, "key": "k", "sha256": "s", "inputs": {"options": name}})])
    manifest.fold()
    assert Manifest(tmp_path).options == {name: {"seed": 0}}
    manifest.enter([("a", None)])
    manifest.fold()
    assert Manifest(tmp_path).options == {}
