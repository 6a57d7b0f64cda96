from __future__ import annotations

from pathlib import Path

import pytest

from probing_core.errors import BadConfig
from probing_core.paths import user_path


def test_a_path_need_not_be_there(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~/nothing") == tmp_path / "nothing"
    assert user_path(Path("here")) == Path("here")


@pytest.mark.parametrize("text", ["~nosuch/x", 300 * "x"])
def test_what_cannot_be_a_path_is_one_sentence(text):
    with pytest.raises(BadConfig, match="cannot be used as a path") as caught:
        user_path(text)
    assert len(str(caught.value)) < 300
