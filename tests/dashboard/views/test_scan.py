"""The page Scan: what it asks for, and what it shows of a scan."""

from __future__ import annotations

import json
import os

import pandas as pd
import psutil
import pytest

from probing_core.prediction.scan.writing import COLUMNS
from tests.dashboard.app_reading import label, texts


@pytest.fixture
def scans(data_folder, monkeypatch):
    monkeypatch.setattr("probing_core.paths.runs_dir", lambda: data_folder / "runs")
    monkeypatch.setattr("dashboard.views.scan.runs_dir", lambda: data_folder / "runs", raising=False)
    return data_folder / "scans"


def test_without_a_detector_it_says_what_makes_one(open_app, scans):
    app = open_app("Scan")
    assert not app.exception
    assert "--calibrate-on" in texts(app)


def test_a_scan_that_is_complete_shows_its_counts(open_app, scans):
    out = scans / "holiday"
    (out / "log").mkdir(parents=True)
    about = {"stage": "scan", "done": 1, "total": 1, "left_s": 0.0, "message": "done", "state": "done"}
    me = {"pid": os.getpid(), "born": psutil.Process().create_time()}
    (out / "log" / "progress.json").write_text(json.dumps(about | me))
    rows = pd.DataFrame([dict.fromkeys(COLUMNS)] * 3).assign(path=["a", "b", "c"], p=[0.5, 0.01, 0.7])
    rows["verdict"] = ["untouched", "altered", "untouched"]
    rows.to_parquet(out / "verdicts.parquet")
    (out / "index.html").write_text("page")
    app = open_app("Scan", **{"show_scan_holiday": "True"})
    assert "holiday" in texts(app)
    assert not app.exception
    toggles = [button for button in app.button if "Results" in button.label] + [
        box for box in app.checkbox if "Results" in box.label
    ]
    assert toggles or "2 untouched, 1 altered" in texts(app)
    assert label is not None
