"""How long visitors wait: ``python -m lab.scripts.page_speed --run DIR [--tries 50]`` prints one JSON object.

Times are seconds in headless Chromium on this machine, as median and 95th percentile over the tries:

- ``first_page``: from the moment that a fresh server answers until its first page is there, in a fresh browser.
- ``first_charts``: the same, until every chart of that page that is in sight is drawn.
- ``first_screen``: from the click in the navigation until what the window shows of the other page is there: its
  heading, and the charts, maps and pictures in sight, drawn; the pages in turn. What lies below, and models that are
  asked, may still be on their way, and the page can be used meanwhile.
- ``page_change``: the same until the other page is there as a whole. On Explore and Scan that includes the answers of
  their models, which are loaded at the first visit.
- ``explore``: Explore as the second page of a fresh server, whose models were never loaded: from the click until its
  first screen is there, until the first model has answered, and until all have.
- ``control``: from the click on a choice until the page shows what follows from it; one of each page's in turn.
- ``upload``: from handing a photograph to Try your images, the models loaded, until the verdict and the first answers
  are there, and until every model of the run has answered. The page has been open for two seconds: nobody finds a
  picture sooner.
- ``selection``: from the end of a lasso on a map of 10,240 points (a made run) until its pictures are there.

A page is there as a whole when its heading is and the script has ended; charts out of sight are drawn later, by
themselves. ``first_charts`` waits for charts in sight, too, and a control is answered when the browser has painted what
changed. Times on a busy machine say little; ``load`` tells.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dashboard.data.map_points import COLORING_NAMES
from dashboard.data.two_classes import ALL, TWO

from dashboard.text import PAGES
from dashboard.widgets.pickers import TASK_NAMES
from lab.devtools.browser import POINTS_DRAWN, WAIT_MS, browser, served, settle
from lab.devtools.commands import median_and_p95
from lab.devtools.drawing import draw
from lab.devtools.made_run import make_run
from probing_core.corpora import open_corpus
from probing_core.images import encode_png
from probing_core.results import Run, find_runs

OVERVIEW = "What does your image embedding know?"
HEADINGS = {page.title: page.title for under in PAGES.values() for page in under if page.address} | {
    "Overview": OVERVIEW
}
"""Page -> its heading, in the order in which they are opened after the first."""


@dataclass(frozen=True)
class Control:
    """A choice on a page.

    Attributes:
        path: of the page, with what it needs to show something.
        name: of the choice in the address.
        options: value in the address -> words on the page, in turn; none is the one before.
        box: the label of a list that opens; without one, all options are in sight.
    """

    path: str
    name: str
    options: dict[str, str]
    box: str = ""


TRANSFORMS = {"fog": "weather · fog", "jpeg": "codec · jpeg", "swirl": "geometry · swirl"}
CONTROLS = (
    Control("", "task", {name: TASK_NAMES[name] for name in ("group-0", "content", "fine")}, "Task"),
    Control("explore", "transform", TRANSFORMS, "Transformation"),
    Control("map", "color", {n: COLORING_NAMES.get(n, n) for n in ("correct", "strength", "transform", "group")}),
    Control("confusion", "compare", {TWO: TWO, ALL: ALL}),
    Control("generalization", "rotation", {n: TASK_NAMES[n] for n in ("group-1", "group-2", "group-0")}, "Rotation"),
    Control("geometry", "whose", {"all": "all models", "one": "one model"}),
    Control("try?samples=chelsea/00", "question", {"group": "which group?", "fine": "which transformation?"}),
    Control("transformations", "transform", TRANSFORMS, "Transformation"),
)
CHOSEN = "([name, value]) => new URLSearchParams(location.search).get(name) === value"

DRAWN = """() => {
  const plots = [...document.querySelectorAll('.probing-plot')];
  const inSight = plots.filter((plot) => plot.clientWidth && plot.getBoundingClientRect().top < window.innerHeight);
  return inSight.length && inSight.every((plot) => plot.querySelector('.main-svg'));
}"""
FIRST_SCREEN = """() => {
  const find = (selector) => [...document.querySelectorAll(selector)];
  const box = (part) => part.getBoundingClientRect();
  const inSight = (part) => part.clientWidth && box(part).top < window.innerHeight && box(part).bottom > 0;
  const seen = (selector) => find(selector).filter(inSight);
  const ended = document.querySelector('[data-testid=stApp][data-test-script-state=notRunning]');
  const full = find('[data-testid=stElementContainer]').some((part) => box(part).bottom >= window.innerHeight);
  return (ended || full || find('.awaited').length)
    && !seen('[data-testid=stSkeleton]').length
    && seen('.probing-plot').every((plot) => plot.querySelector('.main-svg'))
    && seen('.probing-map').every((map) => map.dataset.points)
    && seen('img').every((image) => image.complete);
}"""
"""What is in sight is drawn, and fills the window, or nothing more comes but the answers of models."""

PAINTED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
MADE_POINTS = "10,240"
ANSWERS = ".answers tbody tr:nth-child(1) td:last-child"
ANSWERED = f".st-key-answer {ANSWERS}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", help="the run to open; by default the first that the dashboard finds")
    parser.add_argument("--tries", type=int, default=50, help="of each kind (default 50)")
    parser.add_argument("--kinds", default=",".join(kinds()), help="which to measure (default all)")
    parser.add_argument("--pages", default=",".join(HEADINGS), help="those to change between (default all)")
    options = parser.parse_args()
    arguments = ["--run", options.run] if options.run else []
    result: dict[str, Any] = {"cores": len(os.sched_getaffinity(0)), "load": os.getloadavg()[0]}
    measured = kinds({name: HEADINGS[name] for name in options.pages.split(",")})
    for kind in options.kinds.split(","):
        result[kind] = _summary(list(itertools.islice(measured[kind](arguments), options.tries)))
    print(json.dumps(result, indent=1))


def _summary(times: list[tuple[str, float]]) -> dict[str, Any]:
    names = dict.fromkeys(name for name, _ in times)
    return {
        "tries": len(times),
        **median_and_p95([s for _, s in times]),
        "medians": {n: round(statistics.median(s for name, s in times if name == n), 3) for n in names},
        "slowest": {n: round(max(s for name, s in times if name == n), 3) for n in names},
    }


def _click(page: Any, target: Any) -> Callable[[], None]:
    """Moves the pointer to ``target``, so that what is timed begins with the click itself."""
    target.hover()
    return lambda: (page.mouse.down(), page.mouse.up())  # type: ignore[return-value]


def _timed(act: Callable[[], None], wait: Callable[[], None]) -> float:
    started = time.perf_counter()
    act()
    wait()
    return time.perf_counter() - started


def _first_pages(arguments: list[str], charts: bool = False) -> Iterator[tuple[str, float]]:
    while True:
        with browser() as chromium, served(arguments) as address:
            page = chromium.new_page(viewport={"width": 1280, "height": 900})

            def there(page: Any = page) -> None:
                page.get_by_role("heading", name=OVERVIEW, level=1).wait_for(timeout=WAIT_MS)
                settle(page)
                if charts:
                    page.wait_for_function(DRAWN, timeout=WAIT_MS)

            yield "first page", _timed(lambda page=page, address=address: page.goto(address), there)  # type: ignore[misc]


def _page_changes(arguments: list[str], pages: dict[str, str], whole: bool) -> Iterator[tuple[str, float]]:
    with served(arguments) as address, browser() as chromium:
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        page.goto(address)
        page.get_by_role("heading", name=OVERVIEW, level=1).wait_for(timeout=WAIT_MS)
        settle(page)
        page.wait_for_timeout(5000)  # a visitor reads the first page
        for name, heading in itertools.cycle(pages.items()):
            link = page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True)

            def there(heading: str = heading) -> None:
                page.get_by_role("heading", name=heading, exact=True, level=1).wait_for(timeout=WAIT_MS)
                settle(page) if whole else page.wait_for_function(FIRST_SCREEN, timeout=WAIT_MS)

            yield name, _timed(_click(page, link), there)
            settle(page)
            page.wait_for_timeout(1000)


def _explore(arguments: list[str]) -> Iterator[tuple[str, float]]:
    while True:
        with served(arguments) as address, browser() as chromium:
            page = chromium.new_page(viewport={"width": 1280, "height": 900})
            page.goto(address)
            page.get_by_role("heading", name=OVERVIEW, level=1).wait_for(timeout=WAIT_MS)
            settle(page)
            page.wait_for_timeout(5000)
            link = page.get_by_test_id("stSidebarNav").get_by_role("link", name="Explore", exact=True)
            started = time.perf_counter()

            def there(page: Any = page) -> None:
                page.get_by_role("heading", name="Explore", exact=True, level=1).wait_for(timeout=WAIT_MS)
                page.wait_for_function(FIRST_SCREEN, timeout=WAIT_MS)

            yield "first screen", _timed(_click(page, link), there)
            page.locator(ANSWERS).first.wait_for(state="attached", timeout=WAIT_MS)
            yield "first answer", time.perf_counter() - started
            settle(page)
            yield "all answers", time.perf_counter() - started


def _controls(arguments: list[str]) -> Iterator[tuple[str, float]]:
    with served(arguments) as address, browser() as chromium:
        for control in itertools.cycle(CONTROLS):
            page = chromium.new_page(viewport={"width": 1280, "height": 900})
            page.goto(f"{address}/{control.path}")
            page.get_by_role("heading", level=1).first.wait_for(timeout=WAIT_MS)
            settle(page)
            page.wait_for_timeout(5000)  # a visitor looks at the page first
            for value, words in control.options.items():
                if control.box:
                    page.get_by_role("combobox", name=control.box).first.click()
                    page.keyboard.type(words)
                    target = page.get_by_role("option", name=words, exact=True)
                else:
                    target = page.get_by_role("radio", name=words, exact=True)

                def there(page: Any = page, control: Control = control, value: str = value) -> None:
                    page.wait_for_function(CHOSEN, arg=[control.name, value], timeout=WAIT_MS)
                    settle(page)
                    page.evaluate(PAINTED)

                yield f"{control.path.partition('?')[0]}: {control.name}", _timed(_click(page, target), there)
                page.wait_for_timeout(1000)
            page.close()


def _uploads(arguments: list[str]) -> Iterator[tuple[str, float]]:
    run = Run.open(arguments[1] if arguments else find_runs()[0].path)
    photographs = open_corpus("photos")
    with served(arguments) as address, browser() as chromium:
        # The first is a warm-up: it loads the models.
        for i, image_id in enumerate(itertools.cycle(photographs.rows["image_id"])):
            page = chromium.new_page(viewport={"width": 1280, "height": 900})
            page.goto(f"{address}/try?models={','.join(run.models['name'])}")
            page.get_by_role("heading", name="Try your images", level=1).wait_for(timeout=WAIT_MS)
            settle(page)
            page.wait_for_timeout(2000)
            # Another border each time: the same picture would be remembered.
            picture = photographs.load(image_id)[i // 200 :]
            file = {"name": f"mine{i}.png", "mimeType": "image/png", "buffer": encode_png(picture)}
            field = page.locator("input[type=file]").first

            def first(page: Any = page, i: int = i) -> None:
                page.get_by_text(f"mine{i}.png, ").wait_for(timeout=WAIT_MS)
                # Attached: rows of models that do not alarm are folded.
                page.locator(ANSWERED).first.wait_for(state="attached", timeout=WAIT_MS)

            started = time.perf_counter()
            seconds = _timed(lambda field=field, file=file: field.set_input_files([file]), first)  # type: ignore[misc]
            settle(page)
            every = time.perf_counter() - started
            page.close()
            if i:
                yield "verdict and first answers", seconds
                yield "all answers", every


def _selections(_: list[str]) -> Iterator[tuple[str, float]]:
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(folder) / "large", views=20, repetitions=2)
        with served(["--run", str(run)]) as address, browser() as chromium:
            while True:
                page = chromium.new_page(viewport={"width": 1280, "height": 900})
                page.goto(f"{address}/map?models=zoo/mae&color=group")
                page.get_by_text(f"{MADE_POINTS} of {MADE_POINTS} samples shown").wait_for(timeout=WAIT_MS)
                settle(page)
                page.wait_for_function(POINTS_DRAWN, timeout=WAIT_MS)
                draw(page, "map")

                def there(page: Any = page) -> None:
                    page.get_by_text("Pictures 1 to 24 of").wait_for(timeout=WAIT_MS)
                    settle(page)

                yield "lasso", _timed(lambda page=page: page.mouse.up(), there)  # type: ignore[misc]
                page.close()


def kinds(pages: dict[str, str] = HEADINGS) -> dict[str, Callable[[list[str]], Iterator[tuple[str, float]]]]:
    """What can be measured, by name; ``pages`` are those to change between."""
    return {
        "first_page": _first_pages,
        "first_charts": partial(_first_pages, charts=True),
        "first_screen": partial(_page_changes, pages=pages, whole=False),
        "page_change": partial(_page_changes, pages=pages, whole=True),
        "explore": _explore,
        "control": _controls,
        "upload": _uploads,
        "selection": _selections,
    }


if __name__ == "__main__":
    main()
