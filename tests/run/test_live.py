"""Scored views are only used if they were computed with the stored detector or probe."""

from __future__ import annotations

import pandas as pd
import pytest

from probing_core.compute.task_names import DEPLOYMENT, DETECTOR
from probing_core.run.directory import RunDirectory
from probing_core.run.layout import DETECTOR_FILE, probe_path, scored_views_path
from probing_core.run.live import has_scored_views
from probing_core.run.run_files import RunFiles

MODEL = "baseline/pixels"
FILES = {DETECTOR: DETECTOR_FILE, MODEL: probe_path(MODEL, DEPLOYMENT)}


@pytest.fixture
def scored(tmp_path) -> RunDirectory:
    """A run with scored views of the detector and of a model."""
    run = RunDirectory(tmp_path / "run")
    for name, path in FILES.items():
        run.save(f"trained/{name}", {"code_version": 1}, {path: b"trained"})
        inputs = run.keys(f"trained/{name}")
        run.save(f"scored/{name}", inputs, {scored_views_path(name): pd.DataFrame({"score": [1.0]})})
    return run


@pytest.mark.parametrize("name", FILES)
def test_scored_views_of_a_different_detector_or_probe_are_ignored(scored, name):
    assert all(has_scored_views(scored, each) for each in FILES)
    step = f"trained/{name}"
    assert scored.needs(step, {"code_version": 2})
    scored.save(step, {"code_version": 2}, {FILES[name]: b"trained again"})
    assert [each for each in FILES if has_scored_views(RunFiles(scored.root), each)] == [n for n in FILES if n != name]


@pytest.mark.parametrize("name", FILES)
def test_scored_views_of_a_copied_run_calibrate_no_other_probe(scored, tmp_path, name):
    copy = RunDirectory(tmp_path / "copy")
    copy.start_copy(scored)
    assert has_scored_views(copy, name)
    copy.save(f"trained/{name}", {"code_version": 2}, {FILES[name]: b"trained again"})
    assert not has_scored_views(copy, name)
    assert has_scored_views(scored, name)


@pytest.mark.parametrize("name", FILES)
def test_scored_views_are_absent_if_their_file_or_the_probe_is(scored, name):
    (scored.root / scored_views_path(name)).unlink()
    assert not has_scored_views(scored, name)
