"""The page Methods and data without a browser."""

from __future__ import annotations

import shutil

import pandas as pd

from probing_core.results import Run
from probing_core.run import layout
from probing_core.run.store import Store
from tests.dashboard.app_reading import label, texts
from tests.dashboard.conftest import REFERENCE

OPEN = {f"show-{part}": "True" for part in ("recipe", "words", "measures", "models", "photographs", "checks", "tables")}


def test_the_parts_of_the_page_open_one_by_one(open_app, made_run, tmp_path):
    run = Run.open(REFERENCE)
    app = open_app("Methods and data", run=REFERENCE)
    assert not app.dataframe
    assert len(open_app("Methods and data", run=REFERENCE, show_recipe="True").dataframe) == 1
    assert f"Models: {len(run.models)}" in [e.label for e in app.expander]
    some = tmp_path / "made"
    shutil.copytree(made_run, some)
    store = Store(some)
    images = store.read_table(layout.IMAGES)
    images.loc[images.index[:3], ["used", "why_not"]] = False, "smaller than 176 pixels"
    store.write_table(layout.IMAGES, images, "changed")
    run = Run.open(some)
    app = open_app("Methods and data", run=some, show_photographs="True")
    counts = next(t.value for t in app.dataframe if "why_not" in t.value).set_index("why_not")["images"]
    left_out = run.images.loc[~run.images["used"], "why_not"]
    assert counts.to_dict() == left_out.value_counts().to_dict()
    assert f"{len(left_out):,} images are left out" in texts(app)


def test_methods_verifies_and_exports(open_app):
    app = open_app("Methods and data", **OPEN)
    label(app, "button", "Verify every file against its checksum").click().run()
    assert len(app.success) == 1
    label(app, "selectbox", "Show a table").select("tables/fits.parquet").run()
    assert not app.exception


def test_a_visitor_without_rights_verifies_nothing(open_app, monkeypatch):
    monkeypatch.setattr("dashboard.rights.allowed", lambda: False)
    app = open_app("Methods and data", **OPEN)
    assert not app.exception
    assert not [button for button in app.button if "Verify" in button.label]
    assert "Verifying every file of a run is not open to visitors" in texts(app)


def test_of_a_table_the_first_rows_are_shown(open_app, made_run):
    app = open_app("Methods and data", **OPEN)
    label(app, "selectbox", "Show a table").select("samples.parquet").run()
    assert not app.exception
    run = Run.open(made_run)
    shown = next(d.value for d in app.dataframe if "image_id" in d.value and "ssim" in d.value)
    pd.testing.assert_frame_equal(shown, run.samples[:200], check_dtype=False)
    assert f"200 of {run.sample_count:,} rows shown" in texts(app)
