"""Which files of a folder are scanned."""

from __future__ import annotations

import pytest

from probing_core.api.scan import reading
from probing_core.api.scan.reading import find_files
from probing_core.errors import BadConfig


def test_a_link_counts_as_changed_when_its_picture_is(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    picture = mine / "picture.bin"
    picture.write_bytes(b"one picture")
    (mine / "link.png").symlink_to(picture)
    (mine / "lost.png").symlink_to(mine / "nowhere.bin")
    (mine / "itself.png").symlink_to("itself.png")
    before = {file.name: file.stamp for file in find_files(mine, apart=tmp_path)}
    picture.write_bytes(b"another picture")
    after = {file.name: file.stamp for file in find_files(mine, apart=tmp_path)}
    assert before.keys() == after.keys() == {"link.png", "lost.png", "itself.png"}
    assert before["link.png"] != after["link.png"]
    assert before["lost.png"] == after["lost.png"]


def test_a_file_that_is_removed_while_the_folder_is_listed_is_left_out(tmp_path, monkeypatch):
    (tmp_path / "1.png").touch()
    (tmp_path / "2.png").touch()
    monkeypatch.setattr(reading, "leads_out", lambda path, folder: path.name == "1.png" and path.unlink())
    assert [file.name for file in find_files(tmp_path, apart=tmp_path / "out")] == ["2.png"]


def test_a_folder_that_cannot_be_listed_ends_the_scan_before_it_begins(tmp_path, unlistable):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "1.png").touch()
    unlistable(tmp_path / "a" / "b")
    with pytest.raises(BadConfig, match=r"b' cannot be listed \(Permission denied\)"):
        find_files(tmp_path / "a", apart=tmp_path / "out")
    (tmp_path / "itself").symlink_to("itself")
    with pytest.raises(BadConfig, match="is no folder"):
        find_files(tmp_path / "itself", apart=tmp_path / "out")
