"""Dashboard server and headless Chromium for tests, screenshots and measurements.

Tests use the fixtures ``server`` and ``tab``, which are created once per process, because starting them and compiling
the scripts of a new tab is slow.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from websockets.sync.client import connect

if TYPE_CHECKING:
    from playwright.sync_api import ViewportSize

ROOT = Path(__file__).parents[2]
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = os.environ.get("CHROMIUM") or next((path for name in BROWSERS if (path := shutil.which(name))), "")
"""Path of the browser: the environment variable CHROMIUM, or an installed browser."""

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
"""Options of the browser: headless, without network access, and with a simulated camera."""

UNOPTIMIZED = "--js-flags=--no-opt --no-maglev --min-semi-space-size=64"
"""Options that disable the optimization of scripts, which takes longer than it saves in short tests. Do not use them to
measure response times."""

WINDOW: ViewportSize = {"width": 1280, "height": 900}

Command: TypeAlias = "Callable[..., dict[str, Any]]"
"""Function that sends a command of the Chrome DevTools protocol, and returns its result."""

WAIT_MS = 120_000
POLL_MS = 50
ADDRESSES = {
    "explore": "",
    "models": "models",
    "models-compare": "models?part=compare",
    "models-transformations": "models?part=transformations",
    "models-thresholds": "models?part=transformations&cells=threshold",
    "models-content": "models?part=content",
    "models-claims": "models?part=claims",
    "models-uses": "models?part=uses",
    "models-board": "models?part=board",
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
    "before-and-after": "before-after",
    "evaluate-your-model": "evaluate",
    "transformations": "transformations",
    "transformations-one": "transformations?transform=swirl",
    "methods": "methods",
}
"""Name of a page or tab -> URL of a representative view."""

OWN_404 = ("/_stcore/health", "/_stcore/host-config")
"""Expected console errors: Streamlit first requests these two URLs below the path of the page."""

APP = ROOT / "dashboard" / "app.py"
BY_STREAMLIT = ("streamlit", "run", str(APP), "--server.address={host}", "--server.port={port}")
BY_UVICORN = ("uvicorn", "dashboard.app:app", "--host={host}", "--port={port}")
"""Modules that serve the dashboard, with their arguments."""


@contextlib.contextmanager
def served(
    arguments: Sequence[str] = (),
    host: str = "127.0.0.1",
    by: Sequence[str] = BY_STREAMLIT,
    env: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Serve a dashboard within a context, and yield its URL on this machine.

    Args:
        arguments: arguments of the dashboard.
        host: host name or IP address on which the server listens.
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
                raise RuntimeError(f"The dashboard ended with exit code {process.returncode}.")
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):
                break
            time.sleep(0.2)
        else:
            raise TimeoutError(f"No response from the dashboard at {address}.")
        yield address
    finally:
        process.terminate()
        process.wait(30)


_running = threading.local()


@contextlib.contextmanager
def playwright_of_process() -> Iterator[Any]:
    """Yield Playwright's synchronous API. Each thread can have only one instance, so a running instance is reused."""
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
def uninspected_browser() -> Iterator[Callable[[], contextlib.AbstractContextManager[Command]]]:
    """Yield a function that opens a page with an empty cache, for measuring response times.

    Playwright enables the inspector of V8, with which large scripts take twice as long to load. Here, pages receive
    commands of the Chrome DevTools protocol directly, and only the domains that the caller enables are enabled.
    """
    with tempfile.TemporaryDirectory() as profile:
        port_file = Path(profile, "DevToolsActivePort")
        command = [CHROMIUM, "--headless", *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={profile}"]
        process = subprocess.Popen(
            [*command, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            deadline = time.monotonic() + WAIT_MS / 1000
            while not (port_file.exists() and len(port_file.read_text(encoding="utf-8").split()) == 2):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("Chromium could not be started.")
                time.sleep(0.1)
            port, path = port_file.read_text(encoding="utf-8").split()
            with _commands(f"ws://127.0.0.1:{port}{path}") as send:

                @contextlib.contextmanager
                def new_page() -> Iterator[Command]:
                    context = send("Target.createBrowserContext")
                    page = send("Target.createTarget", url="about:blank", **context, **WINDOW)
                    with _commands(f"ws://127.0.0.1:{port}/devtools/page/{page['targetId']}") as send_to_page:
                        yield send_to_page
                    send("Target.disposeBrowserContext", **context)

                yield new_page
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # the browser may be started by a script
            process.wait(30)


@contextlib.contextmanager
def _commands(address: str) -> Iterator[Command]:
    """Yield a function that sends a command of the Chrome DevTools protocol and returns its result."""
    with connect(address, max_size=None) as connection:
        numbers = itertools.count(1)

        def send(method: str, **parameters: Any) -> dict[str, Any]:
            number = next(numbers)
            connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
            while (message := json.loads(connection.recv(WAIT_MS / 1000))).get("id") != number:
                pass  # an event
            if "error" in message:
                raise RuntimeError(f"{method}: {message['error']['message']}")
            return message["result"]

        yield send


@contextlib.contextmanager
def window(profile: Path) -> Iterator[Any]:
    """Yield a context of headless Chromium that caches compiled scripts in the folder ``profile``.

    Without this cache, loading a page takes three times as long. Reduced motion is enabled, which saves a tenth.
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
    """Browser tab that is reused for successive visitors, because a page takes twice as long to load in a new tab."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self.page = context.pages[0]
        self.complaints = complaints_of(self.page)

    @contextlib.contextmanager
    def visitor(self) -> Iterator[tuple[Any, list[str]]]:
        """Yield the page without data of earlier visitors, and a list of its console errors."""
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
"""Condition that the script has ended, visible content is loaded, and no color transition is running.

Infinite animations, such as spinners, are ignored.
"""


def wait_until_settled(page: Any) -> None:
    """Wait until the page shows the results of its script and no longer changes."""
    page.wait_for_function(AT_REST, polling=POLL_MS, timeout=WAIT_MS)


def open_page(page: Any, address: str) -> None:
    """Open the page at ``address``, and wait until it no longer changes."""
    page.goto(address, wait_until="commit", timeout=WAIT_MS)
    page.get_by_role("heading", level=1).first.wait_for(timeout=WAIT_MS)
    wait_until_settled(page)


WATCHED = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  delete app.dataset.ran;
  window.watcher?.disconnect();
  window.watcher = new MutationObserver(() => {
    if (app.dataset.testScriptState !== 'notRunning') app.dataset.ran = true;  // not the end of an earlier run
  });
  window.watcher.observe(app, {attributes: true, attributeFilter: ['data-test-script-state']});
}"""
RAN = "() => document.querySelector('[data-testid=stApp][data-ran]')"
"""Condition that the script has started since `WATCHED` was run."""


@contextlib.contextmanager
def run_again(page: Any) -> Iterator[None]:
    """Wait at the end of the context until the script has rerun and the page no longer changes."""
    page.evaluate(WATCHED)
    yield
    page.wait_for_function(RAN, polling=POLL_MS, timeout=WAIT_MS)
    wait_until_settled(page)


UPLOAD_FIELD = "[data-testid=stFileUploader] input[type=file]"


def upload_to(page: Any, pictures: Sequence[bytes]) -> None:
    """Upload images to the first upload field of ``page``, or one image if it accepts no more, and wait for the result.

    Args:
        pictures: encoded PNG images.
    """
    field = page.locator(UPLOAD_FIELD).first
    accepted = pictures if field.get_attribute("multiple") is not None else pictures[:1]
    files = [{"name": f"mine{i}.png", "mimeType": "image/png", "buffer": data} for i, data in enumerate(accepted)]
    with run_again(page):
        field.set_input_files(files)


EXPLORER_READY = "() => document.querySelector('.probing-explorer')?.explorer"
"""Condition that the points of the explorer are loaded and drawn."""

COUNTS = "() => document.querySelector('.probing-explorer').explorer.counts()"
SELECTION = "() => document.querySelector('.probing-explorer').explorer.selection()"
"""Expression for the counts and the selection of the explorer."""

LASSO = [(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8), (0.2, 0.25)]
"""Vertices of a lasso, as fractions of the width and height of the map."""


def lasso(page: Any, slot: str, release: bool = True) -> None:
    """Draw a lasso around the center of the map ``slot`` ("a" or "b") with the mouse."""
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
"""Init script that records layout shifts and the elements that moved."""


def jumped(page: Any) -> float:
    """Return the sum of the layout shifts of a page that was opened with `JUMPS`."""
    return page.evaluate("() => window.jumps.reduce((sum, one) => sum + one.value, 0)")


def complaints_of(page: Any) -> list[str]:
    """Return a list to which errors in the console and scripts of ``page`` are appended, except Streamlit's own."""
    complaints: list[str] = []

    def take(message: str) -> None:
        if not any(miss in message for miss in OWN_404):
            complaints.append(message)

    page.on("pageerror", lambda error: take(str(error)))
    page.on("console", lambda m: take(f"{m.text} {m.location.get('url')}") if m.type == "error" else None)
    return complaints
