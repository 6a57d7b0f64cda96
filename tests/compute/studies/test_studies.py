"""All tables of a run together; each study's own test checks its numbers."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from probing_core.compute.studies import STUDIES
from probing_core.run import layout
from probing_core.run.engine import State
from probing_core.run.live import read_probe
from probing_core.run.store import Store
from tests.compute.studies.made import (
    NARROW,
    TABLES,
    WIDE,
    add_model,
    few_series,
    made_store,
    of_studies,
    study,
    write_images,
)
from tests.plans import plan_of
from tests.run.test_embed import files

pytestmark = pytest.mark.slow

FORMAT = (Path(__file__).resolve().parents[3] / "docs" / "run-format.md").read_text(encoding="utf-8")


def documented(table: str) -> list[str]:
    """The columns of ``tables/<table>.parquet`` in docs/run-format.md."""
    section = FORMAT.partition("\n## Studies\n")[2]
    row = next(line for line in section.splitlines() if line.startswith(f"| `tables/{table}.parquet` |"))
    return re.findall(r"`([a-z_0-9]+)`", row.split("|")[2])


@pytest.mark.parametrize("table", TABLES)
def test_columns_are_the_documented_ones(studied, table):
    assert list(studied.read_table(f"tables/{table}.parquet")) == documented(table)


@pytest.mark.parametrize("table", [t for t in TABLES if t != "uses"])
def test_every_model_is_there_and_values_lie_in_their_intervals(studied, table):
    rows = studied.read_table(f"tables/{table}.parquet")
    assert rows["model"].unique().tolist() == [WIDE, NARROW]
    ends = [c for c in rows if c == "low" or c.endswith("_low")]
    assert ends
    for low in ends:
        if low == "threshold_low" and table == "duplicates":
            continue  # its end is a cosine of a pair, which resamples share
        high = low.replace("low", "high")
        stem = low.removesuffix("low").removesuffix("_")
        value = next(c for c in (f"{stem}_hit", f"{stem}_rate", stem, "value", "threshold") if c in rows)
        known = rows.dropna(subset=[low])
        assert len(known) > 0.9 * len(rows)
        assert (known[low] <= known[value] + 1e-6).all(), low
        assert (known[value] <= known[high] + 1e-6).all(), high


@pytest.fixture
def made(monkeypatch) -> list[tuple[str, str]]:
    """Model and name of each study that is made from now on; they hold a row that says no more than the model."""
    made: list[tuple[str, str]] = []

    def counting(name: str):
        def make(data) -> pd.DataFrame:
            made.append((getattr(data, "main", data).model, name))
            return pd.DataFrame({"model": [getattr(data, "main", data).model]})

        return make

    monkeypatch.setattr("tests.compute.studies.made.STUDIES", tuple(replace(s, make=counting(s.name)) for s in STUDIES))
    return made


def test_what_a_study_read_is_its_key_and_models_join(tmp_path, monkeypatch, made):
    store, recipe = made_store(tmp_path / "run", monkeypatch)
    study(store)
    assert len(made) == len(set(made)) == 2 * len(STUDIES)
    made.clear()
    joined = replace(recipe, models=(*recipe.models, "baseline/third"))
    store.write_toml("run.toml", joined.to_toml(), "made")
    add_model(store, "baseline/third", 7)
    study(store)
    assert {model for model, _ in made} == {"baseline/third"}
    assert store.read_table("tables/geometry.parquet")["model"].tolist() == [WIDE, NARROW, "baseline/third"]
    made.clear()
    # Another probe: only what the probe said.
    probe = read_probe(store, WIDE, "fine").with_temperature(2.0)
    store.write_bytes(layout.probe_path(WIDE, "fine"), probe.to_bytes(), "other")
    study(store)
    assert set(made) == {(WIDE, "strength"), (WIDE, "thresholds")}
    made.clear()
    # Other samples of one series: only what reads that series, of every model.
    rows = store.read_table("series/layers.parquet")
    store.write_table("series/layers.parquet", rows.assign(license="MIT"), "other")
    study(store)
    assert set(made) == {(model, "layers") for model in (WIDE, NARROW, "baseline/third")}


def test_killed_between_two_studies_it_goes_on(studied, tmp_path, monkeypatch):
    store, _ = made_store(tmp_path / "run", monkeypatch)
    middle = len(STUDIES) // 2
    before, at, after = three = STUDIES[middle - 1 : middle + 2]
    asked = [s.name for s in three]

    remade: list[str] = []

    def killed(data):
        raise KeyboardInterrupt

    def noted(data):
        remade.append(getattr(data, "main", data).model)
        return before.make(data)

    monkeypatch.setattr("tests.compute.studies.made.STUDIES", (before, replace(at, make=killed), after))
    with pytest.raises(KeyboardInterrupt):
        study(store, *asked)
    again = Store(store.root)
    assert again.has(layout.study_path(WIDE, before.name))
    assert not again.has(layout.study_path(WIDE, at.name))
    monkeypatch.setattr("tests.compute.studies.made.STUDIES", (replace(before, make=noted), at, after))
    study(again, *asked)
    assert remade == [NARROW], "what the killed process had made is kept"
    tables = again.names("tables/")
    assert tables == sorted(f"tables/{name}.parquet" for name in asked)
    assert all(again.read_bytes(name) == studied.read_bytes(name) for name in tables)


@pytest.mark.parametrize("kept", [29, 62])
def test_few_photographs_or_a_missing_split_have_no_studies(tmp_path, monkeypatch, kept):
    store, _ = made_store(tmp_path / "run", monkeypatch)
    assert of_studies(plan_of(store))
    images = store.read_table("images.parquet")
    images["used"] = np.arange(len(images)) < kept  # 29 photographs; or 62, and none of the test split
    write_images(store, images)
    assert of_studies(plan_of(store)) == []
    study(store)
    assert store.names("tables/") == []


def test_of_several_layers_the_last_is_studied(tmp_path, monkeypatch, made):
    store, _ = made_store(tmp_path / "run", monkeypatch)
    for position, folder in enumerate(("baseline-narrow", "baseline-wide")):
        name = f"models/{folder}/model.toml"
        store.write_toml(name, store.read_toml(name) | {"request": "baseline/both", "position": position}, "made")
    study(store)
    assert {model for model, _ in made} == {WIDE}


def test_a_run_without_embeddings_keeps_its_tables(studied, tmp_path, monkeypatch, made):
    few_series(monkeypatch)  # as the run was made
    store = Store(shutil.copytree(studied.root, tmp_path / "shipped"))
    store.leave_out(*(name for name in store.names() if layout.is_embeddings_path(name)))
    before = files(store.root)
    assert {plan_of(store).state(one) for one in of_studies(plan_of(store))} == {State.MADE}
    study(store)
    assert files(store.root) == before
    # One that is lost cannot be made here, and is no error.
    lost = layout.study_path(WIDE, "geometry")
    store.remove(lost)
    study(store)
    plan = plan_of(store)
    assert plan.state(plan.artifacts[lost]) is State.NOT_HERE
    assert store.has("tables/geometry.parquet")
    assert made == []
