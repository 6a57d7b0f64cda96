from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from probing_core.cli import parse
from probing_core.cli.run import run_options
from probing_core.run.options import DEFAULTS, Options, flag
from probing_core.run.recipe import Recipe

EXAMPLES = {"text": "folder:a picture's", "number": 7, "names": ["zoo/mae", "baseline/pixels"], "folder": Path("a run")}


def parsed(arguments: list[str]) -> Options:
    return run_options(parse(["run", "--out", "x", *arguments]))


@pytest.mark.parametrize("option", fields(Options), ids=lambda option: option.name)
def test_every_option_is_an_argument_and_back(option):
    asked = replace(DEFAULTS, **{option.name: EXAMPLES[option.metadata["kind"]]})
    assert asked.arguments()[0] == flag(option)
    assert parsed(asked.arguments()) == asked


def test_nothing_that_was_not_asked_for_is_an_argument():
    assert DEFAULTS.arguments() == []
    assert parsed([]) == DEFAULTS


def test_entries_are_those_of_a_recipe():
    entered = {f.name for f in fields(Options) if f.metadata["entry"]}
    assert entered <= {f.name for f in fields(Recipe)}
    assert Options(seed=0, limit=5, corpus="photos").entries() == {"seed": 0, "limit": 5}


@pytest.mark.parametrize("name", ["models", "transforms", "calibrate_on"])
def test_a_name_alone_is_one_name_and_not_its_letters(name):
    asked = Options(**{name: "zoo/mae"})
    assert getattr(asked, name) == ("zoo/mae",)
    assert asked == Options(**{name: ("zoo/mae",)})
    assert asked.arguments() == ["--" + name.replace("_", "-"), "zoo/mae"]
