from __future__ import annotations

import shlex
from dataclasses import replace

import pandas as pd

from probing_core.cli import parse
from probing_core.paths import data_dir
from probing_core.results import Run, command_of, further_photographs
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


def test_photographs_that_are_not_here_are_described_and_no_path_leads_nowhere(tmp_path):
    here = tmp_path / "mine"
    here.mkdir()
    recipe = replace(
        RECIPE,
        calibrate_on=("parquet:/gone/clean.parquet", f"folder:{here}", "folder:s3://bucket/all", "holidays, in words"),
        calibrate_fingerprints=("a", "b", "c", "d"),
    )
    given = parse(shlex.split(command_of(recipe))[1:]).calibrate_on
    assert list(given) == ["FURTHER-1", f"folder:{here}", "folder:s3://bucket/all", "FURTHER-4"]


def test_the_shipped_run_says_what_its_verdicts_rest_on_beside_its_own_photographs():
    run = Run.open(data_dir() / "reference")
    told = further_photographs(run)
    rows = pd.read_parquet(run.store.root / "verdicts" / "photographs.parquet")
    for number, fingerprint in enumerate(run.recipe.calibrate_fingerprints, 1):
        count = (rows["corpus"] == number).sum()
        assert f"FURTHER-{number}, {count:,} images" in told
        assert fingerprint[:12] in told
    assert ".parquet" not in command_of(run.recipe)
