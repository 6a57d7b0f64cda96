"""Check all pages and tabs of the dashboard: ``python -m lab.scripts.page_findings [--run DIR] [--pictures DIR]``.

Each page is opened in the light and in the dark theme, at several window widths. For each view with findings, the
command prints one line of JSON: exceptions on the page, console errors, serious and critical violations reported by
axe, horizontal overflow in pixels, and a timeout if the page did not finish rendering. The last line contains the
counts.
"""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import TimeoutError as TooLate

from lab.devtools.browser import ADDRESSES, WINDOW, Tab, served, wait_until_settled, window
from lab.devtools.commands import add_run, machine, parser_of

WIDTHS = (1400, 820, 390)
SCHEMES = ("light", "dark")
KINDS = ("exceptions", "console", "axe", "overflow", "late")

FITS_MS = 20_000
"""Timeout in milliseconds for the charts to adapt to the width of the window."""

STREAMLITS_OWN = {
    "list": ("stSidebarNavItems", "Streamlit's navigation list contains sections that are not list items"),
    "listitem": ("<li", "the links in these sections are list items without a list"),
}
"""Rule of axe -> (text that identifies the elements, reason). Violations in Streamlit's own markup are ignored."""


def main() -> None:
    parser = parser_of(__doc__)
    add_run(parser)
    parser.add_argument("--pages", default=",".join(ADDRESSES), help="comma-separated names of `ADDRESSES`")
    parser.add_argument("--widths", default=",".join(map(str, WIDTHS)), help="window widths in pixels")
    parser.add_argument("--schemes", default=",".join(SCHEMES), help="color schemes")
    parser.add_argument("--pictures", type=Path, help="folder for screenshots of all views")
    options = parser.parse_args()
    widths = [int(width) for width in options.widths.split(",")]
    views: dict[str, dict[str, Any]] = {}
    for view, findings in check(
        options.arguments, options.pages.split(","), widths, options.schemes.split(","), options.pictures
    ):
        views[view] = findings
        if any(findings.values()):
            print(json.dumps({view: findings}), flush=True)
    counts = {kind: sum(bool(findings[kind]) for findings in views.values()) for kind in KINDS}
    print(json.dumps({"views": len(views), **machine(), "counts": counts}))


def check(
    arguments: Sequence[str],
    names: Sequence[str],
    widths: Sequence[int],
    schemes: Sequence[str],
    pictures: Path | None = None,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Serve the dashboard with ``arguments``, and yield the name and findings of each view of the pages ``names``."""
    with tempfile.TemporaryDirectory() as profile, served(arguments) as address, window(Path(profile)) as context:
        tab = Tab(context)
        for name, scheme in itertools.product(names, schemes):
            with tab.visitor() as (page, complaints):
                page.emulate_media(color_scheme=scheme)
                page.set_viewport_size({"width": widths[0], "height": WINDOW["height"]})
                page.goto(f"{address}/{ADDRESSES[name]}")
                for width in widths:
                    page.set_viewport_size({"width": width, "height": WINDOW["height"]})
                    view = f"{name}-{width}-{scheme}"
                    yield view, _findings(page, complaints, pictures / f"{view}.png" if pictures else None)


def _findings(page: Any, complaints: list[str], picture: Path | None) -> dict[str, Any]:
    """Return the findings on ``page``, and clear its console errors ``complaints``."""
    findings: dict[str, Any] = dict.fromkeys(KINDS)
    try:
        page.get_by_role("heading", level=1).first.wait_for()
        wait_until_settled(page)
        if picture:
            _save(page, picture)
        findings["exceptions"] = page.get_by_test_id("stException").all_inner_texts()
        findings["axe"] = violations_of(page)
        findings["overflow"] = overflow_of(page)
    except TooLate as error:
        findings["late"] = error.message.splitlines()[0]
    findings["console"] = list(complaints)
    complaints.clear()
    return findings


def _save(page: Any, path: Path) -> None:
    """Save a screenshot of the full page, whose content is in a scrolling container."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = page.viewport_size
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size(size | {"height": max(height, size["height"])})
    wait_until_settled(page)
    page.screenshot(path=path)
    page.set_viewport_size(size)
    wait_until_settled(page)


def violations_of(page: Any) -> list[tuple[str, str]]:
    """Return the serious and critical violations that axe reports on ``page``, as (rule, element)."""
    # A tooltip has low contrast while it fades out.
    page.mouse.move(0, 0)
    page.wait_for_function("!document.querySelector('[role=tooltip], [data-testid=stTooltipContent]')")
    page.evaluate(Axe().axe_script)
    violations = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    serious = [violation for violation in violations if violation["impact"] in ("serious", "critical")]
    elements = [(violation["id"], node["html"]) for violation in serious for node in violation["nodes"]]
    return [(rule, html[:200]) for rule, html in elements if STREAMLITS_OWN.get(rule, ("\0",))[0] not in html]


def overflow_of(page: Any, timeout_ms: int = FITS_MS) -> int:
    """Return the number of pixels by which ``page`` is wider than its window."""
    try:
        page.wait_for_function("document.documentElement.scrollWidth <= window.innerWidth", timeout=timeout_ms)
    except TooLate:
        return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return 0


if __name__ == "__main__":
    main()
