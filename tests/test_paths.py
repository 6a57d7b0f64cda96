from __future__ import annotations

from pathlib import Path

from probing_core.paths import user_path


def test_a_path_need_not_be_there(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~/nothing") == tmp_path / "nothing"
    assert user_path(Path("here")) == Path("here")
