"""Visitors from elsewhere in headless Chromium: locked pages, the password, and everything open."""

from __future__ import annotations

from typing import Any

import pytest

from probing_core.paths import PASSWORD_FILE
from tests.dashboard.accessibility import violations_of
from tests.dashboard.browser import IN_BROWSER, rest, served, settle

pytestmark = IN_BROWSER


@pytest.fixture(scope="module")
def shared(made_run, tmp_path_factory):
    file = tmp_path_factory.mktemp("secret") / "password.txt"
    file.write_text("open sesame\n")
    with served(["--run", str(made_run)], host="0.0.0.0", env={PASSWORD_FILE: str(file)}) as address:
        yield address


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_the_password_opens_what_is_locked(shared, tab, theme, width):
    with tab.visitor() as (page, complaints):
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": 900})
        look_enter_and_lock(shared, page, width)
        assert not complaints


def look_enter_and_lock(shared: str, page: Any, width: int) -> None:
    page.goto(f"{shared}/scan")
    page.get_by_text("Scanning a folder, or reading what a scan has found, needs the password").wait_for()
    page.goto(f"{shared}/new-run")
    page.get_by_text("Starting a run needs the password of this dashboard").wait_for()
    rest(page)
    assert not page.get_by_role("button", name="Start").count()
    assert not page.get_by_role("button", name="Resume").count()
    assert not violations_of(page)[0]
    assert page.evaluate("document.documentElement.scrollWidth") <= width

    def enter(password: str) -> None:
        page.get_by_label("Password", exact=True).fill(password)
        page.get_by_label("Password", exact=True).press("Enter")

    enter("close sesame")
    page.get_by_text("This is not the password.").wait_for()
    assert page.get_by_label("Password", exact=True).input_value() == ""
    enter("open sesame")
    page.get_by_role("button", name="Start").wait_for()
    settle(page)
    if width == 1280:
        page.get_by_role("button", name="Lock", exact=True).click()
        page.get_by_text("Starting a run needs the password of this dashboard").wait_for()
    page.reload()
    page.get_by_text("Starting a run needs the password of this dashboard").wait_for()
