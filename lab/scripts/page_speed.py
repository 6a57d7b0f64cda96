"""How long visitors wait: ``python -m lab.scripts.page_speed --run DIR [--tries 50]`` prints one JSON object.

Times are seconds in headless Chromium on this machine, as median and 95th percentile over the tries:

- ``first_chart``: from the start of the navigation until the first chart, table or image of the page is drawn, with an
  empty cache; the pages in turn.
- ``opening``: from an address until its page is at rest, by a visitor who has nothing cached; the pages in turn.
- ``page_change``: from the click on a link of the navigation until the other page is at rest; the pages in turn.
- ``selection``: from a click on a tab, or the choice of a model or a transformation, until the page is at rest.
- ``upload``: from handing a picture to the first page that takes one until the page is at rest with its answers.

Times on a busy machine say little; ``load`` is the machine's.
"""

from __future__ import annotations

import itertools
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lab.devtools.browser import (
    WAIT_MS,
    WINDOW,
    browser,
    open_page,
    run_again,
    served,
    uninspected_browser,
    upload_to,
    wait_until_settled,
)
from lab.devtools.commands import add_run, machine, median_and_p95, parser_of
from lab.devtools.scenes import scene
from lab.devtools.visitor import visiting
from probing_core.images import encode_png

Times = Iterator[tuple[str, float]]
TABS = "tabs"
SELECTIONS = (
    ("models", TABS),
    ("generalization", TABS),
    ("generalization", "Model"),
    ("retrieval", "Edit"),
    ("transformations?transform=fog", "Transformation"),
    ("transformations?transform=fog", "Model"),
)
"""Page -> what is changed: its tabs, or the menu with this label."""

OPTIONS = 3
"""Number of options that are chosen in a menu, one after the other."""

DRAWN = """() => [...document.querySelectorAll(
  '.main-svg .trace, .main-svg .hm, svg.marks, .probing-explorer canvas, [data-testid=stMain] img,' +
  '[data-testid=stDataFrame] canvas'
)].some(e => e.checkVisibility() && (e.tagName !== 'IMG' || e.complete))"""
NOTE_FIRST_CHART = f"""(() => {{
  const look = () => {{
    if (({DRAWN})()) window.firstChart = performance.now(); else requestAnimationFrame(look);
  }};
  requestAnimationFrame(look);
}})()"""
"""Script that stores the time in milliseconds from the start of the navigation to the first chart."""


def main() -> None:
    parser = parser_of(__doc__)
    add_run(parser)
    parser.add_argument("--tries", type=int, default=50, help="of each kind (default 50)")
    parser.add_argument("--kinds", default=",".join(KINDS), help="which to measure (default all)")
    options = parser.parse_args()
    print(json.dumps(measure(options.arguments, options.tries, options.kinds.split(",")), indent=1))


def measure(arguments: Sequence[str], tries: int, kinds: Sequence[str]) -> dict[str, Any]:
    """Serve the dashboard with its ``arguments``, measure, and return what is reported."""
    result: dict[str, Any] = {**machine()}
    with served(arguments) as address:
        for kind in kinds:
            times = list(itertools.islice(KINDS[kind](address), tries))
            names = dict.fromkeys(name for name, _ in times)
            medians = {n: round(statistics.median(s for name, s in times if name == n), 3) for n in names}
            result[kind] = {"tries": len(times), **median_and_p95([s for _, s in times]), "medians": medians}
    return result


def _first_charts(address: str) -> Times:
    with uninspected_browser() as new_page:
        for name in itertools.cycle(_pages(address)):
            with new_page() as send:
                send("Page.enable")
                send("Page.addScriptToEvaluateOnNewDocument", source=NOTE_FIRST_CHART)
                send("Page.navigate", url=f"{address}/{name}")
                deadline, seconds = time.monotonic() + WAIT_MS / 1000, None
                while seconds is None and time.monotonic() < deadline:
                    time.sleep(0.25)  # the page is not disturbed
                    seconds = send("Runtime.evaluate", expression="window.firstChart")["result"].get("value")
            if seconds is None:
                raise TimeoutError(f"/{name} has shown no chart, table or image.")
            yield name or "first page", seconds / 1000


def _openings(address: str) -> Times:
    with browser() as chromium:
        for name in itertools.cycle(_pages(address)):
            page = chromium.new_page(viewport=WINDOW)  # in a context of its own, without a cache
            started = time.perf_counter()
            open_page(page, f"{address}/{name}")
            yield name or "first page", time.perf_counter() - started
            page.close()


def _page_changes(address: str) -> Times:
    with browser() as chromium:
        page = chromium.new_page(viewport=WINDOW)
        open_page(page, address)
        first, *other_pages = _pages(address)
        for name in itertools.cycle([*other_pages, first]):
            page.wait_for_timeout(1000)  # a visitor looks at the page first
            link = page.locator(f'a[href="{address}/{name}"], a[href="/{name}"]').first
            link.hover()
            started = time.perf_counter()
            link.click()
            page.wait_for_url(f"{address}/{name}*", timeout=WAIT_MS)
            wait_until_settled(page)
            yield name or "first page", time.perf_counter() - started


def _selections(address: str) -> Times:
    with browser() as chromium:
        page = chromium.new_page(viewport=WINDOW)
        for path, label in itertools.cycle(SELECTIONS):
            open_page(page, f"{address}/{path}")
            for act in _tabs(page) if label == TABS else _options(page, label):
                page.wait_for_timeout(500)  # a visitor looks at the page first
                with run_again(page):
                    started = time.perf_counter()
                    act()
                yield f"{path}: {label}", time.perf_counter() - started


def _tabs(page: Any) -> Iterator[Callable[[], None]]:
    """Yield functions that open the tabs of ``page`` in turn, except the first."""
    for number in range(1, page.get_by_role("tab").count()):
        yield page.get_by_role("tab").nth(number).click


def _options(page: Any, label: str) -> Iterator[Callable[[], None]]:
    """Yield functions that choose other options in the menu ``label`` of ``page``."""
    for _ in range(OPTIONS):
        page.get_by_role("combobox", name=label).first.click()
        page.keyboard.press("ArrowDown")
        page.wait_for_timeout(500)
        yield lambda: page.keyboard.press("Enter")


def _uploads(address: str) -> Times:
    with browser() as chromium:
        with visiting(address) as visitor:
            path = next(name for name in list(visitor.scripts) if visitor.visit(name) is not None and visitor.uploaders)
        for i in itertools.count():
            page = chromium.new_page(viewport=WINDOW)
            open_page(page, f"{address}/{path}")
            started = time.perf_counter()
            upload_to(page, [encode_png(scene(i, 192))])
            seconds = time.perf_counter() - started
            page.close()
            if i:  # the first loads the models
                yield path, seconds


def _pages(address: str) -> list[str]:
    with visiting(address) as visitor:
        return list(visitor.scripts)


KINDS: dict[str, Callable[[str], Times]] = {
    "first_chart": _first_charts,
    "opening": _openings,
    "page_change": _page_changes,
    "selection": _selections,
    "upload": _uploads,
}


if __name__ == "__main__":
    main()
