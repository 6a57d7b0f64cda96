from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from probing_core.results import Run, change_of_corpus, source_of
from probing_core.run.recipe import Recipe
from probing_core.run.store import digest

TRANSFORMS = ("identity", "fog", "style-8")


class Scored:
    """A run as far as its scores go."""

    def __init__(self, corpus: str, rows: list[tuple[str, float, float]], transforms: tuple[str, ...] = TRANSFORMS):
        self.recipe = Recipe(corpus=corpus, fingerprint=corpus, transforms=transforms, models=("a",))
        self.scores = pd.DataFrame(
            [
                {
                    "model": model,
                    "task": "fine",
                    "subset": "seen",
                    "measure": "balanced-accuracy",
                    "value": value,
                    "low": value - norm.ppf(0.975) * error,
                    "high": value + norm.ppf(0.975) * error,
                }
                for model, value, error in rows
            ]
        )


def test_for_normal_scores_the_interval_is_that_of_a_difference_of_independent_means():
    there = Scored("there", [("a", 0.7, 0.02), ("b", 0.5, 0.01), ("only there", 0.5, 0.01)])
    here = Scored("here", [("a", 0.6, 0.03), ("b", 0.5, np.nan), ("only here", 0.5, 0.01)])
    table = change_of_corpus(here, there).set_index("model")
    assert list(table.index) == ["a", "b"]
    low, high = norm.interval(0.95, loc=0.6 - 0.7, scale=np.hypot(0.02, 0.03))
    assert tuple(table.loc["a", ["difference", "low", "high"]]) == pytest.approx((-0.1, low, high))
    assert table.loc["b", "difference"] == 0
    assert np.isnan(table.loc["b", "low"])


def test_scores_that_mean_other_things_are_not_compared():
    rows = [("a", 0.7, 0.02)]
    there = Scored("there", rows)
    assert change_of_corpus(Scored("there", rows), there).empty
    assert change_of_corpus(Scored("here", rows, ("identity", "fog", "rain")), there).empty
    assert len(change_of_corpus(Scored("here", rows, TRANSFORMS[:2]), there)) == 1, "no probe learns the far tier"


def test_the_source_is_found_by_what_its_recipe_says_apart_from_its_models(made_run: Path):
    source = Run.open(made_run)
    taken = replace(source, recipe=replace(source.recipe, probes_from=digest(source.recipe.without_models())))
    assert source_of(taken, [taken, source]) is source
    assert source_of(source, [source]) is None


def test_of_runs_that_differ_in_models_alone_the_source_is_one_that_has_those_of_the_run(made_run: Path):
    source = Run.open(made_run)
    first, *others = source.recipe.models
    fewer = replace(source, recipe=replace(source.recipe, models=(first,)))
    digest_of_all = digest(source.recipe.without_models())
    taken = replace(source, recipe=replace(source.recipe, probes_from=digest_of_all, models=(*others[:1], first)))
    assert source_of(taken, [fewer, source]) is source
    assert source_of(taken, [fewer]) is fewer
    assert source_of(replace(taken, recipe=replace(taken.recipe, models=(first,))), [fewer, source]) is fewer
