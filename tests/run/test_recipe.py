from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest
import tomli_w

from lab.devtools.run_edits import put
from probing_core.errors import BadRun
from probing_core.run import layout
from probing_core.run.recipe import Recipe, read_recipe
from probing_core.run.run_files import RunFiles

RECIPE = Recipe(corpus="photos", fingerprint="f", transforms=("identity", "fog"), models=("baseline/pixels",))


def test_toml_and_back_is_the_same_recipe():
    for recipe in (
        RECIPE,
        replace(RECIPE, limit=5, seed=3, repetitions=2),
    ):
        assert Recipe.from_toml(tomllib.loads(tomli_w.dumps(recipe.to_toml()))) == recipe


@pytest.mark.parametrize(
    ("made", "words"), [(None, "does not specify a format"), (7, "has format 7"), ("x" * 99, "has format 'xx")]
)
def test_a_run_of_another_format_is_one_sentence(made, words, tmp_path):
    content = {name: value for name, value in RECIPE.to_toml().items() if name != "format"}
    put(RunFiles(tmp_path), {layout.RECIPE: content | ({} if made is None else {"format": made})})
    with pytest.raises(
        BadRun, match=f"{words}.*this version only supports format 3. Recompute the run in a new folder"
    ):
        read_recipe(RunFiles(tmp_path))


def test_a_run_with_a_recipe_of_another_version_is_named(tmp_path):
    put(RunFiles(tmp_path), {layout.RECIPE: {**RECIPE.to_toml(), "colour": 1}})
    with pytest.raises(BadRun, match=f"Cannot open the run '{tmp_path}'.*unknown entries: colour"):
        read_recipe(RunFiles(tmp_path))


def test_recipes_that_differ_only_in_models_are_comparable():
    assert RECIPE.differences(replace(RECIPE, models=("zoo/mae",))) == []
    assert RECIPE.differences(replace(RECIPE, corpus="folder:/elsewhere", threads=64)) == []
    assert RECIPE.differences(replace(RECIPE, seed=1, limit=4)) == ["limit: None / 4", "seed: 0 / 1"]
