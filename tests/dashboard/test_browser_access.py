"""Visitors from elsewhere in headless Chromium: what is locked, and what they read there."""

from __future__ import annotations

import pytest

from lab.devtools.browser import IN_BROWSER, rest, served
from tests.dashboard.accessibility import violations_of

pytestmark = IN_BROWSER


@pytest.fixture(scope="module")
def shared(made_run):
    with served(["--run", str(made_run)], host="0.0.0.0") as address:
        yield address


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_pages_say_what_is_locked(shared, tab, theme, width):
    with tab.visitor() as (page, complaints):
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": 900})
        for address, what in (("scan", "Scanning a folder"), ("new-run", "Starting a run")):
            page.goto(f"{shared}/{address}")
            page.get_by_text(f"{what} is not open to visitors").wait_for()
            rest(page)
            for control in ("Start", "Resume", "Cancel", "Remove"):
                assert not page.get_by_role("button", name=control, exact=True).count()
            assert not violations_of(page)[0]
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.get_by_text("You may look and drop pictures in; runs and scans are locked.").count() == 1
        assert not complaints
