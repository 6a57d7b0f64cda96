"""What axe-core finds on a page that keeps somebody from using it."""

from __future__ import annotations

from typing import Any

STREAMLITS_OWN = {
    "list": ("stSidebarNavItems", "Streamlit nests the navigation's sections in its list without items of their own"),
    "listitem": ("<li", "the same, seen from the links of the navigation"),
}
"""Rule -> (what its elements show, why it stays): markup that Streamlit makes and no page can change."""


def violations_of(page: Any, rules: list[str] | None = None) -> tuple[list[tuple[str, str]], int]:
    """Serious violations on ``page``, as (rule, element), and how many of ``rules`` (all, if not given) it passes."""
    from axe_playwright_python.sync_playwright import Axe

    # A tooltip that fades out has little contrast for a moment.
    page.mouse.move(0, 0)
    page.wait_for_function("!document.querySelector('[role=tooltip], [data-testid=stTooltipContent]')")
    options = {"resultTypes": ["violations"]} | ({"runOnly": rules} if rules else {})
    if not page.evaluate("'axe' in window"):  # a page stays when its theme changes
        page.evaluate(Axe().axe_script)
    response = page.evaluate("(options) => axe.run(options)", options)
    found = []
    for violation in response["violations"]:
        if violation["impact"] in ("serious", "critical"):
            own = STREAMLITS_OWN.get(violation["id"])
            found += [
                (violation["id"], node["html"][:200])
                for node in violation["nodes"]
                if not (own and own[0] in node["html"])
            ]
    return found, len(response["passes"])
