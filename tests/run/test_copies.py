"""Copies of runs: hard links if possible, and complete without the source."""

from __future__ import annotations

import errno
import json
import os
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from probing_core.errors import BadRun
from probing_core.run.layout import MANIFEST, RECIPE
from probing_core.run.recipe import read_recipe
from probing_core.run.store import Store
from probing_core.run.why import why
from tests.run.test_engine import (
    ASSETS,
    Kitchen,
    State,
    crate,
    jam,
    juice,
    materialize,
    plan_in,
    plan_of,
    shelf,
    states,
)

NOBODY = 65534


@pytest.fixture
def source(tmp_path) -> Store:
    """A complete run of the toy graph, with a recipe."""
    materialize(plan_of(tmp_path / "source"))
    store = Store(tmp_path / "source")
    store.write_bytes(RECIPE, b"format = 2\n", "recipe")
    store.write_bytes("tables/all.parquet", b"", "tables are joined in each run")
    store.fold()
    return store


def content(store: Store) -> dict[str, bytes]:
    return {name: store.read_bytes(name) for name in store.names()}


def inodes(store: Store) -> set[int]:
    return {store.path(name).stat().st_ino for name in store.names()}


def copied(source: Store) -> dict[str, bytes]:
    return {name: held for name, held in content(source).items() if not name.startswith("tables/")}


def test_copy_from_links_every_file_but_the_tables(source, tmp_path):
    copy = Store(tmp_path / "copy")
    copy.copy_from(source.root)
    assert content(Store(copy.root)) == copied(source)
    assert inodes(copy) < inodes(source)
    assert copy.damage() == []


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP])
def test_copy_from_copies_where_no_link_can_be_made(source, tmp_path, code):
    def refuse(path: Path, target: Path) -> None:
        raise OSError(code, os.strerror(code))

    copy = Store(tmp_path / "copy")
    copy.copy_from(source.root, link=refuse)
    assert content(copy) == copied(source)
    assert not inodes(copy) & inodes(source)
    assert copy.damage() == []


MEMORY = Path("/dev/shm")


@pytest.mark.skipif(
    not (os.access(MEMORY, os.W_OK) and MEMORY.stat().st_dev != Path("/tmp").stat().st_dev),
    reason="one file system on this machine",
)
def test_copy_from_works_across_file_systems(source):
    folder = MEMORY / f"probing-{os.getpid()}"
    try:
        copy = Store(folder)
        copy.copy_from(source.root)
        assert content(copy) == copied(source)
        assert copy.path(RECIPE).stat().st_dev != source.path(RECIPE).stat().st_dev
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.skipif(not hasattr(os, "fork") or os.geteuid() != 0, reason="only root can become a different user")
def test_copy_from_works_for_a_user_who_may_only_read_the_source(source, tmp_path):
    # Linux refuses hard links to the files of other users (``fs.protected_hardlinks``), so they are copied.
    mine = tmp_path / "mine"
    mine.mkdir()
    os.chown(mine, NOBODY, NOBODY)
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_uid == 0 and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    for path in source.root.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    child = os.fork()
    if child == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        try:
            Store(mine / "run").copy_from(source.root)
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    copy = Store(mine / "run")
    assert content(copy) == copied(source)
    assert {copy.path(name).stat().st_uid for name in copy.names()} <= {NOBODY, 0}
    assert copy.damage() == []


@pytest.mark.parametrize("killed_after", range(8))
def test_copy_that_was_killed_is_completed_by_the_next_writer(source, tmp_path, killed_after):
    left = [killed_after]

    def dying(path: Path, target: Path) -> None:
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        os.link(path, target)

    copy = Store(tmp_path / "copy")
    with suppress(KeyboardInterrupt):
        copy.copy_from(source.root, link=dying)
    again = Store(copy.root)
    if not (copy.root / MANIFEST).exists():
        again.copy_from(source.root)
    with again.locked():
        assert content(again) == copied(source)
        assert again.lost == {}


def test_copied_files_are_complete_whatever_their_code_version_is(source, tmp_path):
    copy = Store(tmp_path / "copy")
    copy.copy_from(source.root)
    shutil.rmtree(source.root)
    raised = [crate, juice, replace(jam, code_version=2), shelf]
    plan = plan_in(copy, assets=raised)
    assert set(states(plan).values()) == {State.MATERIALIZED}
    assert "was copied from" in why(plan, "jam/apple.parquet")[0]
    assert {path for path, one in plan.partitions.items() if plan.is_outdated(one)} == {
        "jam/apple.parquet",
        "jam/pear.parquet",
    }
    assert not any(map(plan_in(copy).is_outdated, plan_in(copy).partitions.values()))
    joined = plan_in(copy, Kitchen(fruits=("apple", "pear", "plum")), raised)
    assert materialize(joined) == ["juice/plum/", "jam/plum.parquet"], "the new model alone"
    assert "pinned" not in copy.entry("jam/plum.parquet")


def test_copied_file_that_is_damaged_is_recomputed_from_what_the_copy_has(source, tmp_path):
    copy = Store(tmp_path / "copy")
    copy.copy_from(source.root)
    before = content(copy)
    shutil.rmtree(source.root)
    copy.path("jam/apple.parquet").unlink()
    with copy.locked():
        assert list(copy.lost) == ["jam/apple.parquet"]
        plan = plan_in(copy)
        assert plan.pending(plan.partitions.values()) == [plan.partitions["jam/apple.parquet"]]
        assert materialize(plan) == ["jam/apple.parquet"]
    assert content(Store(copy.root)) == before
    assert materialize(plan_of(copy.root)) == []


def test_copy_from_refuses_a_damaged_source(source, tmp_path):
    source.path("crate.parquet").write_bytes(b"no table")
    with pytest.raises(BadRun, match="'crate.parquet' in the run .*source' .* Repair that run first"):
        Store(tmp_path / "copy").copy_from(source.root)


def test_run_that_an_earlier_version_based_on_a_different_one_becomes_a_copy(source, tmp_path):
    # The manifest of the earlier version names a base run, from which missing files were read.
    run = Store(tmp_path / "run")
    run.write_bytes(RECIPE, b"format = 2\n", "own recipe")
    run.fold()
    manifest = json.loads(run.path(MANIFEST).read_bytes())
    run.path(MANIFEST).write_text(json.dumps(manifest | {"base": str(source.root)}))
    with pytest.raises(BadRun, match="Run `probing run --out .*run` to copy them"):
        read_recipe(Store(run.root))
    with Store(run.root).locked():
        pass
    after = Store(run.root)
    assert content(after).keys() == copied(source).keys()
    assert after.entry(RECIPE)["key"] == "own recipe"
    assert (after.base, after.copied_from) == (None, source.root)
    assert materialize(plan_in(after, assets=ASSETS)) == []
