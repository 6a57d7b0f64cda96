"""The page Scan: what it asks for, and what it shows of a scan."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from probing_core.prediction.scan.writing import COLUMNS, PROMISE, TABLE
from probing_core.runs.layout import DETECTOR_FILE, RECIPE
from tests.dashboard.app_reading import unescaped


@pytest.fixture
def holiday(data_folder: Path) -> Path:
    """A scan of three pictures, as the command leaves it."""
    out = data_folder / "scans" / "holiday"
    (out / "log").mkdir(parents=True)
    about = {"stage": "scan", "done": 3, "total": 3, "left_s": 0.0, "message": "done", "state": "done"}
    (out / "log" / "progress.json").write_text(json.dumps(about))
    rows = pd.DataFrame([dict.fromkeys(COLUMNS)] * 3).assign(path=["a.png", "b.png", "c.png"], p=[0.5, 0.01, 0.7])
    table = pa.Table.from_pandas(rows.assign(verdict=["untouched", "altered", "untouched"]), preserve_index=False)
    pq.write_table(table.replace_schema_metadata({PROMISE: b"no rate is promised"}), out / TABLE)
    (out / "index.html").write_text("the page")
    return out


def test_without_a_detector_it_says_what_makes_one(open_app, data_folder):
    app = open_app("Scan")
    assert not app.exception
    assert "--calibrate-on" in unescaped(app)
    assert not app.text_input


def test_a_complete_scan_shows_its_counts_and_the_least_likely_first(open_app, holiday):
    app = open_app("Scan", show_scan_holiday="True")
    assert not app.exception
    assert "**holiday** — complete" in unescaped(app)
    assert "2 untouched, 1 altered" in unescaped(app)
    assert "no rate is promised" in unescaped(app)
    assert "q" not in app.dataframe[0].value  # none without clean pictures
    assert list(app.dataframe[0].value["path"]) == ["b.png", "a.png", "c.png"]


@pytest.mark.parametrize("folder", ["~nobody-of-this-name/pictures", "x" * 5000])
def test_a_folder_that_cannot_be_one_is_refused_in_a_sentence(open_app, data_folder, folder):
    run = data_folder / "runs" / "able"
    for file in (RECIPE, DETECTOR_FILE):
        (run / file).parent.mkdir(parents=True, exist_ok=True)
        (run / file).write_text("")
    app = open_app("Scan")
    app.text_input(key="scan-folder").set_value(folder).run()
    assert not app.exception
    assert "cannot be used as a path" in unescaped(app)
    assert app.button(key="scan-start").disabled


def test_a_scan_that_failed_says_why(open_app, holiday):
    report = json.loads((holiday / "log" / "progress.json").read_text())
    failed = report | {"state": "failed", "error": "no picture"}
    (holiday / "log" / "progress.json").write_text(json.dumps(failed))
    app = open_app("Scan")
    assert "**holiday** — stopped: no picture" in unescaped(app)
    assert not app.dataframe
