from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from probing_core.cli import parse
from probing_core.cli.run_command import run_options
from probing_core.run.layout import LAST_OPTIONS
from probing_core.run.options import DEFAULTS, Options, flag, last_options, note_options
from probing_core.run.recipe import Recipe

EXAMPLES = {"text": "folder:a picture's", "number": 7, "names": ["zoo/mae", "baseline/pixels"], "folder": Path("a run")}


def parsed(arguments: list[str]) -> Options:
    return run_options(parse(["run", "--out", "x", *arguments]))


@pytest.mark.parametrize("option", fields(Options), ids=lambda option: option.name)
def test_every_option_is_an_argument_and_back(option):
    asked = replace(DEFAULTS, **{option.name: EXAMPLES[option.metadata["kind"]]})
    assert asked.arguments()[0] == flag(option)
    assert parsed(asked.arguments()) == asked


def test_arguments_omit_defaults():
    assert DEFAULTS.arguments() == []
    assert parsed([]) == DEFAULTS


def test_entries_are_those_of_a_recipe():
    entered = {f.name for f in fields(Options) if f.metadata["entry"]}
    assert entered <= {f.name for f in fields(Recipe)}
    assert Options(seed=0, limit=5, corpus="photos").entries() == {"seed": 0, "limit": 5}


@pytest.mark.parametrize("name", ["models", "transforms", "calibrate_on"])
def test_single_name_is_not_split_into_letters(name):
    asked = Options(**{name: "zoo/mae"})
    assert getattr(asked, name) == ("zoo/mae",)
    assert asked == Options(**{name: ("zoo/mae",)})
    assert asked.arguments() == ["--" + name.replace("_", "-"), "zoo/mae"]


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
def test_last_options_are_read_back(tmp_path, options, arguments):
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
def test_last_options_default_if_missing_or_damaged(tmp_path, noted):
    if noted is not None:
        (tmp_path / LAST_OPTIONS).parent.mkdir()
        (tmp_path / LAST_OPTIONS).write_text(noted)
    assert last_options(tmp_path) == DEFAULTS
