"""Who goes on with a run uses the engine that it had."""

from __future__ import annotations

import pytest

from probing_core.runs.last_engine import last_engine, note_engine
from probing_core.runs.layout import ENGINE
from probing_core.runs.options import DEFAULTS, Options


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        (Options(engine="ray", address="10.0.0.7:6379"), ["--engine", "ray", "--address", "10.0.0.7:6379"]),
        (Options(engine="ray", view=64), ["--engine", "ray"]),
        (Options(models=["zoo/mae"]), []),
    ],
)
def test_the_engine_that_embedded_last_is_known(tmp_path, options, arguments):
    note_engine(tmp_path, Options(engine="ray", address="before:1"))
    note_engine(tmp_path, options)
    assert last_engine(tmp_path).arguments() == arguments


@pytest.mark.parametrize(
    "noted",
    [
        None,
        "{",
        "[]",
        "{}",
        '{"engine": "ray"}',
        '{"engine": ["ray"], "address": null}',
        '{"engine": "none", "address": "x:1"}',
        '{"engine": "local", "address": "x:1"}',
        '{"engine": "ray", "address": 5}',
    ],
)
def test_a_note_that_is_missing_or_damaged_is_the_default(tmp_path, noted):
    if noted is not None:
        (tmp_path / ENGINE).parent.mkdir()
        (tmp_path / ENGINE).write_text(noted)
    assert last_engine(tmp_path) == DEFAULTS
