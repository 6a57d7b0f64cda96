"""Who goes on with a run does it as it was done before."""

from __future__ import annotations

import json

import pytest

from probing_core.run.layout import LAST_OPTIONS
from probing_core.run.options import DEFAULTS, Options, last_options, note_options

SOUND = {"device": "cpu", "precision": "float32", "engine": "ray", "address": "x:1"}


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        (Options(executor="ray", address="10.0.0.7:6379"), ["--executor", "ray", "--address", "10.0.0.7:6379"]),
        (Options(executor="ray", view=64), ["--executor", "ray"]),
        (Options(device="cuda:1", precision="float16"), ["--device", "cuda:1", "--precision", "float16"]),
        (Options(models=["zoo/mae"]), []),
        (Options(device="cpu", precision="float32"), ["--device", "cpu", "--precision", "float32"]),
    ],
)
def test_how_a_run_was_worked_on_last_is_known(tmp_path, options, arguments):
    note_options(tmp_path, Options(executor="ray", address="before:1"))
    note_options(tmp_path, options)
    assert last_options(tmp_path).arguments() == arguments


@pytest.mark.parametrize(
    "noted",
    [
        None,
        "{",
        "[]",
        "{}",
        *(json.dumps({k: v for k, v in SOUND.items() if k != name}) for name in SOUND),
        *(json.dumps(SOUND | {name: 5}) for name in SOUND),
        json.dumps(SOUND | {"engine": ["ray"]}),
        json.dumps(SOUND | {"engine": "none"}),
        json.dumps(SOUND | {"engine": "local"}),
        json.dumps(SOUND | {"device": None}),
    ],
)
def test_a_note_that_is_missing_or_damaged_is_the_default(tmp_path, noted):
    if noted is not None:
        (tmp_path / LAST_OPTIONS).parent.mkdir()
        (tmp_path / LAST_OPTIONS).write_text(noted)
    assert last_options(tmp_path) == DEFAULTS
