from __future__ import annotations

import ntpath
import os
import tempfile
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import example, given

from probing_core.errors import BadRun
from probing_core.paths import confined, looks_like_path, refuse_links, user_path
from tests.hostile import names


def test_a_path_need_not_be_there(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~/nothing") == tmp_path / "nothing"
    assert user_path(Path("here")) == Path("here")


@given(names)
@example("..")
@example("a/../..")
def test_confined_accepts_only_names_that_stay_inside_on_any_system(name):
    with tempfile.TemporaryDirectory() as place:
        try:
            path = confined(name, Path(place))
        except BadRun:
            return
        assert Path(os.path.realpath(path)).is_relative_to(os.path.realpath(place))
        assert os.path.realpath(path) != os.path.realpath(place)
    windows = ntpath.normpath(ntpath.join("C:\\place", name))
    assert windows.startswith("C:\\place\\")
    assert not PureWindowsPath(windows).is_reserved()


@pytest.mark.parametrize(
    "name", ["images.parquet", "models/zoo-mae/map.parquet", "a..b", "nullable", "é/com.txt", ".x"]
)
def test_confined_accepts_names_inside(tmp_path, name):
    assert confined(name, tmp_path) == tmp_path / name


def test_links_may_lead_to_places_inside_only(tmp_path):
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    (folder / "inside").mkdir(parents=True)
    outside.mkdir()
    (folder / "link").symlink_to(folder / "inside")
    (folder / "loop").symlink_to("loop")
    refuse_links(folder)
    confined("link/x", folder)
    for target in (outside, outside / "missing", Path("../outside"), Path("/")):
        (folder / "out").symlink_to(target)
        with pytest.raises(BadRun, match="'out' in the folder"):
            refuse_links(folder)
        for name in ("out", "out/x"):
            with pytest.raises(BadRun, match=f"'{name}'.*link"):
                confined(name, folder)
        (folder / "out").unlink()
    (tmp_path / "itself").symlink_to(folder)
    refuse_links(tmp_path / "itself")
    assert confined("x", tmp_path / "itself") == tmp_path / "itself" / "x"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(
            (text, True)
            for text in ("./a", ".", "~", "~/a", "/a", "a/b", "C:\\a", "C:/a", "..\\a", "\\\\server\\share")
        ),
        *(
            (text, False)
            for text in ("photos", "folder:/a", "folder:C:\\a", "hub:a/b", "C:", "C:a", "folder:s3://a/b", "")
        ),
    ],
)
def test_looks_like_path_accepts_paths_of_every_system(text, expected):
    assert looks_like_path(text) == expected
