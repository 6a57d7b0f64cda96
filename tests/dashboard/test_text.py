"""Strengths as pages write them."""

from __future__ import annotations

import pytest

from dashboard.text import QUESTIONS, bound_sign, strength_axis, strength_number
from probing_core.transforms import bank
from tests.dashboard.conftest import PAGES


@pytest.mark.parametrize(
    ("transform", "axis", "number"),
    [
        ("gaussian-blur", "sigma, px", "1.5"),
        ("desaturate", "blend, %", "150%"),
        ("rain", "streaks", "1.5"),
        ("posterize", "bits a channel", "1.5"),
        ("gamma", "exponent", "1.5"),
        ("theirs:unknown", "strength", "1.5"),
    ],
)
def test_strength_axis_names_the_unit_that_strength_number_leaves_out(transform, axis, number):
    assert strength_axis(transform) == axis
    assert strength_number(transform, 1.5) == number


@pytest.mark.parametrize("transform", [one for one in bank() if one.group != "identity"], ids=lambda one: one.name)
def test_bound_sign_points_to_stronger_strengths_where_none_is_detected(transform):
    stronger = ">" if transform.strongest > transform.weakest else "<"
    weaker = "<" if stronger == ">" else ">"
    assert bound_sign(transform.name, "above").strip() == stronger
    assert bound_sign(transform.name, "below").strip() == weaker
    assert bound_sign(transform.name, "") == ""


def test_each_page_has_a_question():
    assert set(QUESTIONS) == set(PAGES)
    assert all(question.endswith("?") for question in QUESTIONS.values())
