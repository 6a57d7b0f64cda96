"""The tables of studies on Explore and Geometry: shown where they are, explained where they are not."""

from __future__ import annotations

import shutil
from pathlib import Path

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


@pytest.mark.parametrize("page", ["Explore", "Geometry"])
def test_few_photographs_are_given_as_the_reason(open_app, page):
    app = open_app(page)
    assert not app.exception
    assert "This is measured from 30 photographs on, and this run has 10" in texts(app)
