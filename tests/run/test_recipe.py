from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest
import tomli_w

from probing_core.errors import BadConfig, BadRun
from probing_core.run import layout
from probing_core.run.recipe import Recipe, read_recipe
from probing_core.run.store import Store

RECIPE = Recipe(corpus="photos", fingerprint="f", transforms=("identity", "fog"), models=("baseline/pixels",))


def test_toml_and_back_is_the_same_recipe():
    for recipe in (
        RECIPE,
        replace(RECIPE, limit=5, seed=3, repetitions=2, probes_from="abc"),
    ):
        assert Recipe.from_toml(tomllib.loads(tomli_w.dumps(recipe.to_toml()))) == recipe


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"view": 16}, "32 to 1024 pixels; got 16"),
        ({"limit": 0}, "1 or more; got 0"),
        ({"repetitions": 0}, "1 or more; got 0"),
        ({"seed": -1}, "0 or more, and less than"),
        ({"transforms": ("fog",)}, "needs 'identity'"),
        ({"transforms": ("identity", "fog", "fog")}, "named twice: fog"),
        ({"models": ("a", "a")}, "named twice: a"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(change, sentence):
    with pytest.raises(BadConfig, match=sentence):
        replace(RECIPE, **change)


def test_entries_of_earlier_versions_are_passed_over():
    earlier = {"embeddings": "float32", "live_images": 9, "train_samples": 40}
    assert Recipe.from_toml({**RECIPE.to_toml(), **earlier}) == RECIPE


def test_unknown_and_missing_entries_are_named():
    with pytest.raises(BadConfig, match="unknown entries: colour"):
        Recipe.from_toml({**RECIPE.to_toml(), "colour": 1})
    with pytest.raises(BadConfig, match="corpus"):
        Recipe.from_toml({"format": 1, "fingerprint": "f"})


@pytest.mark.parametrize(
    ("made", "words"), [(None, "states no format"), (7, "of format 7"), ("x" * 99, "of format 'xx")]
)
def test_a_run_of_another_format_is_one_sentence(made, words, tmp_path):
    content = {name: value for name, value in RECIPE.to_toml().items() if name != "format"}
    Store(tmp_path).write_toml(layout.RECIPE, content | ({} if made is None else {"format": made}), "key")
    with pytest.raises(BadRun, match=f"{words}.*this version reads format 1; make the run again in a new folder"):
        read_recipe(Store(tmp_path))


@pytest.mark.parametrize(
    ("entry", "value", "kind"),
    [
        ("corpus", 5, "text"),
        ("models", "zoo/mae", "a list of texts"),
        ("models", [1], "a list of texts"),
        ("limit", float("nan"), "a whole number"),
        ("view", True, "a whole number"),
        ("calibrate_on", {"a": "b"}, "a list of texts"),
    ],
)
def test_an_entry_of_another_type_is_named(entry, value, kind):
    with pytest.raises(BadConfig, match=f"The recipe's '{entry}' must be {kind}; got "):
        Recipe.from_toml({**RECIPE.to_toml(), entry: value})


def test_a_run_with_a_recipe_of_another_version_is_named(tmp_path):
    Store(tmp_path).write_toml(layout.RECIPE, {**RECIPE.to_toml(), "colour": 1}, "key")
    with pytest.raises(BadRun, match=f"'{tmp_path}' cannot be opened.*unknown entries: colour"):
        read_recipe(Store(tmp_path))


def test_runs_that_differ_in_models_alone_may_be_ranked_together():
    assert RECIPE.differences(replace(RECIPE, models=("zoo/mae",))) == []
    assert RECIPE.differences(replace(RECIPE, corpus="folder:/elsewhere", threads=64)) == []
    assert RECIPE.differences(replace(RECIPE, seed=1, limit=4)) == ["limit: None / 4", "seed: 0 / 1"]
