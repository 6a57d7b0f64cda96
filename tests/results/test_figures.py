"""Figures of a run show themselves, and show what the run says."""

from __future__ import annotations

import numpy as np
import plotly.io
import pytest

from probing_core.results import Run
from probing_core.results import figures as drawing

MODEL = "zoo/mae"


@pytest.fixture
def run(made_run):
    return Run.open(made_run)


def test_each_of_them_shows_itself_in_a_notebook(run, monkeypatch):
    monkeypatch.setattr(plotly.io.renderers, "default", "plotly_mimetype")  # what a notebook takes
    for figure in (
        run.plot_leaderboard(),
        run.plot_confusion(MODEL),
        run.plot_profile(),
        run.plot_map(MODEL, dark=True),
    ):
        shown = figure._repr_mimebundle_()
        assert shown["application/vnd.plotly.v1+json"]["data"]
        assert "<div" in figure.to_html(full_html=False, include_plotlyjs=False)


def test_the_numbers_are_those_of_the_run(run):
    scores = run.scores.set_index(["model", "task", "subset", "measure"])["value"]
    dots = run.plot_leaderboard().data[0]
    shown = dict(zip(dots.y, dots.x, strict=True))
    assert shown[MODEL] == pytest.approx(100 * scores[MODEL, "fine", "all", "balanced-accuracy"])
    cells = run.plot_profile(MODEL, "baseline/pixels").data[0]
    by_group = dict(zip(cells.x, np.array(cells.z)[list(cells.y).index(MODEL)], strict=True))
    assert by_group["blur"] == pytest.approx(100 * scores[MODEL, "fine", "group:blur", "recall"])
    matrix = np.array(run.plot_confusion(MODEL).data[0].z)
    assert np.nanmean(np.diag(matrix)) == pytest.approx(100 * scores[MODEL, "fine", "all", "balanced-accuracy"])
    points = run.plot_map(MODEL).data
    assert sum(len(trace.x) for trace in points) == run.sample_count
    assert {trace.name for trace in points} == set(run.classes("group"))


def test_of_a_large_map_a_part_is_drawn_and_said(run, monkeypatch):
    monkeypatch.setattr(drawing, "MAX_POINTS", 100)
    figure = run.plot_map(MODEL)
    assert sum(len(trace.x) for trace in figure.data) == 100
    assert f"100 of {run.sample_count:,} samples" in figure.layout.title.text
