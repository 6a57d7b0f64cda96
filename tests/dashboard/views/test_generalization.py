"""The page Generalization without a browser."""

from __future__ import annotations

import re

import numpy as np
import pytest

from dashboard.text import named
from probing_core.measures.notation import model_title
from probing_core.results import Run, leaderboard, summaries
from tests.dashboard.app_reading import figures, label, unescaped
from tests.dashboard.conftest import REFERENCE


def test_a_transformation_is_drawn_where_it_was_seen_and_where_not_by_the_chosen_model(open_app):
    app = open_app("Generalization", run=REFERENCE, part="unseen", model="zoo/mae")
    assert not app.exception
    before = figures(app)
    gaps = summaries.gaps(summaries.members(Run.open(REFERENCE), "zoo/mae")).set_index("transform")
    axis, traces = before[0]["layout"]["yaxis"], before[0]["data"]
    assert [name.replace("<br>", " ") for name in axis["ticktext"][::-1]] == list(map(named, gaps.index)), (
        "the largest loss first"
    )
    for series in ("seen", "unseen"):
        shown = next(trace for trace in traces if trace.get("name") == series)
        values = dict(zip(shown["customdata"], shown["x"], strict=True))
        np.testing.assert_allclose([values[named(name)] for name in gaps.index], 100 * gaps[series])
    label(app, "selectbox", "Model").select("zoo/clip").run()
    changed = [one["data"] != other["data"] for one, other in zip(before, figures(app), strict=True)]
    assert changed == [True, False, False], "one chart is of the model, two of all models"


def test_models_that_call_untouched_pictures_style_as_well_are_told(open_app):
    shown = unescaped(open_app("Generalization", run=REFERENCE, part="unseen"))
    model = "baseline/phash"
    parts = [Run.open(REFERENCE).predictions(model, f"group-{rotation}", ["transform"]) for rotation in range(3)]
    called = [part[part["transform"] == "identity"]["predicted"].eq("style").mean() for part in parts]
    found = re.search(r"(Image hash .*) call (\d+% and \d+%) of untouched pictures style", shown)
    assert dict(zip(found[1].split(" and "), found[2].split(" and "), strict=True))[model_title(model)] == (
        f"{100 * np.mean(called):.0f}%"
    )


def test_every_transformation_has_its_move_and_its_recall_at_first_of_the_best_encoder(open_app):
    app = open_app("Generalization", run=REFERENCE, part="shift")
    model = leaderboard(Run.open(REFERENCE), "fine", "seen", baselines=False)["model"].iloc[0]
    assert label(app, "selectbox", "Model").value == model
    points = summaries.shifts(Run.open(REFERENCE), model).set_index("transform")
    figure = figures(app)[0]
    names = {name.replace("<br>", " ") for name in figure["layout"]["yaxis"]["ticktext"]}
    assert names == set(map(named, points.index))
    for series, column in (("moved", "value"), ("recognized", "value_recall")):
        shown = next(trace for trace in figure["data"] if trace.get("name") == series)
        values = dict(zip(shown["customdata"], shown["x"], strict=True))
        np.testing.assert_allclose([values[named(name)] for name in points.index], 100 * points[column])
        assert max(shown["x"]) < figure["layout"]["xaxis"]["range"][1], "every mark is within the axis"


@pytest.mark.parametrize("missing", [False, True])
def test_how_far_an_embedding_moves(open_app, studied_run, made_run, missing):
    app = open_app("Generalization", run=made_run if missing else studied_run, part="shift")
    assert not app.exception
    assert bool(app.info) == missing
    assert bool(figures(app)) != missing
