"""Pictures of every page for the documentation: ``python scripts/screenshots.py [--run DIR] [--out docs/screenshots]``.

Serves the dashboard, opens every page in headless Chromium and writes one PNG each: by default of the reference run, in
light, without the tour, as the documentation shows them. `--themes light,dark --width 390` takes those of a phone, too.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the browser's helpers live with the tests

from dashboard.components.tour import COOKIE  # noqa: E402
from probing_core.paths import reference_run  # noqa: E402
from tests.dashboard.browser import ADDRESSES, WAIT_MS, browser, served, settle  # noqa: E402

DRAWN_MS = 2500
DRAWN = """!document.querySelector('[data-testid=stSkeleton]') && [...document.querySelectorAll('.probing-plot')]
  .filter((plot) => plot.getBoundingClientRect().top < innerHeight && plot.clientWidth)
  .every((plot) => plot.querySelector('.main-svg'))
  && [...document.querySelectorAll('.probing-map')].every((map) => map.dataset.points)"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default=reference_run(), help="the run to show (default: the reference run)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshots")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=1100)
    parser.add_argument("--themes", default="light")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with served(["--run", str(options.run)]) as address, browser() as chromium:
        for theme in options.themes.split(","):
            size = {"width": options.width, "height": options.height}
            context = chromium.new_context(viewport=size, color_scheme=theme)
            context.add_cookies([{"name": COOKIE, "value": "closed", "url": address}])
            for name, path in ADDRESSES.items():
                page = context.new_page()
                page.goto(f"{address}/{path}")
                page.get_by_role("heading", level=1).first.wait_for()
                drawn(page)
                file = options.out / f"{name}-{theme}.png"
                page.screenshot(path=file)
                print(file)
                page.close()


def drawn(page: Any) -> None:
    """Waits until all charts and maps in sight are there."""
    settle(page)
    page.wait_for_timeout(DRAWN_MS)  # elements come in turns
    page.wait_for_function(DRAWN, timeout=WAIT_MS)


if __name__ == "__main__":
    main()
