"""Scored views are only used if they were computed with the stored detector or probe."""

from __future__ import annotations

import pandas as pd
import pytest

from probing_core.compute.task_names import DEPLOYMENT, DETECTOR
from probing_core.run.layout import DETECTOR_FILE, RECIPE, probe_path, scored_views_path
from probing_core.run.live import has_scored_views
from probing_core.run.manifest import short_checksum
from probing_core.run.store import Store

MODEL = "baseline/pixels"
PROBE = probe_path(MODEL, DEPLOYMENT)
SCORED = [(DETECTOR, DETECTOR_FILE), (MODEL, PROBE)]


def score(store: Store, model: str, *made_by: str) -> None:
    inputs = {path: short_checksum(store.entry(path)) for path in made_by}
    inputs |= {"revision": 1, "options": {}}
    store.write(scored_views_path(model), pd.DataFrame({"score": [1.0]}), "key", inputs)


@pytest.fixture
def scored(tmp_path) -> Store:
    store = Store(tmp_path / "run")
    store.write(DETECTOR_FILE, b"detector", "key")
    store.write(PROBE, b"probe", "key")
    score(store, DETECTOR, DETECTOR_FILE)
    score(store, MODEL, PROBE)
    return store


@pytest.mark.parametrize(("model", "changed"), SCORED)
def test_scored_views_of_a_different_detector_or_probe_are_ignored(scored, model, changed):
    assert has_scored_views(scored, model)
    before = scored.read_bytes(changed) if scored.has(changed) else None
    scored.write(changed, b"another", "other key")
    others = {of for of, _ in SCORED} - {model}
    assert not has_scored_views(scored, model)
    assert all(has_scored_views(scored, other) for other in others)
    scored.write(changed, before, "other key")
    assert has_scored_views(scored, model), "they are of these bytes, whatever these were made from"
    scored.remove(changed)
    assert not has_scored_views(scored, model)


@pytest.mark.parametrize(("model", "changed"), SCORED)
def test_scored_views_of_a_copied_run_calibrate_no_other_probe(scored, tmp_path, model, changed):
    scored.write_bytes(RECIPE, b"", "key")
    scored.fold()
    mine = Store(tmp_path / "mine")
    mine.copy_from(scored.root)
    assert has_scored_views(mine, model)
    mine.write(changed, b"another", "other key")
    assert not has_scored_views(mine, model)
    assert has_scored_views(scored, model)


def test_scored_views_without_recorded_inputs_are_used(scored):
    scored.write_table(scored_views_path(DETECTOR), pd.DataFrame({"score": [1.0]}), "key")
    scored.write(DETECTOR_FILE, b"another", "other key")
    assert has_scored_views(scored, DETECTOR)
    scored.remove(scored_views_path(DETECTOR))
    assert not has_scored_views(scored, DETECTOR)
