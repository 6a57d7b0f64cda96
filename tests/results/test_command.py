from __future__ import annotations

import shlex
from dataclasses import replace

from probing_core.cli import parse
from probing_core.paths import data_dir
from probing_core.results import Run, command_of
from probing_core.run.recipe import Recipe
from probing_core.transforms import bank, expand

RECIPE = Recipe(
    corpus="folder:my pictures",
    fingerprint="f",
    transforms=expand(["bank", "far-styles"]),
    models=("zoo/mae", "baseline/pixels"),
    limit=90,
    seed=3,
    repetitions=2,
)


def test_the_command_asks_for_the_same_recipe():
    options = parse(shlex.split(command_of(RECIPE))[1:])
    assert options.corpus == RECIPE.corpus
    assert set(expand(options.transforms)) == set(RECIPE.transforms)
    assert (tuple(options.models), options.limit, options.seed) == (RECIPE.models, 90, 3)
    assert (options.view, options.repetitions) == (RECIPE.view, 2)
    assert "bank" in command_of(RECIPE)
    assert bank()[1].name not in command_of(RECIPE)


def test_what_cannot_be_named_is_left_to_the_reader():
    shipped = replace(RECIPE, corpus="photos of a holiday; touch executed", limit=None)
    words = shlex.split(command_of(shipped))
    assert words[words.index("--corpus") + 1] == "CORPUS"
    assert "--limit" not in words


def test_no_path_of_the_command_leads_nowhere(tmp_path):
    here = tmp_path / "mine"
    here.mkdir()
    recipe = replace(
        RECIPE,
        calibrate_on=("parquet:/gone/clean.parquet", f"folder:{here}", "folder:s3://bucket/all", "holidays, in words"),
        calibrate_fingerprints=("a", "b", "c", "d"),
    )
    given = parse(shlex.split(command_of(recipe))[1:]).calibrate_on
    assert list(given) == ["FURTHER-1", f"folder:{here}", "folder:s3://bucket/all", "FURTHER-4"]


def test_the_command_of_the_shipped_run_names_no_file_of_the_machine_that_made_it():
    assert ".parquet" not in command_of(Run.open(data_dir() / "reference").recipe)
