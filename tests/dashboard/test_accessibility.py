"""axe-core finds no serious violation on any page; in the dark, where only colors differ, contrasts are looked at."""

from __future__ import annotations

import pytest

from tests.dashboard.browser import ADDRESSES, ASKED, IN_BROWSER, WAIT_MS, settle

pytestmark = IN_BROWSER
AXE_DRAWN_MS = 1500
STREAMLITS_OWN = {
    "list": ("stSidebarNavItems", "Streamlit nests the navigation's sections in its list without items of their own"),
    "listitem": ("<li", "the same, seen from the links of the navigation"),
}
"""Rule -> (what its elements show, why it stays): markup that Streamlit makes and no page can change."""


@pytest.mark.parametrize(("theme", "rules"), [("light", None), ("dark", ["color-contrast"])])
def test_no_serious_violation(made_run, serve, chromium, theme, rules):
    from axe_playwright_python.sync_playwright import Axe

    address = serve(made_run)
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, color_scheme=theme)
    context.set_default_timeout(WAIT_MS)
    found, checked = [], 0
    for name, path in (ADDRESSES | ASKED).items():
        page = context.new_page()
        page.goto(f"{address}/{path}")
        page.get_by_role("heading", level=1).first.wait_for()
        settle(page)
        page.wait_for_timeout(AXE_DRAWN_MS)
        options = {"resultTypes": ["violations"]} | ({"runOnly": rules} if rules else {})
        response = Axe().run(page, options=options).response
        checked += len(response["passes"])
        for violation in response["violations"]:
            if violation["impact"] in ("serious", "critical"):
                own = STREAMLITS_OWN.get(violation["id"])
                found += [
                    (name, violation["id"], node["html"][:200])
                    for node in violation["nodes"]
                    if not (own and own[0] in node["html"])
                ]
        page.close()
    context.close()
    assert checked >= len(ADDRESSES | ASKED) * (1 if rules else 10)  # it did look
    assert found == []


def test_it_finds_what_is_wrong(chromium):
    """The check can fail: a picture without words, and pale text."""
    from axe_playwright_python.sync_playwright import Axe

    page = chromium.new_page()
    page.set_content("<html lang=en><title>x</title><img src='data:,'><p style='color:#ccc;background:#fff'>pale</p>")
    rules = {v["id"] for v in Axe().run(page).response["violations"]}
    page.close()
    assert {"image-alt", "color-contrast"} <= rules
