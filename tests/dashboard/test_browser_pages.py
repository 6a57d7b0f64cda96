"""Every page over the made and the reference run, in light and dark, wide and narrow: no error, nothing runs over."""

from __future__ import annotations

import pytest

from probing_core.paths import data_dir
from probing_core.results.finding import REFERENCE
from tests.dashboard.browser import ADDRESSES, CHROMIUM, WAIT_MS, browser, served, settle
from tests.dashboard.test_browser import OWN_404

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine (apt-get install chromium)"),
]


@pytest.fixture(scope="module", params=["made", REFERENCE])
def dashboard(request, made_run):
    run = made_run if request.param == "made" else data_dir() / REFERENCE
    if not (run / "run.toml").is_file():
        pytest.skip(f"no run in {run}")
    with served(["--run", str(run)]) as address, browser() as chromium:
        yield address, chromium


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 800])
def test_pages_open_without_an_error(dashboard, theme, width):
    address, chromium = dashboard
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
    context.set_default_timeout(WAIT_MS)
    page, complaints = context.new_page(), []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(f"{m.text} {m.location.get('url')}") if m.type == "error" else None)
    for name, path in ADDRESSES.items():
        page.goto(f"{address}/{path}")
        page.get_by_role("heading", level=1).first.wait_for()
        settle(page)
        if page.get_by_test_id("stException").count():
            complaints.append(f"{name}: an exception on the page")
        beyond = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        if beyond > 0:
            complaints.append(f"{name}: {beyond} pixels wider than the window")
    context.close()
    assert [c for c in complaints if not any(own in c for own in OWN_404)] == []
