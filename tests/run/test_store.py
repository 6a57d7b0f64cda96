from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

from lab.scripts.reference import completed_on
from probing_core.errors import BadRun, RunBusy
from probing_core.run import files, layout
from probing_core.run.files import write_atomically
from probing_core.run.layout import TEMPORARY, slug
from probing_core.run.manifest import Manifest
from probing_core.run.store import Store, digest, note_completed


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "run")


def test_what_is_written_is_read_back_by_another_process(store):
    table = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    store.write_table("tables/t.parquet", table, "k1")
    store.write("m/e.safetensors", {"embeddings": np.arange(6, dtype=np.float32).reshape(2, 3)}, "k2")
    store.write_toml("run.toml", {"view": 128, "models": ["a"]}, "k3")
    again = Store(store.root)
    pd.testing.assert_frame_equal(again.read_table("tables/t.parquet"), table)
    assert again.read_arrays("m/e.safetensors")["embeddings"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert again.read_toml("run.toml") == {"view": 128, "models": ["a"]}
    assert again.names("m/") == ["m/e.safetensors"]
    assert again.damage() == []


def test_interrupted_removal_can_be_repeated(store, monkeypatch):
    store.write_bytes("units/a", b"a", "k")

    def killed(self, entries):
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(Manifest, "enter", killed)
        with pytest.raises(KeyboardInterrupt):
            store.remove("units/a")
    again = Store(store.root)
    assert not again.has("units/a")
    assert again.names("units/") == ["units/a"]
    again.remove("units/a")
    assert Store(store.root).damage() == []


def test_whole_numbers_that_count_up_take_next_to_nothing(store):
    numbers = pd.DataFrame(
        {
            "sample": np.arange(0, 30_000, 3, dtype=np.int32),
            "repetition": np.tile(np.arange(2, dtype=np.int8), 5000),
            "big": np.arange(10_000) * 10**12,
            "p": np.linspace(0, 1, 10_000, dtype=np.float32),
            "right": np.arange(10_000) % 2 == 0,
            "name": [f"n{i % 7}" for i in range(10_000)],
        }
    )
    store.write_table("t.parquet", numbers, "k")
    pd.testing.assert_frame_equal(store.read_table("t.parquet"), numbers)
    assert store.read_table("t.parquet", ["big", "right"]).shape == (10_000, 2)
    store.write_table("whole.parquet", numbers[["sample", "repetition", "big"]], "k")
    assert store.path("whole.parquet").stat().st_size < 6000
    empty = numbers[:0]
    store.write_table("t.parquet", empty, "k")
    pd.testing.assert_frame_equal(store.read_table("t.parquet"), empty, check_dtype=False)


@pytest.mark.parametrize("rows", [1, 1000, 2**20])
def test_tables_that_are_joined_are_the_table_of_their_rows(store, monkeypatch, rows):
    """Where their row groups are alike, its bytes too."""
    monkeypatch.setattr(files, "GROUP_ROWS", rows)
    whole = pd.DataFrame(
        {
            "sample": np.arange(3000, dtype=np.int32),
            "name": [f"n{i % 7}" for i in range(3000)],
            "strength": np.where(np.arange(3000) < 2000, np.nan, 1).astype(np.float32),
            "visible": np.arange(3000) % 3 == 0,
        }
    )
    cuts = [0, 700, 701, 1900, 3000]
    parts = [f"units/{i}.parquet" for i in range(len(cuts) - 1)]
    for name, start, stop in zip(parts, cuts, cuts[1:], strict=False):
        store.write_table(name, whole[start:stop], "k")
    store.join_tables("joined.parquet", parts, "k")
    pd.testing.assert_frame_equal(store.read_table("joined.parquet"), whole)
    store.write_table("whole.parquet", whole, "k")
    assert (store.checksum("joined.parquet") == store.checksum("whole.parquet")) == (rows != 1000)


def test_the_same_content_gives_the_same_bytes(tmp_path):
    stores = [Store(tmp_path / name) for name in "ab"]
    for s in stores:
        s.write("x.safetensors", {"b": np.ones(3), "a": np.zeros((2, 2), np.float32)}, "k")
        s.write_table("x.parquet", pd.DataFrame({"a": [1.5]}), "k")
    files = [{p.name: p.read_bytes() for p in s.root.rglob("*") if p.is_file()} for s in stores]
    assert files[0] == files[1]
    assert len(files[0]) == 3


def test_a_file_counts_only_under_its_own_key(store):
    store.write_bytes("x", b"1", "old")
    assert store.has("x")
    assert store.has("x", "old")
    assert not store.has("x", "new")
    assert not store.has("y")


def test_truncated_or_removed_file_is_missing(store):
    store.write_bytes("x", b"123", "k")
    store.path("x").write_bytes(b"1")
    assert not store.has("x", "k")
    store.path("x").unlink()
    assert not store.has("x", "k")


def test_damage_names_what_is_missing_changed_and_foreign(store):
    for name in ("gone", "changed", "fine"):
        store.write_bytes(name, b"123", "k")
    store.path("gone").unlink()
    store.path("changed").write_bytes(b"321")
    store.path("log").mkdir()
    store.path("log/anything").write_text("may lie here")
    store.path("stranger").write_text("?")
    sentences = store.damage()
    assert len(sentences) == 3
    assert [s.split("'")[1] for s in sentences] == ["changed", "gone", "stranger"]


def test_shipped_photographs_may_be_in_the_folder_of_a_run(store):
    # Files with the same names in subfolders are unknown files.
    store.write_bytes("fine", b"123", "k")
    for name in layout.EXTRA_FILES:
        store.path(name).write_bytes(b"?")
    assert store.damage() == []
    store.path("verdicts").mkdir()
    store.path(f"verdicts/{layout.EXTRA_FILES[0]}").write_bytes(b"?")
    assert store.foreign() == [f"verdicts/{layout.EXTRA_FILES[0]}"]


def test_full_disk_keeps_the_old_file(store, monkeypatch):
    store.write_bytes("x", b"old", "k")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(BadRun, match="No space left on device"):
        store.write_bytes("x", b"new", "k2")
    assert store.path("x").read_bytes() == b"old"
    assert list(store.root.rglob(f"*{TEMPORARY}")) == []
    assert Store(store.root).has("x", "k")


def test_file_written_without_its_entry_is_recomputed(store):
    store.write_bytes("x", b"1", "k")
    write_atomically(store.path("y"), b"written, then killed")
    again = Store(store.root)
    assert again.has("x", "k")
    assert not again.has("y")


@contextmanager
def entered(script: str) -> Iterator[subprocess.Popen]:
    """Run ``script`` in a process, and wait until it has printed a line."""
    command = [sys.executable, "-c", textwrap.dedent(script)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "entered\n"
        yield process


def test_locked_removes_what_a_killed_process_was_writing(store):
    script = f"""
        from probing_core.run.files import written_atomically
        from probing_core.run.store import Store
        store = Store({str(store.root)!r})
        with store.locked(), written_atomically(store.path("killed")) as file:
            file.write(b"half")
            file.flush()
            print("entered", flush=True)
            input()
        """
    with entered(script) as writer:
        assert store.is_being_written()
        assert [path.name for path in store.root.glob(f"*{TEMPORARY}")]
        writer.kill()
    assert not store.is_being_written()
    store.path(f"y{TEMPORARY}").write_bytes(b"half")
    with store.locked():
        assert list(store.root.glob(f"*{TEMPORARY}")) == []


def test_locked_keeps_what_another_process_is_writing(store):
    # Processes without the lock write progress reports and shards.
    script = f"""
        from probing_core.run.files import written_atomically
        from pathlib import Path
        with written_atomically(Path({str(store.root)!r}) / "shard") as file:
            file.write(b"half")
            file.flush()
            print("entered", flush=True)
            input()
        """
    with entered(script) as writer:
        with store.locked():
            assert len(list(store.root.glob(f"shard*{TEMPORARY}"))) == 1
        writer.communicate("go on\n")
    assert writer.returncode == 0
    assert store.path("shard").read_bytes() == b"half"


def test_locked_keeps_what_another_machine_is_writing(store, tmp_path):
    with store.locked():
        pass
    recent = store.path(f"x.01234567-1-89abcdef{TEMPORARY}")
    old = store.path(f"y.01234567-1-89abcdef{TEMPORARY}")
    for path in (recent, old):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * files.ABANDONED_S,) * 2)
    with store.locked():
        assert recent.exists()
        assert not old.exists()


def in_threads(*functions):
    """Call each function in a separate thread, simultaneously; return their results or raise their error."""
    start = threading.Barrier(len(functions))

    def call(function):
        start.wait()
        return function()

    with ThreadPoolExecutor(len(functions)) as pool:
        return [future.result() for future in [pool.submit(call, function) for function in functions]]


def test_is_being_written_refuses_no_writer(store):
    with store.locked():
        pass
    script = f"""
        from probing_core.run.store import Store
        store = Store({str(store.root)!r})
        print("entered", flush=True)
        while True:
            store.is_being_written()
        """
    with entered(script) as reader:
        try:
            for _ in range(3000):  # many quick writers
                with FileLock(store.path(layout.LOCK), timeout=0, thread_local=False):  # Timeout, if the reader has it
                    pass
        finally:
            reader.kill()


def test_is_being_written_sees_no_other_reader(store):
    with store.locked():
        pass

    def look():
        reader = Store(store.root)
        return sum(reader.is_being_written() for _ in range(500))

    assert in_threads(look, look) == [0, 0]


def test_is_being_written_sees_a_writer_of_this_process(store):
    with store.locked():
        assert Store(store.root).is_being_written()
    assert not Store(store.root).is_being_written()


def test_locked_admits_one_of_two_threads(store):
    inside = []

    def write(name):
        for _ in range(50):
            try:
                with Store(store.root).locked():
                    inside.append(name)
                    assert len(inside) == 1
                    inside.remove(name)
            except RunBusy:
                pass

    in_threads(lambda: write("a"), lambda: write("b"))


def test_readers_see_complete_files_during_replacement(store):
    contents = [bytes([number]) * 100_000 for number in range(20)]
    store.write_bytes("x", contents[0], "k")
    ends = threading.Event()

    def read():
        while not ends.is_set():
            content = store.read_bytes("x")
            assert content in contents

    def write():
        try:
            for content in contents:
                store.write_bytes("x", content, "k")
        finally:
            ends.set()

    in_threads(read, write)
    assert Store(store.root).damage() == []


def test_a_second_writer_is_refused_while_the_first_works(store):
    store.write_bytes("x", b"1", "k")
    script = textwrap.dedent(
        f"""
        from probing_core.run.store import Store
        try:
            with Store({str(store.root)!r}).locked():
                print("entered")
        except Exception as error:
            print(type(error).__name__, error)
        """
    )
    with store.locked():
        told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert told.startswith("RunBusy Another process is writing")
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert told == "entered\n"


def test_killed_writer_releases_the_run(store):
    script = f"""
        from probing_core.run.store import Store
        with Store({str(store.root)!r}).locked():
            print("entered", flush=True)
            input()
        """
    with entered(script) as writer:
        with pytest.raises(RunBusy, match="Another process is writing"), store.locked():
            pass
        writer.kill()
    with store.locked():
        store.write_bytes("x", b"1", "k")


def test_second_writer_in_one_process_is_refused(store):
    with store.locked(), pytest.raises(RunBusy), Store(store.root).locked():
        pass
    with Store(store.root).locked(), pytest.raises(RunBusy), store.locked():
        pass


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema": 1}'])
def test_a_damaged_manifest_is_one_sentence(tmp_path, content):
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(BadRun, match="manifest of the run"):
        Store(tmp_path)


def test_damaged_table_is_reported_in_one_sentence(store):
    store.write_bytes("x.parquet", b"not parquet", "k")
    with pytest.raises(BadRun, match="probing verify"):
        store.read_table("x.parquet")


def test_keys_depend_on_every_input_and_not_on_order():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
    with pytest.raises(ValueError, match="JSON"):
        digest({"a": float("nan")})


def test_slugs_are_safe_and_keep_names_apart():
    names = [
        *("zoo/mae", "zoo:mae", "zoo-mae", "zoo_mae", "timm:a@layer=1", "timm:a@layer=2", "timm:a-layer-1"),
        *("file:../../etc/passwd", "file:/etc/passwd", "hf:a/b", "hf:a-b", "hf-a-b", "open_clip:a/b", "x" * 300),
    ]
    slugs = [slug(name) for name in names]
    assert slug("zoo/mae") == "zoo-mae"
    assert len(set(slugs)) == len(names)
    for text in slugs:
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,100}", text)
        assert not text.startswith(".")


def test_the_manifest_is_plain_json(store):
    store.write_bytes("x", b"1", "k")
    store.fold()
    entry = json.loads(store.path("manifest.json").read_text())["files"]["x"]
    assert entry["bytes"] == 1
    assert entry["key"] == "k"
    assert len(entry["sha256"]) == 64


def test_delete_removes_the_run_and_keeps_files_of_others(store):
    store.write_bytes("run.toml", b"1", "k")
    store.write_bytes("tables/t.parquet", b"1", "k")
    store.fold()
    store.write_bytes("units/u", b"1", "k")
    (store.root / "tables" / "notes.txt").write_text("mine")
    with Store(store.root).locked(), pytest.raises(RunBusy):
        store.delete()
    assert store.has("tables/t.parquet")
    assert store.delete() == ["tables/notes.txt"]
    assert [path for path in store.root.rglob("*") if path.is_file()] == [store.root / "tables" / "notes.txt"]
    (store.root / "tables" / "notes.txt").unlink()
    assert Store(store.root).delete() == []
    assert not store.root.exists()


def test_delete_removes_a_run_from_a_full_disk(store, monkeypatch):
    store.write_bytes("run.toml", b"1", "k")
    store.fold()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert store.delete() == []
    assert not store.root.exists()


def test_temporary_files_of_others_are_kept(tmp_path):
    mine = tmp_path / "sub" / "thesis.tmp"
    mine.parent.mkdir()
    mine.write_text("mine")
    with Store(tmp_path).locked():
        assert mine.read_text() == "mine"


def test_read_only_folder_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadRun, match="is not writable"), Store(tmp_path / "file").locked():
        pass


def test_a_run_has_the_day_on_which_work_on_it_was_completed_last(tmp_path):
    assert completed_on(tmp_path) == ""
    note_completed(tmp_path, "2026-01-02T10:00:00+00:00")
    note_completed(tmp_path, "2026-01-05T10:00:00+00:00")
    assert completed_on(tmp_path) == "2026-01-05"
    (tmp_path / layout.EVENTS).write_text("cut o")
    assert completed_on(tmp_path) == ""
