"""All tables of a run together; each study's own test checks its numbers."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from probing_core.measures import MEASURES
from probing_core.pipeline import studies
from probing_core.pipeline.studies import STUDIES, study, study_path
from probing_core.runs.progress import SILENT
from probing_core.runs.store import Store
from tests.pipeline.studies.made import NARROW, WIDE, add_model, joined_by, made_store
from tests.pipeline.test_embed import files

pytestmark = pytest.mark.slow

FORMAT = (Path(__file__).resolve().parents[3] / "docs" / "run-format.md").read_text(encoding="utf-8")
TABLES = sorted([*(s.name for s in STUDIES), "cka"])


def documented(table: str) -> list[str]:
    """The columns of ``tables/<table>.parquet`` in docs/run-format.md."""
    row = next(line for line in FORMAT.splitlines() if line.startswith(f"| `tables/{table}.parquet` |"))
    return re.findall(r"`([a-z_0-9]+)`", row.split("|")[2])


@pytest.mark.parametrize("table", TABLES)
def test_columns_are_the_documented_ones(studied, table):
    assert list(studied[0].read_table(f"tables/{table}.parquet")) == documented(table)


@pytest.mark.parametrize("table", [t for t in TABLES if t != "cka"])
def test_every_model_is_there_and_values_lie_in_their_intervals(studied, table):
    rows = studied[0].read_table(f"tables/{table}.parquet")
    assert rows["model"].unique().tolist() == [WIDE, NARROW]
    ends = [c for c in rows if c == "low" or c.endswith("_low")]
    assert ends
    for low in ends:
        high = low.replace("low", "high")
        stem = low.removesuffix("low").removesuffix("_")
        value = next(c for c in (f"{stem}_hit", f"{stem}_rate", stem, "value", "threshold") if c in rows)
        known = rows.dropna(subset=[low])
        assert len(known) > 0.9 * len(rows)
        assert (known[low] <= known[value] + 1e-6).all(), low
        assert (known[value] <= known[high] + 1e-6).all(), high


def test_measures_are_entries_of_the_catalog(studied):
    for table in ("geometry", "ood"):
        for name in studied[0].read_table(f"tables/{table}.parquet")["measure"].unique():
            assert MEASURES.get(name).definition


def test_a_second_call_computes_nothing_and_changes_nothing(studied, monkeypatch):
    store, recipe = studied
    before = files(store.root)
    broken = tuple(replace(s, make=lambda data: pytest.fail("a study was made again")) for s in STUDIES)
    monkeypatch.setattr(studies, "STUDIES", broken)
    monkeypatch.setattr(studies, "cka_table", lambda *given: pytest.fail("CKA was computed again"))
    study(store, recipe, SILENT)
    assert files(store.root) == before


def test_what_a_study_read_is_its_key_and_models_join(tmp_path, monkeypatch):
    store, recipe = made_store(tmp_path / "run", monkeypatch)
    made: list[tuple[str, str]] = []
    monkeypatch.setattr(studies, "STUDIES", tuple(replace(s, make=_counting(s.name, made)) for s in STUDIES))
    study(store, recipe, SILENT)
    assert len(made) == len(set(made)) == 2 * len(STUDIES)
    made.clear()
    joined = joined_by(recipe, "baseline/third")
    samples = store.read_table("samples.parquet")
    tables = {name: store.read_table(f"series/{name}.parquet") for name in ("strength", "composition", "layers")}
    store.write_toml("run.toml", joined.to_toml(), "made")
    add_model(store, joined, "baseline/third", samples, tables, 7)
    study(store, joined, SILENT)
    assert {model for model, _ in made} == {"baseline/third"}
    assert store.read_table("tables/ood.parquet")["model"].tolist() == [WIDE, NARROW, "baseline/third"]
    assert len(store.read_table("tables/cka.parquet")) == 9
    made.clear()
    # Another probe: only what the probe said.
    name = "models/baseline-wide/probes/fine.safetensors"
    store.write_bytes(name, store.read_bytes("models/baseline-wide/probes/fine.safetensors") + b" ", "other")
    study(store, joined, SILENT)
    assert set(made) == {(WIDE, "strength"), (WIDE, "thresholds")}


def test_killed_between_two_studies_it_goes_on(studied, tmp_path, monkeypatch):
    store, recipe = made_store(tmp_path / "run", monkeypatch)
    middle = len(STUDIES) // 2
    before, at, after = three = STUDIES[middle - 1 : middle + 2]

    def killed(data):
        raise KeyboardInterrupt

    monkeypatch.setattr(studies, "STUDIES", (before, replace(at, make=killed), after))
    with pytest.raises(KeyboardInterrupt):
        study(store, recipe, SILENT)
    monkeypatch.setattr(studies, "STUDIES", three)
    again = Store(store.root)
    assert again.has(study_path(WIDE, before.name))
    study(again, recipe, SILENT)
    whole, tables = studied[0], again.names("tables/")
    assert tables == sorted(f"tables/{name}.parquet" for name in ("cka", *(s.name for s in three)))
    assert all(again.read_bytes(name) == whole.read_bytes(name) for name in tables)


def test_a_run_under_probes_of_another_gets_what_needs_no_training(tmp_path, monkeypatch):
    store, recipe = made_store(tmp_path / "run", monkeypatch, adopted=True)
    study(store, recipe, SILENT)
    assert store.names("tables/") == [f"tables/{n}.parquet" for n in ("cka", "geometry", "strength", "thresholds")]
    assert set(store.read_table("tables/geometry.parquet")["measure"]) == {"shift"}


@pytest.mark.parametrize("kept", [29, 62])
def test_few_photographs_or_a_missing_split_have_no_studies(tmp_path, monkeypatch, kept):
    store, recipe = made_store(tmp_path / "run", monkeypatch)
    images = store.read_table("images.parquet")
    images["used"] = np.arange(len(images)) < kept  # 29 photographs; or 62, and none of the test split
    store.write_table("images.parquet", images, "fewer")
    study(store, recipe, SILENT)
    assert store.names("tables/") == []


def test_of_several_layers_the_last_is_studied(tmp_path, monkeypatch):
    store, recipe = made_store(tmp_path / "run", monkeypatch)
    for position, folder in enumerate(("baseline-narrow", "baseline-wide")):
        name = f"models/{folder}/model.toml"
        store.write_toml(name, store.read_toml(name) | {"request": "baseline/both", "position": position}, "layers")
    made: list[tuple[str, str]] = []
    monkeypatch.setattr(studies, "STUDIES", tuple(replace(s, make=_counting(s.name, made)) for s in STUDIES))
    study(store, recipe, SILENT)
    assert {model for model, _ in made} == {WIDE}


def test_a_run_without_embeddings_keeps_its_tables(studied, tmp_path):
    whole, recipe = studied
    store = Store(tmp_path / "shipped")
    for name in whole.names():
        if "/embeddings/" not in name:
            store.write_bytes(name, whole.read_bytes(name), "shipped")
    before = files(store.root)
    study(store, recipe, SILENT)
    assert files(store.root) == before


def _counting(name: str, made: list[tuple[str, str]]):
    def make(data) -> pd.DataFrame:
        made.append((data.model, name))
        return pd.DataFrame({"model": [data.model]})

    return make
