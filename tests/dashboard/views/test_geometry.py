"""The page Geometry without a browser."""

from __future__ import annotations

import pytest

from probing_core.results import Run
from tests.dashboard.app_reading import figures, label
from tests.dashboard.conftest import REFERENCE


def test_shift_and_selectivity_are_what_the_run_measured(open_app):
    run = Run.open(REFERENCE)
    app = open_app("Geometry", run=REFERENCE, show_selectivity="True")
    assert not app.exception
    model = label(app, "selectbox", "Model").value
    rows = run.table("tables/geometry.parquet")
    shifts = rows[(rows["model"] == model) & (rows["measure"] == "shift")]
    traces = figures(app)[0]["data"]
    drawn = {name: x for trace in traces for name, x in zip(trace["customdata"], trace["x"], strict=True)}
    assert drawn == pytest.approx(dict(zip(shifts["transform"], shifts["value"], strict=True)))
    (shown,) = [table.value for table in app.dataframe if "control" in table.value]
    assert set(shown["value"]) == set(run.table("tables/selectivity.parquet")["value"])


def test_a_run_without_studies_says_so_once(open_app):
    app = open_app("Geometry")
    assert len([box for box in app.info if "photographs on" in box.value]) == 1
    assert not app.subheader
