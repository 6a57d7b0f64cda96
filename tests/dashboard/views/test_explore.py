"""The page Explore without a browser."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("strength", ["²", "-1", "x", "99"])
def test_a_strength_that_is_none_is_the_middle_or_the_nearest(open_app, strength):
    assert not open_app("Explore", strength=strength).exception


def test_explore_asks_the_models(open_app):
    app = open_app("Explore", ask="True", models="baseline/pixels", transform="fog")
    assert not app.exception
    assert "Probability of the right class" in [s.value for s in app.subheader]
