"""The page Retrieval in headless Chromium, over the made run with invented tables of studies."""

from __future__ import annotations

import re
import shutil

import pytest

from lab.devtools.browser import IN_BROWSER, rest
from probing_core.results import Run, retrieval
from tests.dashboard.accessibility import violations_of
from tests.made_studies import add_studies

pytestmark = IN_BROWSER

PHONE = {"width": 390, "height": 900}


@pytest.fixture(scope="module")
def studied(made_run):
    return add_studies(shutil.copytree(made_run, made_run.parent / "studied"))


def test_charts_are_drawn_and_an_altered_photograph_finds_its_original(studied, server, tab):
    with tab.visitor() as (page, complaints):
        page.goto(f"{server}/retrieval?run=studied&models=baseline/pixels&ask=True&transform=jpeg")
        page.get_by_role("heading", name="Retrieval", level=1).wait_for()
        rest(page)
        for chart in (
            "originals",
            "by-strength",
            "variance",
            "variance-layers",
        ):
            page.locator(f".st-key-chart-{chart} .main-svg").first.wait_for(state="attached")
        place = page.get_by_text(re.compile("The original is"))
        place.wait_for()
        assert page.get_by_test_id("stImage").locator("img").count() == len(retrieval.gallery(Run.open(studied)))
        assert page.get_by_test_id("stException").count() == 0
        slider = page.get_by_role("slider", name="Strength")
        slider.focus()
        before = page.url
        page.keyboard.press("End")  # by keyboard alone
        page.wait_for_url(lambda url: url != before and "strength=" in url)
        rest(page)
        place.wait_for()
        assert violations_of(page, [])[0] == []
        page.set_viewport_size(PHONE)
        rest(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert complaints == []
