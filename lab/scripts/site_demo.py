"""Add the live demo to the documentation site: the shared file of the reference run (``make site``).

    python -m lab.scripts.site_demo [--site build/site]
    python -m lab.scripts.site_demo --check URL

The demo is one HTML file that works without a server. It begins with a tour of four questions. With ``--check``, the
site at URL is opened in a browser instead: from its first page to the demo and its second question.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lab.devtools.browser import browser, complaints_of
from lab.devtools.commands import parser_of
from probing_core.results import Run
from probing_core.results.explorer import SharedFile, write_shared_file
from probing_core.results.run import open_run
from probing_core.run.progress import final_report, terminal

ROOT = Path(__file__).resolve().parents[2]
DEMO = "live-demo.html"
"""Path of the demo in the site. docs/index.md and docs/demo.md link to it."""

TRANSFORM = "fog"
"""Transformation that the tour asks about."""


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--site", type=Path, default=ROOT / "build" / "site", help="folder of the site")
    parser.add_argument("--check", metavar="URL", help="open the demo of a published site instead of writing it")
    options = parser.parse_args()
    if options.check is None:
        print(write_demo(open_run(), options.site))
        return
    with browser() as chromium:
        print(answer_of(chromium, options.check))


def write_demo(run: Run, site: Path) -> SharedFile:
    """Write the shared file of ``run`` with its tour into the folder ``site``."""
    progress = terminal()
    with final_report(progress):
        return write_shared_file(
            run,
            site / DEMO,
            announce=progress.note,
            progress=lambda completed, total: progress.update("demo", completed, total, "Adding images"),
            tour=TRANSFORM,
        )


def answer_of(chromium: Any, address: str) -> str:
    """Open the demo from the first page of the site at ``address``, and return the answer to the second question.

    Raises:
        SystemExit: the page requested something from elsewhere, reported an error, or shows samples other than those
            that it counts.
    """
    page = chromium.new_page()
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    complaints = complaints_of(page)
    page.goto(address)
    page.locator(f'a[href="{DEMO}"]').first.click()
    page.wait_for_function("() => window.explorer")
    everything = page.evaluate("() => explorer.counts().n")
    page.get_by_role("button", name="Start the tour").click()
    page.get_by_role("button", name="Next", exact=True).click()
    answer = str(page.locator("[data-tour] p").inner_text())
    page.wait_for_function("(all) => explorer.counts().n < all", arg=everything)
    found = re.search(r"\((\d+) of [\d,]+ samples\)", answer)
    page.wait_for_function("(n) => explorer.counts().n === n", arg=int(found[1]) if found else -1)
    elsewhere = [url for url in requested if not url.startswith((address, "blob:", "data:"))]
    page.close()
    if elsewhere or complaints:
        raise SystemExit(f"error: The demo at {address} is not self-contained: {[*elsewhere, *complaints]}")
    return answer


if __name__ == "__main__":
    main()
