"""What colors the points of a map."""

from __future__ import annotations

import pandas as pd
import pytest

from dashboard.data import map_points
from probing_core.charts import Theme
from probing_core.results import Run
from probing_core.transforms import bank


@pytest.fixture
def run(made_run) -> Run:
    return Run.open(made_run)


def test_the_strongest_is_the_strongest_whichever_number_that_is(run):
    found = []
    for transform in bank():
        rows = pd.DataFrame({"transform": transform.name, "strength": [transform.weakest, transform.strongest]})
        found.append(tuple(map_points._positions(run, rows.iloc[: 1 + (transform.weakest != transform.strongest)])))
    assert set(found) == {(0.0, 1.0), (0.0,)}


def test_a_strength_that_is_none_is_no_strength(run):
    rows = pd.DataFrame({"transform": ["identity", "jpeg"], "strength": [float("nan"), 20.0]})
    assert map_points._positions(run, rows).tolist() == [0, pytest.approx(0.5)]


def test_many_labels_become_the_most_frequent_and_the_rest(monkeypatch):
    labels = pd.Series([f"l{i:02}" for i in range(20) for _ in range(i + 1)])
    frequent = map_points.most_frequent(labels)
    assert frequent.nunique() == map_points.MAX_COLORED_LABELS + 1
    assert (frequent[labels == "l19"] == "l19").all()
    assert (frequent[labels == "l00"] == map_points.OTHERS).all()
    few = labels[labels > "l11"]
    assert map_points.most_frequent(few).tolist() == few.tolist()
    monkeypatch.setattr(map_points.cache, "theme", Theme)
    colors = map_points._colors_of(None, "label", sorted(set(frequent)), Theme())
    assert colors.keys() == set(frequent)
    assert len(set(colors.values())) == map_points.MAX_COLORED_LABELS + 1
