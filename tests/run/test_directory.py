"""The run directory: when a step is computed, copies of runs, and one writer at a time."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from probing_core.errors import BadRun, RunBusy
from probing_core.run import directory, layout
from probing_core.run.directory import RunDirectory, damage_sentences
from probing_core.run.files import written_atomically
from probing_core.run.layout import BASE, DONE, TEMPORARY, record_path
from probing_core.run.run_files import RunFiles, digest, stamp

ONE = {"code_version": 1}
TWO = {"code_version": 2}


@pytest.fixture
def run(tmp_path) -> RunDirectory:
    return RunDirectory(tmp_path / "run")


def contents(root: Path) -> dict[str, bytes]:
    """Return the content of all files but the log, by path."""
    paths = [path for path in root.rglob("*") if path.is_file()]
    named = {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}
    return {name: content for name, content in named.items() if not name.startswith("log/")}


def flip_last_byte(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()  # not through a hard link
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_save_writes_files_that_another_reader_reads(run):
    table = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    arrays = {"embeddings": np.arange(6, dtype=np.float32).reshape(2, 3)}
    run.save(
        "all",
        ONE,
        {"t.parquet": table, "m/e.safetensors": arrays, "raw": b"1", "called": lambda f: f.write(b"2"), "no": None},
    )
    again = RunFiles(run.root)
    pd.testing.assert_frame_equal(again.read_table("t.parquet"), table)
    assert again.read_arrays("m/e.safetensors")["embeddings"].tolist() == arrays["embeddings"].tolist()
    assert [again.read_bytes(name) for name in ("raw", "called")] == [b"1", b"2"]
    assert again.names() == ["called", "m/e.safetensors", "raw", "t.parquet"]
    assert again.step_of("raw") == "all"
    assert again.records["all"].inputs == ONE
    assert again.damaged() == {}
    assert again.foreign() == []


def test_equal_steps_give_equal_bytes(tmp_path):
    for name in "ab":
        content = {"x.safetensors": {"b": np.ones(3), "a": np.zeros(2)}, "x.parquet": pd.DataFrame({"a": [1.5]})}
        RunDirectory(tmp_path / name).save("x", {"b": 1, "a": 2} if name == "a" else {"a": 2, "b": 1}, content)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert len(contents(tmp_path / "a")) == 3


def test_step_is_computed_once_for_each_key(run):
    calls: list[int] = []

    def step(inputs: dict[str, int]) -> None:
        run.step("a", inputs, lambda: calls.append(1) or {"a": b"1"})

    for inputs in (ONE, ONE, TWO, TWO):
        step(inputs)
    assert len(calls) == 2
    assert not RunDirectory(run.root).needs("a", TWO)
    assert RunDirectory(run.root).needs("a", ONE)
    assert RunDirectory(run.root).needs("b", TWO)


def test_key_of_a_reader_changes_with_the_steps_that_it_reads(run):
    keys = []
    for inputs in (ONE, TWO):
        run.step("a", inputs, lambda: {"a": b"same bytes"})
        keys.append(digest(run.keys("a")))
    assert keys[0] != keys[1]


def test_needs_notes_the_key_before_the_step_is_computed(run):
    run.save("a", ONE, {"a": b"1"})
    before = run.key("a")
    assert run.needs("a", TWO)
    assert run.key("a") != before
    run.save("a", TWO, {"a": b"2"})
    assert run.key("a") == RunDirectory(run.root).key("a")


def test_save_records_the_key_of_its_inputs(run):
    for inputs in (ONE, TWO):
        run.save("a", inputs, {"a": b"1"})
        assert run.key("a") == RunFiles(run.root).records["a"].key == digest(["a", inputs])
        assert not RunDirectory(run.root).needs("a", inputs)


def test_digest_depends_on_values_but_not_on_their_order():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
    with pytest.raises(ValueError, match="JSON"):
        digest({"a": float("nan")})


@pytest.mark.parametrize("flaw", ["missing", "truncated", "same size"])
def test_step_with_a_damaged_file_is_needed_again(run, flaw):
    run.save("a", ONE, {"a1": b"123", "a2": b"456"})
    run.save("b", ONE, {"b": b"123"})
    path = run.path("a2")
    if flaw == "missing":
        path.unlink()
    elif flaw == "truncated":
        path.write_bytes(b"4")
    else:
        flip_last_byte(path)
    again = RunDirectory(run.root)
    with again.locked():
        assert list(again.lost) == ["a2"]
        assert not again.has("a2")
        assert again.names() == ["a1", "b"]
        assert again.needs("a", ONE)
        assert not again.needs("b", ONE)
        again.save("a", ONE, {"a1": b"123", "a2": b"456"})
        assert again.lost == {}
        assert not again.needs("a", ONE)
    assert again.damaged() == {}


def test_step_with_a_corrupted_record_is_needed_again(run):
    run.save("a", ONE, {"a": b"123"})
    record = run.root / record_path("a")
    whole = record.read_bytes()
    for content in (
        b"",
        b"{",
        b"[]",
        b"{}",
        whole.replace(b'"step": "a"', b'"step": "b"'),
        whole.replace(b"[3,", b'["x",'),
    ):
        record.write_bytes(content)
        again = RunDirectory(run.root)
        assert list(again.damaged()) == [record_path("a")]
        with again.locked():
            assert list(again.lost) == [record_path("a")]
            assert again.needs("a", ONE)
            again.save("a", ONE, {"a": b"123"})
            assert again.lost == {}
        assert record.read_bytes() == whole


def test_step_that_writes_fewer_files_removes_its_earlier_files(run):
    run.save("a", ONE, {"x": b"1", "folder/y": b"2"})
    run.save("b", ONE, {"z": b"3"})
    run.save("a", TWO, {"x": b"1"})
    for each in (run, RunFiles(run.root)):
        assert each.names() == ["x", "z"]
        assert each.damaged() == {}
        assert each.foreign() == []
    run.save("a", ONE, {})
    assert not run.needs("a", ONE)
    assert RunFiles(run.root).names() == ["z"]


class Killed(BaseException):
    """Stands for the end of the process."""


def test_record_is_written_last(run, monkeypatch):
    run.save("a", ONE, {"x": b"1", "gone": b"2"})
    replaced: list[str] = []

    def replace(self: Path, target: Path) -> Path:
        if target.parent.name == "done":
            raise Killed
        replaced.append(target.name)
        os.replace(self, target)
        return target

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        assert run.needs("a", TWO)
        with pytest.raises(Killed):
            run.save("a", TWO, {"x": b"3", "y": b"4"})
    assert replaced == ["x", "y"]
    again = RunDirectory(run.root)
    assert not (run.root / "gone").exists()
    with again.locked():
        assert again.needs("a", TWO)
        assert again.needs("a", ONE)  # its file was overwritten
        again.save("a", TWO, {"x": b"3", "y": b"4"})
    assert again.damaged() == {}
    assert again.foreign() == []


def test_stamp_changes_whenever_a_step_is_completed(run):
    with pytest.raises(BadRun, match="is not a run"):
        stamp(run.root)
    seen = set()
    for inputs in (ONE, TWO):
        run.save("a", inputs, {"a": b"1"})
        seen.add((stamp(run.root), run.state()))
    assert len({stamp for stamp, _ in seen}) == len({state for _, state in seen}) == 2


def test_damaged_and_foreign_name_every_file_in_one_sentence(run):
    run.save("a", ONE, {"gone": b"123", "changed": b"123", "fine": b"123"})
    run.path("gone").unlink()
    flip_last_byte(run.path("changed"))
    (run.root / "log").mkdir()
    (run.root / "log" / "anything").write_text("is allowed here")
    (run.root / "stranger").write_text("?")
    (run.root / DONE / "notes.txt").write_text("?")
    (run.root / layout.EXTRA_FILES[0]).write_bytes(b"published with the run")
    sentences = damage_sentences(run.damaged(), run.foreign())
    assert [sentence.split("'")[1] for sentence in sentences] == ["changed", "gone", f"{DONE}notes.txt", "stranger"]
    assert "checksum" in sentences[0]
    assert "missing" in sentences[1]
    assert all(sentence.endswith(".") for sentence in sentences)


@pytest.mark.parametrize("path", ["../outside", "/etc/outside", "done/x", "units/x", "base/x", "log/x"])
def test_record_with_a_file_in_a_foreign_place_is_refused(run, path):
    record = directory.Record("a", "k", ONE, {path: directory.FileRecord(1, "0" * 64)})
    (run.root / DONE).mkdir(parents=True)
    (run.root / record_path("a")).write_bytes(record.to_json())
    with pytest.raises(BadRun):
        RunFiles(run.root)


# Copies


@pytest.fixture
def source(tmp_path) -> RunDirectory:
    """A complete run with a table that combines all models."""
    run = RunDirectory(tmp_path / "source")
    run.write_recipe({"view": 32})
    run.save("images", ONE, {"images.parquet": b"images"})
    run.save("models/a/scores", ONE, {"models/a/scores.parquet": b"scores", "models/a/more": b"more"})
    run.save("empty", ONE, {})
    run.save("tables/scores", ONE, {"tables/scores.parquet": b"joined"})
    return run


OF_BASE = ["images.parquet", "models/a/more", "models/a/scores.parquet"]


def inodes(root: Path) -> set[int]:
    return {path.stat().st_ino for path in root.rglob("*") if path.is_file()}


def test_start_copy_links_every_file_but_joined_tables(source, run):
    run.start_copy(source)
    assert run.names() == OF_BASE
    assert all(run.read_bytes(name) == source.read_bytes(name) for name in OF_BASE)
    assert {run.path(name).stat().st_ino for name in OF_BASE} <= inodes(source.root)
    assert contents(run.root).keys() == {
        *(f"{BASE}/{name}" for name in (*OF_BASE, "run.toml")),
        *(f"{BASE}/{record_path(step)}" for step in ("recipe", "images", "models/a/scores", "empty")),
    }
    assert run.base is not None
    assert run.base.has("run.toml")
    assert run.damaged() == {}
    assert run.foreign() == []


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EMLINK])
def test_start_copy_copies_files_that_cannot_be_linked(source, run, code):
    def refuse(path: Path, target: Path) -> None:
        raise OSError(code, os.strerror(code))

    run.start_copy(source, link=refuse)
    assert [run.read_bytes(name) for name in OF_BASE] == [source.read_bytes(name) for name in OF_BASE]
    assert not inodes(run.root) & inodes(source.root)
    assert run.damaged() == {}


def test_start_copy_refuses_a_damaged_run(source, run):
    flip_last_byte(source.path("models/a/more"))
    with pytest.raises(BadRun, match=r"models/a/more.*Repair that run first"):
        run.start_copy(source)
    assert not (run.root / BASE).exists()


def test_steps_of_the_base_are_complete_with_any_key(source, run):
    run.start_copy(source)
    shutil.rmtree(source.root)
    with run.locked():
        assert not run.needs("images", ONE)
        assert run.outdated == set()
        assert not run.needs("models/a/scores", TWO)
        assert run.outdated == {"models/a/scores"}
        # Steps that read its files have the key of the copied files as an input.
        assert run.key("models/a/scores") == digest(["models/a/scores", ONE])
        assert run.needs("tables/scores", ONE)
        assert run.needs("recipe", {"view": 32})


def test_base_is_never_written(source, run):
    run.start_copy(source)
    before = contents(run.root / BASE)
    flip_last_byte(run.path("models/a/more"))
    damaged = contents(run.root / BASE)
    again = RunDirectory(run.root)
    with again.locked():
        assert list(again.lost) == ["models/a/more"]
        assert again.needs("models/a/scores", ONE)
        again.save("models/a/scores", ONE, {"models/a/scores.parquet": b"scores", "models/a/more": b"more"})
        again.save("images", TWO, {"images.parquet": b"own"})
        again.save("tables/scores", ONE, {"tables/scores.parquet": b"joined again"})
        again.write_recipe({"view": 32})
    assert contents(run.root / BASE) == damaged
    assert contents(source.root).items() >= {(name, before[name]) for name in OF_BASE}
    last = RunFiles(run.root)
    assert last.is_own("images")
    assert last.read_bytes("images.parquet") == b"own"
    assert last.read_bytes("models/a/more") == b"more"
    assert last.damaged() == {}
    again.remove("images")
    assert RunFiles(run.root).read_bytes("images.parquet") == b"images"
    again.clear()
    assert not (run.root / BASE).exists()
    assert source.damaged() == {}


@pytest.mark.parametrize("killed_after", range(5))
def test_killed_copy_leaves_no_base(source, run, killed_after):
    left = [killed_after]

    def dying(path: Path, target: Path) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        os.link(path, target)

    with suppress(Killed):
        run.start_copy(source, link=dying)
    again = RunDirectory(run.root)
    assert (again.base is None) == (killed_after < 4)
    with again.locked():
        again.start_copy(source)
        assert again.names() == OF_BASE
        assert again.lost == {}
    assert not (run.root / f"{BASE}{TEMPORARY}").exists()


def test_remains_of_a_killed_copy_are_removed_with_the_base(source, run):
    def killed(path: Path, target: Path) -> None:
        raise Killed

    with suppress(Killed):
        run.start_copy(source, link=killed)
    assert (run.root / f"{BASE}{TEMPORARY}").exists()
    with run.locked():
        run.remove_base()
    assert not (run.root / f"{BASE}{TEMPORARY}").exists()


# Delete


def test_delete_keeps_files_of_others(run):
    run.write_recipe({"view": 32})
    run.save("tables/t", ONE, {"tables/t.parquet": b"1"})
    (run.root / "units" / "key").mkdir(parents=True)
    (run.root / "units" / "key" / "unit-00000.x.parquet").write_bytes(b"1")
    notes = run.root / "tables" / "notes.txt"
    notes.write_text("mine")
    with RunDirectory(run.root).locked(), pytest.raises(RunBusy):
        run.delete()
    assert run.has("tables/t.parquet")
    assert run.delete() == ["tables/notes.txt"]
    assert [path for path in run.root.rglob("*") if path.is_file()] == [notes]
    notes.unlink()
    assert RunDirectory(run.root).delete() == []
    assert not run.root.exists()


def test_delete_removes_a_copy_but_not_its_source(source, run):
    run.start_copy(source)
    run.write_recipe({"view": 32})
    assert run.delete() == []
    assert not run.root.exists()
    assert source.damaged() == {}


def test_delete_removes_what_killed_processes_have_left(source, run):
    def killed(path: Path, target: Path) -> None:
        raise Killed

    with suppress(Killed):
        run.start_copy(source, link=killed)
    (run.root / f"half{TEMPORARY}").write_bytes(b"half")
    (run.root / f"{BASE}{TEMPORARY}").mkdir(exist_ok=True)
    (run.root / f"{BASE}{TEMPORARY}" / "linked").write_bytes(b"1")
    assert run.delete() == []
    assert not run.root.exists()


def no_space(descriptor: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_delete_removes_a_run_from_a_full_disk(run, monkeypatch):
    run.write_recipe({"view": 32})
    monkeypatch.setattr("os.fsync", no_space)
    assert run.delete() == []
    assert not run.root.exists()


def test_full_disk_keeps_the_old_file(run, monkeypatch):
    run.save("a", ONE, {"a": b"old"})
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", no_space)
        with pytest.raises(BadRun, match="No space left on device"):
            run.save("a", TWO, {"a": b"new"})
    assert contents(run.root).keys() == {"a", record_path("a")}
    again = RunDirectory(run.root)
    assert again.read_bytes("a") == b"old"
    assert again.damaged() == {}
    assert not again.needs("a", ONE)


# Writers


@contextmanager
def entered(script: str, root: Path) -> Iterator[subprocess.Popen[str]]:
    """Run ``script`` in a process, and wait until it has printed a line."""
    command = [sys.executable, "-c", textwrap.dedent(script), str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "entered\n"
        try:
            yield process
        finally:
            process.kill()


WRITER = """
    import sys
    from pathlib import Path
    from probing_core.run.directory import RunDirectory
    from probing_core.run.files import written_atomically
    run = RunDirectory(Path(sys.argv[1]))
    with run.locked(), written_atomically(run.path("killed")) as file:
        file.write(b"half")
        file.flush()
        print("entered", flush=True)
        input()
"""


def test_second_process_is_refused_until_the_first_is_killed(run):
    run.save("a", ONE, {"a": b"1"})
    with entered(WRITER, run.root) as writer:
        assert list(run.root.glob(f"killed*{TEMPORARY}"))
        with pytest.raises(RunBusy, match="Another process is writing"), run.locked():
            pass
        with pytest.raises(RunBusy):
            run.delete()
        assert RunFiles(run.root).read_bytes("a") == b"1"  # readers are not refused
        writer.kill()
        writer.wait()
        with run.locked():
            assert list(run.root.glob(f"*{TEMPORARY}")) == []  # the killed process has left nothing
            assert run.names() == ["a"]


def test_second_writer_in_one_process_is_refused(run):
    with run.locked(), pytest.raises(RunBusy), RunDirectory(run.root).locked():
        pass
    with run.locked():  # the lock was released
        pass


def test_locked_keeps_temporary_files_of_others(run):
    (run.root / "sub").mkdir(parents=True)
    thesis = run.root / "sub" / "thesis.tmp"
    thesis.write_text("mine")
    with written_atomically(run.root / "shard") as file:
        file.write(b"of this process")
        with run.locked():
            assert len(list(run.root.glob(f"shard*{TEMPORARY}"))) == 1
    assert (run.root / "shard").read_bytes() == b"of this process"
    assert thesis.read_text() == "mine"


def test_locked_reads_records_of_another_machine(run):
    run.save("a", ONE, {"a": b"1"})
    elsewhere = RunDirectory(run.root)  # as on another machine, with its own copy of the records
    elsewhere.save("b", ONE, {"b": b"2"})
    elsewhere.save("a", TWO, {"a": b"3"})
    assert run.needs("b", ONE)
    with run.locked():
        assert not run.needs("b", ONE)
        assert not run.needs("a", TWO)
        assert run.needs("a", ONE)
    assert run.read_bytes("a") == b"3"


def test_folder_that_is_not_writable_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadRun, match="is not writable"), RunDirectory(tmp_path / "file").locked():
        pass
    run = RunDirectory(tmp_path / "run")
    run.save("a", ONE, {"a": b"1"})
    opened = Path.open

    def refused(self: Path, mode: str = "r", *arguments, **options):
        if "w" in mode:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return opened(self, mode, *arguments, **options)

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(BadRun, match="could not be written: Permission denied"):
        run.save("a", TWO, {"a": b"2"})
    assert RunFiles(run.root).read_bytes("a") == b"1"
