from __future__ import annotations

import subprocess
import sys

import pytest

from lab.pretraining.objectives import OBJECTIVES
from lab.pretraining.recipe import FOLDER, load_recipe, parse_recipe, recipe_names
from probing_core.errors import BadConfig, UnknownName

TEXT = (FOLDER / "mae.toml").read_text()


def test_the_six_and_three_controls() -> None:
    recipes = {name: load_recipe(name) for name in recipe_names()}
    assert set(recipes) == {*OBJECTIVES, "simclr-matched", "clip-plain", "align-plain"}
    for name, recipe in recipes.items():
        assert recipe.objective == name.split("-")[0]
        assert recipe.batch == 256  # the same order of pictures for all


def test_controls_differ_in_one_thing() -> None:
    matched, simclr = load_recipe("simclr-matched").to_json(), load_recipe("simclr").to_json()
    assert {k for k in simclr if simclr[k] != matched[k]} == {"name", "summary", "views"}
    assert matched["views"] == load_recipe("mae").to_json()["views"]
    for name in ("clip", "align"):
        plain, styled = load_recipe(f"{name}-plain").to_json(), load_recipe(name).to_json()
        assert {k for k in plain if plain[k] != styled[k]} == {"name", "summary", "options"}
        assert plain["options"] == {**styled["options"], "name_style": False}


def test_mistakes_in_a_recipe_are_told() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'can'"):
        load_recipe("cann")
    with pytest.raises(BadConfig, match="unknown entries: momentum"):
        parse_recipe("x", "momentum = 0.9\n" + TEXT)
    with pytest.raises(BadConfig, match="learning_rate"):
        parse_recipe("x", TEXT.replace("learning_rate = 1e-3", ""))
    with pytest.raises(BadConfig, match="zoom"):
        parse_recipe("x", TEXT.replace("[views]", "[views]\nzoom = 2"))


def test_without_its_library_pretraining_says_what_to_install(tmp_path):
    """In a process of its own: modules that are imported twice would mislead the tests after it."""
    code = (
        "import sys; sys.modules['lightly'] = None; from pathlib import Path; "
        "from lab.pretraining import pretrain; pretrain('mae', None, Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, tmp_path]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert ran.returncode != 0
    assert "BadConfig: Pretraining requires lightly" in ran.stderr
    assert "pip install lightly" in ran.stderr
