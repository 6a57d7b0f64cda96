"""The page Generalization without a browser."""

from __future__ import annotations

import numpy as np
import pytest

from dashboard.text import named
from probing_core.measures.notation import model_title
from probing_core.measures.statistics import networks
from probing_core.results import Run, leaderboard, summaries
from probing_core.results.generalization import SEEN, STYLES_UNSEEN, UNSEEN, generalization_rates
from tests.dashboard.app_reading import figures, label, unescaped
from tests.dashboard.conftest import REFERENCE

SHOWN = 15


def trace_of(figure: dict, name: str) -> dict:
    return next(trace for trace in figure["data"] if trace.get("name") == name and len(trace.get("x", [])) > 1)


def test_unseen_transformations_are_drawn_by_model_and_for_the_selected_model(open_app):
    app = open_app("Generalization", run=REFERENCE, model="zoo/mae")
    assert not app.exception
    before = figures(app)
    gaps = summaries.gaps(summaries.members(Run.open(REFERENCE), "zoo/mae")).head(SHOWN).set_index("transform")
    axis = before[1]["layout"]["yaxis"]
    names = [name.replace("<br>", " ") for name in axis["ticktext"][::-1]]
    assert names == list(map(named, gaps.index)), "the largest loss first"
    for series, column in ((SEEN, "seen"), (UNSEEN, "unseen")):
        shown = trace_of(before[1], series)
        values = dict(zip(shown["customdata"], shown["x"], strict=True))
        np.testing.assert_allclose([values[named(name)] for name in gaps.index], 100 * gaps[column])
    label(app, "selectbox", "Model").select("zoo/clip").run()
    changed = [one["data"] != other["data"] for one, other in zip(before, figures(app), strict=True)]
    assert changed == [False, True], "one chart is of all models, one of the selected model"


def test_unseen_styles_are_compared_with_styles_in_training_and_chance(open_app):
    app = open_app("Generalization", run=REFERENCE, part="styles")
    assert not app.exception
    run = Run.open(REFERENCE)
    rates = generalization_rates(run)
    (figure,) = figures(app)
    for subset, rows in rates[rates["subset"].isin(["styles in training", STYLES_UNSEEN, "clean images"])].groupby(
        "subset"
    ):
        shown = trace_of(figure, str(subset))
        values = dict(zip(shown["customdata"], shown["x"], strict=True))
        expected = {model_title(row.model): 100 * row.value for row in rows.itertuples()}
        assert values == pytest.approx(expected)
    unseen = rates[(rates["subset"] == STYLES_UNSEEN) & ~rates["model"].str.startswith("baseline/")]
    unseen = unseen[unseen["model"].isin(networks(unseen["model"]))]  # an intermediate layer is not an encoder
    assert (unseen["low"] <= 1 / len(run.classes("group"))).all()
    assert "No encoder's** probe identifies unseen styles better than chance" in unescaped(app)
    assert any("chance" in note["text"] for note in figure["layout"]["annotations"])


def test_embedding_shift_draws_every_transformation_at_first_of_the_best_encoder(open_app):
    app = open_app("Generalization", run=REFERENCE, part="shift")
    run = Run.open(REFERENCE)
    model = leaderboard(run, "fine", "seen", baselines=False)["model"].iloc[0]
    assert label(app, "selectbox", "Model").value == model
    points = summaries.shifts(run, model)
    (figure,) = figures(app)
    marks, *_ = figure["data"]
    np.testing.assert_allclose(marks["x"], points["value"])
    np.testing.assert_allclose(marks["y"], 100 * points["value_recall"])
    assert max(marks["x"]) < figure["layout"]["xaxis"]["range"][1], "every mark is within the axis"


@pytest.mark.parametrize("part", ["shift", "variance"])
@pytest.mark.parametrize("missing", [False, True])
def test_generalization_page_says_what_a_run_has_not_measured(open_app, studied_run, made_run, missing, part):
    app = open_app("Generalization", run=made_run if missing else studied_run, part=part)
    assert not app.exception
    assert bool(app.info) == missing
    assert bool(figures(app)) != missing
