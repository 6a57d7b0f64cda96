"""The entries of a run's models, in order; what was changed by hand is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from probing_core import cli
from probing_core.errors import BadRun
from probing_core.paths import reference_run
from probing_core.results import Run
from probing_core.run.layout import SCORES, model_path
from probing_core.run.models import model_entries, require_joined
from probing_core.run.recipe import PASSED_OVER, write_recipe
from probing_core.run.store import Store
from tests.run.test_recipe import RECIPE

ENTRY = {"family": "ViT", "objective": "MAE", "dim": 192, "recipe": {}, "position": 0}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    write_recipe(store, RECIPE)
    return store


def write(store: Store, name: str, **entries: object) -> None:
    entry = ENTRY | {"name": name, "request": name} | entries
    store.write_toml(model_path(name), {key: value for key, value in entry.items() if value is not None}, "key")


def test_models_are_in_the_order_in_which_they_were_asked_for(tmp_path):
    store = Store(tmp_path)
    for name, request, position in [("a@layer=2", "a@layer=all", 1), ("a@layer=1", "a@layer=all", 0), ("b", "b", 0)]:
        write(store, name, request=request, position=position)
    assert [e["name"] for e in model_entries(store, ("b", "a@layer=all"))] == ["b", "a@layer=1", "a@layer=2"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"family": None}, "'family' must be text; it is missing"),
        ({"request": []}, r"'request' must be text; got \[\]"),
        ({"dim": "many"}, "'dim' must be a whole number; got 'many'"),
        ({"position": True}, "'position' must be a whole number; got True"),
        ({"recipe": float("nan")}, "'recipe' must be a table; got nan"),
    ],
)
def test_an_entry_of_another_kind_is_named(store, change, sentence):
    write(store, "zoo/mae", **change)
    with pytest.raises(BadRun, match=sentence) as refused:
        model_entries(store)
    assert "model.toml' was changed, or is of another version" in str(refused.value)


def test_a_model_that_joined_goes_on_after_an_update_and_not_with_other_weights():
    joined = {"weights": "a", "libraries": {"torch": "2.1"}, "device": "cpu", "precision": "float32", "batch_size": 8}
    updated = joined | {"libraries": {"torch": "3.0"}, "device": "cuda", "precision": "bfloat16", "batch_size": 16}
    require_joined({"name": "zoo/mae", "recipe": updated}, {"recipe": joined})
    for other, differs in ((joined | {"weights": "b"}, "weights"), (joined | {"layer": 2}, "layer")):
        with pytest.raises(BadRun, match=rf"not what it was when it joined the run \({differs} differ\)"):
            require_joined({"name": "zoo/mae", "recipe": other}, {"recipe": joined})


def test_models_of_earlier_versions_are_passed_over(tmp_path):
    recipe = replace(RECIPE, models=("style:arbitrary", "zoo/mae", "file:mine.npy"))
    store = Store(tmp_path)
    write_recipe(store, recipe)
    for name in recipe.models:
        write(store, name)
    rows = pd.DataFrame({"model": recipe.models, "value": 1.0})
    store.write_table(SCORES, rows.assign(probe="linear"), "key")
    run = Run.open(tmp_path)
    assert run.recipe.models == ("zoo/mae",)
    assert list(run.models["name"]) == list(run.probe_scores["model"]) == ["zoo/mae"]
    assert cli.main(["verify", "--run", str(tmp_path)]) == 0


def test_the_shipped_run_opens_without_the_models_that_went():
    run = Run.open(reference_run())
    assert set(run.models["request"]) == set(run.recipe.models)
    assert not any(name.startswith(PASSED_OVER) for name in {*run.recipe.models, *run.scores["model"]})
