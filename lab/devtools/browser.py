"""A served dashboard and a headless Chromium, for tests, screenshots and measurements.

Tests get both from the fixtures ``server`` and ``tab``, one per process: starting them, and compiling scripts for every
tab again, takes long.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import ViewportSize

ROOT = Path(__file__).parents[2]
CHROMIUM = os.environ.get("CHROMIUM") or next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
"""The browser's program: the one that the variable names, or the system's."""

IN_BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine (apt-get install chromium)"),
]

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]
"""Headless, without a network, with a camera that shows a test picture."""

UNOPTIMIZED = "--js-flags=--no-opt --no-maglev --min-semi-space-size=64"
"""Scripts run as they are first compiled, with room for what they throw away: a test looks at a page for a second or
two, and to optimize its scripts takes longer than that saves. Not for measurements of waits."""

WINDOW: ViewportSize = {"width": 1280, "height": 900}

WAIT_MS = 120_000
POLL_MS = 50
ADDRESSES = {
    "explore": "",
    "models": "models",
    "models-transformations": "models?part=transformations",
    "models-thresholds": "models?part=transformations&cells=threshold",
    "models-content": "models?part=content",
    "models-claims": "models?part=claims",
    "models-uses": "models?part=uses",
    "layers": "layers",
    "generalization": "generalization",
    "generalization-styles": "generalization?part=styles",
    "generalization-variance": "generalization?part=variance",
    "generalization-shift": "generalization?part=shift",
    "retrieval": "retrieval",
    "retrieval-search": "retrieval?part=search",
    "retrieval-duplicates": "retrieval?part=duplicates",
    "try-your-images": "try?samples=chelsea/00&show-change=True&transform=jpeg",
    "try-a-folder": "try?part=folder",
    "try-you-against-the-models": "try?part=game&game=1",
    "evaluate-your-model": "evaluate",
    "transformations": "transformations",
    "transformations-one": "transformations?transform=swirl",
    "methods": "methods",
}
"""A representative view of each page and tab."""

OWN_404 = ("/_stcore/health", "/_stcore/host-config")
"""Streamlit looks for its server below a page's path first, which gives these two errors."""

APP = ROOT / "dashboard" / "app.py"
BY_STREAMLIT = ("streamlit", "run", str(APP), "--server.address={host}", "--server.port={port}")
BY_UVICORN = ("uvicorn", "dashboard.app:app", "--host={host}", "--port={port}")
"""Two ways to serve the dashboard, as modules with their arguments."""


@contextlib.contextmanager
def served(
    arguments: Sequence[str] = (),
    host: str = "127.0.0.1",
    by: Sequence[str] = BY_STREAMLIT,
    env: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Yield the address, on this machine, of a dashboard that is served while the context lasts.

    Args:
        arguments: of the dashboard's own.
        host: what it listens on.
        env: additional environment variables.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", *(argument.format(host=host, port=port) for argument in by)]
    command += ["--", *arguments] if arguments else []
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, env=os.environ | dict(env or {}))
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            if process.poll() is not None:
                raise RuntimeError(f"The dashboard ended with {process.returncode}.")
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):
                break
            time.sleep(0.2)
        else:
            raise TimeoutError(f"No dashboard answers at {address}.")
        yield address
    finally:
        process.terminate()
        process.wait(30)


_running = threading.local()


@contextlib.contextmanager
def playwright_of_process() -> Iterator[Any]:
    """Yield Playwright's synchronous interface, of which a thread can have one: the running one, or a new one."""
    from playwright.sync_api import sync_playwright

    if (running := getattr(_running, "playwright", None)) is not None:
        yield running
        return
    with sync_playwright() as playwright:
        _running.playwright = playwright
        try:
            yield playwright
        finally:
            _running.playwright = None


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    with playwright_of_process() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM or None, args=FLAGS, timeout=WAIT_MS)
        yield started
        started.close()


@contextlib.contextmanager
def window(profile: Path) -> Iterator[Any]:
    """Yield a context of headless Chromium that keeps what it has compiled in the folder ``profile``.

    Contexts of its ``browser`` start empty: there, a page takes three times as long. The visitor's system asks for
    reduced motion, which takes a tenth less.
    """
    with playwright_of_process() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=CHROMIUM or None,
            args=[*FLAGS, UNOPTIMIZED],
            timeout=WAIT_MS,
            viewport=WINDOW,
            reduced_motion="reduce",
        )
        context.set_default_timeout(WAIT_MS)
        yield context
        context.close()


class Tab:
    """The tab of a window, for one visitor after another: a page in a new one takes twice as long."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self.page = context.pages[0]
        self.complaints = complaints_of(self.page)

    @contextlib.contextmanager
    def visitor(self) -> Iterator[tuple[Any, list[str]]]:
        """Yield the page, without traces of an earlier visitor, and its complaints meanwhile."""
        assert self.page.url == "about:blank", "one visitor at a time"
        self.page.set_viewport_size(WINDOW)
        self.page.emulate_media(color_scheme="light", media="screen")
        self.page.mouse.move(0, 0)
        self.complaints.clear()
        try:
            yield self.page, self.complaints
        finally:
            self.page.unroute_all(behavior="ignoreErrors")
            self.page.goto("about:blank")  # nothing goes on beside other tests
            self.context.clear_permissions()
            self.context.set_storage_state({"cookies": [], "origins": []})


AT_REST = """() => {
  const find = (selector) => [...document.querySelectorAll(selector)];
  return document.querySelector('[data-testid=stApp][data-test-script-state=notRunning]')
    && !document.querySelector('[data-testid=stSkeleton]')
    && find('[data-testid=stVegaLiteChart]').every((place) => !place.clientWidth || place.querySelector('canvas, svg'))
    && find('.stPlotlyChart').every((place) => !place.clientWidth || place.querySelector('.main-svg'))
    && find('.probing-explorer').every((place) => place.explorer || place.textContent)
    && find('img').every((image) => image.complete)
    && document.fonts.status === 'loaded'
    && !document.getAnimations().some((each) => each.playState === 'running'
      && Number.isFinite(each.effect.getComputedTiming().endTime));
}"""
"""The script has run; visible content is loaded, and no color is in transition.

Endless animations, which show that something is computed, are ignored.
"""


def wait_until_settled(page: Any) -> None:
    """Wait until the page shows what its script made, and no longer changes."""
    page.wait_for_function(AT_REST, polling=POLL_MS, timeout=WAIT_MS)


WATCHED = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  delete app.dataset.ran;
  window.watcher?.disconnect();
  window.watcher = new MutationObserver(() => { app.dataset.ran = true; });
  window.watcher.observe(app, {attributes: true, attributeFilter: ['data-test-script-state']});
}"""
RAN = "() => document.querySelector('[data-testid=stApp][data-ran]')"
"""The script has begun since the page was `WATCHED`."""


@contextlib.contextmanager
def run_again(page: Any) -> Iterator[None]:
    """Wait at the end of the context until the script has run again, and the page is at rest."""
    page.evaluate(WATCHED)
    yield
    page.wait_for_function(RAN, polling=POLL_MS, timeout=WAIT_MS)
    wait_until_settled(page)


EXPLORER_READY = "() => document.querySelector('.probing-explorer')?.explorer"
"""The points of the explorer are loaded and drawn."""

COUNTS = "() => document.querySelector('.probing-explorer').explorer.counts()"
SELECTION = "() => document.querySelector('.probing-explorer').explorer.selection()"
"""Counts of the explorer, and its selection."""

LASSO = [(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8), (0.2, 0.25)]
"""Corners of a lasso, as fractions of the width and height of the map."""


def lasso(page: Any, slot: str, release: bool = True) -> None:
    """Draw a lasso around the middle of the map ``slot`` ("a" or "b") with the pointer."""
    plane = page.locator(f".px-map-{slot} .px-plane")
    plane.scroll_into_view_if_needed()
    box = plane.bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in LASSO]
    page.mouse.move(*at[0])
    page.mouse.down()
    for place in at[1:]:
        page.mouse.move(*place, steps=4)
    if release:
        page.mouse.up()


JUMPS = """
if (!window.jumps) {
  window.jumps = [];
  new PerformanceObserver((list) => window.jumps.push(...list.getEntries().map((one) => ({
    value: one.value,
    what: one.sources.map(({node}) => node?.getAttribute?.('data-testid') || node?.className || node?.nodeName),
  })))).observe({type: 'layout-shift', buffered: true});
}
"""
"""Script for pages that are opened later: each records its layout shifts, with what moved."""


def jumped(page: Any) -> float:
    """Return the sum of the layout shifts of a page that was opened with `JUMPS`."""
    return page.evaluate("() => window.jumps.reduce((sum, one) => sum + one.value, 0)")


def complaints_of(page: Any) -> list[str]:
    """Return a list that collects what the console and the scripts of ``page`` complain about, except Streamlit's
    own."""
    complaints: list[str] = []

    def take(message: str) -> None:
        if not any(miss in message for miss in OWN_404):
            complaints.append(message)

    page.on("pageerror", lambda error: take(str(error)))
    page.on("console", lambda m: take(f"{m.text} {m.location.get('url')}") if m.type == "error" else None)
    return complaints
