"""Ten thousand points in headless Chromium: a lasso collects them into the gallery, and more are thinned openly."""

from __future__ import annotations

import re

import pytest

from tests.dashboard.browser import IN_BROWSER, WAIT_MS, settle
from tests.dashboard.drawing import lasso
from tests.made_run import make_run

pytestmark = IN_BROWSER
SAMPLES = "10,240"


@pytest.fixture(scope="module")
def large(tmp_path_factory, serve, chromium):
    """The served dashboard over a made run of 10,240 samples, and the browser."""
    return serve(make_run(tmp_path_factory.mktemp("large") / "large", views=20, repetitions=2)), chromium


def test_a_lasso_collects_points_into_the_gallery(large):
    address, chromium = large
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(WAIT_MS)
    page.goto(f"{address}/map?models=zoo/mae&color=group")
    page.get_by_text(f"{SAMPLES} of {SAMPLES} samples shown").wait_for()
    settle(page)
    lasso(page, "map")
    heading = page.get_by_role("heading", name=re.compile(rf"^[\d,]+ of {SAMPLES} samples$"))
    heading.wait_for()
    settle(page)
    selected = int(heading.inner_text().split()[0].replace(",", ""))
    assert 0 < selected < 10_240
    page.get_by_text(f"Pictures 1 to {min(24, selected)} of {selected}").wait_for()
    pictures = page.get_by_test_id("stImage").locator("img")
    pictures.nth(min(24, selected) - 1).wait_for()  # they come after the words above them
    assert pictures.count() == min(24, selected)
    assert "selected=" in page.url
    assert page.get_by_test_id("stException").count() == 0

    # What was selected in one map is selected in another, and the receiver of the link sees the same.
    link = page.url
    page.close()
    other = chromium.new_page()
    other.set_default_timeout(WAIT_MS)
    other.goto(link.replace("models=zoo%2Fmae", "models=baseline%2Fpixels"))
    other.get_by_role("heading", name=heading_text(selected)).wait_for(timeout=WAIT_MS)
    other.close()


def heading_text(selected: int) -> str:
    return f"{selected:,} of {SAMPLES} samples"


def test_more_points_than_a_figure_holds_are_thinned_with_both_numbers(large):
    address, chromium = large
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(WAIT_MS)
    page.goto(f"{address}/map?models=zoo/mae,baseline/pixels&color=group")
    page.get_by_text(f"3,000 of {SAMPLES} samples shown in each of 2 maps: thinned evenly from {SAMPLES}").wait_for(
        timeout=WAIT_MS
    )
    page.close()
