"""The page Inside without a browser."""

from __future__ import annotations

import re

import numpy as np
import pytest

from dashboard.text import named
from probing_core.measures.notation import model_title
from probing_core.results import Run, leaderboard, summaries
from tests.dashboard.app_reading import figures, label, texts
from tests.dashboard.conftest import REFERENCE

FEW = 8
MOVED = "moved"


def test_of_many_networks_the_best_and_no_ablations_are_drawn(open_app):
    app = open_app("Inside", run=REFERENCE)
    assert not app.exception
    (figure,) = figures(app)
    drawn = {trace["name"] for trace in figure["data"]}
    rows = summaries.layers(Run.open(REFERENCE))
    best = rows[rows["task"] == "fine"].groupby("base")["value"].max().idxmax()
    assert len(drawn) <= FEW < rows["base"].nunique()
    assert model_title(best) in drawn
    assert not [name for name in drawn if "plain captions" in name or "crops alone" in name]


def test_encoders_are_counted_alike_on_the_page_and_in_the_sidebar(open_app):
    app = open_app("Inside", run=REFERENCE)
    assert not app.exception
    shown = texts(app)
    count = int(re.search(r"In \w+ of (\d+) networks", shown)[1])
    assert f"· {count} encoders ·" in shown
    counts = re.findall(
        r"(\d+) (?:encoder|inner block|baseline|further training)s?\b", shown.split("samples · ")[1][:99]
    )
    assert sum(map(int, counts)) == len(Run.open(REFERENCE).models)
    assert f"of the {count} encoders" in shown


def test_a_transformation_is_drawn_where_it_was_seen_and_where_not(open_app):
    app = open_app("Inside", run=REFERENCE, part="unseen", model="zoo/mae")
    assert not app.exception
    run = Run.open(REFERENCE)
    gaps = summaries.gaps(summaries.members(run, "zoo/mae")).set_index("transform")
    axis, traces = figures(app)[0]["layout"]["yaxis"], figures(app)[0]["data"]
    assert [name.replace("<br>", " ") for name in axis["ticktext"][::-1]] == list(map(named, gaps.index)), (
        "the largest loss first"
    )
    for series in ("seen", "unseen"):
        shown = next(trace for trace in traces if trace.get("name") == series)
        values = dict(zip(shown["customdata"], shown["x"], strict=True))
        np.testing.assert_allclose([values[named(name)] for name in gaps.index], 100 * gaps[series])


def test_the_first_chart_follows_the_model(open_app):
    app = open_app("Inside", run=REFERENCE, part="unseen")
    before = figures(app)
    label(app, "selectbox", "Model").select("zoo/clip").run()
    assert not app.exception
    changed = [one["data"] != other["data"] for one, other in zip(before, figures(app), strict=True)]
    assert changed == [True, False, False], "one chart is of the model, two of all models"


def test_it_begins_with_the_best_encoder(open_app):
    app = open_app("Inside", run=REFERENCE, part="shift")
    board = leaderboard(Run.open(REFERENCE), "fine", "seen", baselines=False)
    assert label(app, "selectbox", "Model").value == board["model"].iloc[0]


def test_every_transformation_has_its_move_and_its_recall(open_app):
    app = open_app("Inside", run=REFERENCE, part="shift", model="baseline/handcrafted")
    points = summaries.shifts(Run.open(REFERENCE), "baseline/handcrafted").set_index("transform")
    figure = figures(app)[0]
    names = {name.replace("<br>", " ") for name in figure["layout"]["yaxis"]["ticktext"]}
    assert names == set(map(named, points.index))
    for series, column in ((MOVED, "value"), ("recognized", "value_recall")):
        shown = next(trace for trace in figure["data"] if trace.get("name") == series)
        values = dict(zip(shown["customdata"], shown["x"], strict=True))
        np.testing.assert_allclose([values[named(name)] for name in points.index], 100 * points[column])
        assert max(shown["x"]) < figure["layout"]["xaxis"]["range"][1], "every mark is within the axis"


@pytest.mark.parametrize("missing", [False, True])
def test_how_far_an_embedding_moves(open_app, studied_run, made_run, missing):
    app = open_app("Inside", run=made_run if missing else studied_run, part="shift")
    assert not app.exception
    assert bool(app.info) == missing
    assert bool(figures(app)) != missing
