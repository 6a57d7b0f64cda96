"""Strengths as pages write them."""

from __future__ import annotations

import pytest

from dashboard.text import QUESTIONS, strength_axis, strength_number
from tests.dashboard.conftest import PAGES


@pytest.mark.parametrize(
    ("transform", "axis", "number"),
    [
        ("gaussian-blur", "sigma, px", "1.5"),
        ("desaturate", "blend, %", "150%"),
        ("rain", "streaks", "1.5"),
        ("posterize", "bits per channel", "1.5"),
        ("gamma", "exponent", "1.5"),
        ("theirs:unknown", "strength", "1.5"),
    ],
)
def test_strength_axis_names_the_unit_that_strength_number_leaves_out(transform, axis, number):
    assert strength_axis(transform) == axis
    assert strength_number(transform, 1.5) == number


def test_each_page_has_a_question():
    assert set(QUESTIONS) == set(PAGES)
    assert all(question.endswith("?") for question in QUESTIONS.values())
