"""The tables of studies on Explore and Geometry: shown where they are, explained where they are not."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from probing_core.results import Run
from probing_core.run.store import Store
from probing_core.transforms import resolve
from tests.compute.studies.test_studies import TABLES, documented
from tests.dashboard.app_reading import texts
from tests.made_studies import add_studies


@pytest.fixture(scope="module")
def studied(made_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("studied") / "studied"
    shutil.copytree(made_run, root)
    return add_studies(root)


@pytest.mark.parametrize("table", TABLES)
def test_the_invented_tables_have_the_documented_columns(studied, table):
    assert set(Store(studied).read_table(f"tables/{table}.parquet")) == set(documented(table))


def test_explore_shows_the_measured_strengths_and_thresholds(open_app, studied):
    models = list(Run.open(studied).models["name"])
    app = open_app("Explore", run=studied, transform="contrast", models=",".join(models))
    assert not app.exception
    assert "The same 150 test images at every strength" in texts(app)
    shown = next(t.value for t in app.dataframe if "threshold" in t.value)
    assert set(shown["model"]) == set(models)
    assert shown["threshold"].is_monotonic_decreasing  # contrast is weakest at its largest number
    assert set(shown["unit"]) == {resolve("contrast").unit}
    app = open_app("Explore", run=studied, transform="gaussian-blur", models=",".join(models[:2]))
    shown = next(t.value for t in app.dataframe if "threshold" in t.value)
    assert shown["threshold"].is_monotonic_increasing
    assert set(shown["model"]) == set(models[:2]), "the chosen ones alone"


def test_geometry_shows_every_table(open_app, studied):
    folded = open_app("Geometry", run=studied), open_app("Geometry", run=studied, whose="all")
    assert not any(app.dataframe for app in folded), "charts come first, tables are folded"
    tables = {f"show-{name}": "True" for name in ("equivariance", "composition", "outliers", "erasure", "information")}
    app = open_app("Geometry", run=studied, **tables)
    together = open_app("Geometry", run=studied, whose="all", **tables)
    for one in (app, together):
        assert not one.exception
        assert not one.error
    assert not any("This is measured from 30 photographs on" in texts(one) for one in (app, together))
    for header in ("Can the move be predicted", "Are two changes found", "Does a transformation look like an outlier?"):
        assert header in texts(app)
    for header in ("How alike", "How many dimensions", "Can what was done be erased", "In the embedding, or learned"):
        assert header in texts(together)
    columns = [set(t.value) for one in (app, together) for t in one.dataframe]
    assert any({"equivariance-ridge", "equivariance-rank"} <= c for c in columns)
    assert any({"first", "second", "both_hit"} <= c for c in columns)
    assert any({"nothing", "transformation", "random"} <= c for c in columns)
    assert any({"auroc, mahalanobis", "fpr95, neighbors"} <= c for c in columns)
    assert any({"accuracy", "control"} <= c for c in columns)
    assert any({"bits", "guessing_bits"} <= c for c in columns)
    table = Run.open(studied).table("tables/geometry.parquet")
    shown = next(t.value for t in app.dataframe if "equivariance-rank" in t.value)
    first = table[
        (table["model"] == Run.open(studied).models["name"].iloc[0]) & (table["measure"] == "equivariance-rank")
    ]
    np.testing.assert_allclose(shown["equivariance-rank"], first["value"])


@pytest.mark.parametrize("page", ["Explore", "Geometry"])
def test_few_photographs_are_given_as_the_reason(open_app, page):
    app = open_app(page)
    assert not app.exception
    assert "This is measured from 30 photographs on, and this run has 10" in texts(app)
