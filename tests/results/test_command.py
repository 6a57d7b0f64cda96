from __future__ import annotations

import shlex
from dataclasses import replace

from probing_core.cli import build_parser
from probing_core.results import command_of
from probing_core.runs.recipe import Recipe
from probing_core.transforms import bank, expand

RECIPE = Recipe(
    corpus="folder:my pictures",
    fingerprint="f",
    transforms=expand(["bank", "far-styles"]),
    models=("zoo/mae", "baseline/pixels"),
    limit=90,
    live_images=200,
    seed=3,
    repetitions=2,
)


def test_the_command_asks_for_the_same_recipe():
    options = build_parser().parse_args(shlex.split(command_of(RECIPE))[1:])
    assert options.corpus == RECIPE.corpus
    assert set(expand(options.transforms)) == set(RECIPE.transforms)
    assert (tuple(options.models), options.limit, options.seed) == (RECIPE.models, 90, 3)
    assert options.live_images == 200
    assert (options.view, options.repetitions) == (RECIPE.view, 2)
    assert "bank" in command_of(RECIPE)
    assert bank()[1].name not in command_of(RECIPE)


def test_what_cannot_be_named_is_left_to_the_reader():
    shipped = replace(
        RECIPE, corpus="photos of a holiday; touch executed", probes_from="abc", limit=None, live_images=None
    )
    words = shlex.split(command_of(shipped))
    assert words[words.index("--corpus") + 1] == "CORPUS"
    assert words[words.index("--probes-from") + 1] == "RUN"
    assert "--limit" not in words


def test_a_preset_is_named_whole():
    recipe = replace(RECIPE, transforms=("identity", *expand(["preset:imagenet-c", "preset:traces/sharpening"])))
    options = build_parser().parse_args(shlex.split(command_of(recipe))[1:])
    assert set(options.transforms) == {"preset:imagenet-c", "preset:traces/sharpening", "identity"}
