"""The page Explore without a browser."""

from __future__ import annotations

import re

import pytest

from probing_core.results import Run
from tests.dashboard.app_reading import first_answers, unescaped
from tests.dashboard.conftest import REFERENCE


@pytest.mark.parametrize("strength", ["²", "-1", "x", "99"])
def test_a_strength_that_is_none_is_the_middle_or_the_nearest(open_app, strength):
    assert not open_app("Explore", strength=strength).exception


def test_explore_asks_the_models(open_app):
    app = open_app("Explore", ask="True", models="baseline/pixels", transform="fog")
    assert not app.exception
    assert "Probability of the right class" in [s.value for s in app.subheader]


def test_the_models_answer_at_once_for_the_chosen_strength(open_app):
    app = open_app("Explore", models="baseline/pixels", transform="fog")
    assert not app.exception
    if not first_answers(app):  # the page does not wait for models that are not loaded yet
        app.button(key="wait-for-models").click().run()
    assert not app.exception
    assert not app.subheader, "the whole range only when it is asked for"
    (table,) = first_answers(app)
    assert re.match(r"\d+ %", table["baseline/pixels"][0])


def test_the_sentence_names_who_sees_it_first(open_app):
    rows = Run.open(REFERENCE).table("tables/thresholds.parquet")
    for name, falling in (("fog", False), ("jpeg", True)):
        known = rows[(rows["transform"] == name) & (rows["censored"] == "")].sort_values("threshold")
        first, last = known["model"].iloc[[-1, 0] if falling else [0, -1]]
        words = unescaped(open_app("Explore", run=REFERENCE, transform=name, models="baseline/pixels"))
        assert f"**{first}** sees it first" in words
        assert f"**{last}** last" in words
