"""Load test with simultaneous visitors: ``python -m lab.scripts.sessions --run DIR [--sessions 20]``.

One visitor uses a browser; all others communicate with Streamlit over a websocket. Each visitor opens the dashboard,
visits all pages in the navigation, fetches their images, and uploads five images. A page change ends when the script of
the page ends. Errors are exceptions and error messages on a page, failed requests, and sessions that end early.

The command prints one JSON object with the errors, the median and 95th percentile of the duration of page changes in
seconds, and the memory of the server before the visits, at its maximum, and after the visits. It reports the resident
memory and the part of it that is private to the server. The other part consists of memory-mapped files, such as
libraries and networks compiled by OpenVINO, which processes share and which the operating system can discard.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import psutil

from lab.devtools.browser import UPLOAD_FIELD, browser, open_page, served, upload_to
from lab.devtools.commands import add_run, machine, median_and_p95, parser_of
from lab.devtools.scenes import scene
from lab.devtools.visitor import Visitor, dropped, request, upload, visiting
from probing_core.images import encode_png

FAREWELL_S = 20.0
"""Time in seconds between the end of the last session and the measurement of memory."""


@dataclass
class Tally:
    """Results of all sessions. Threads append their results."""

    changes: list[float] = field(default_factory=list)
    uploads: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def main() -> None:
    parser = parser_of(__doc__)
    add_run(parser)
    parser.add_argument("--sessions", type=int, default=20, help="sessions, including one browser (default 20)")
    options = parser.parse_args()
    print(json.dumps(measure(options.arguments, options.sessions), indent=1))


def measure(
    arguments: Sequence[str], sessions: int, uploads: int = 5, farewell_s: float = FAREWELL_S
) -> dict[str, Any]:
    """Serve the dashboard, simulate the visitors, and return the report.

    Args:
        arguments: arguments of the dashboard.
        sessions: number of simultaneous sessions, including one browser.
        uploads: number of images that each session uploads.
        farewell_s: time in seconds between the end of the last session and the measurement of memory.
    """
    tally, browsed, first = Tally(), Tally(), Tally()
    with served(arguments) as address:
        server = _server_of(address)
        _walk(address, first, "warm-up", uploads)  # memory is measured with loaded models
        before, finished = _megabytes(server), threading.Event()
        highest = dict(before)
        threading.Thread(target=_watch, args=(server, highest, finished), daemon=True).start()
        started = time.perf_counter()
        with ThreadPoolExecutor(sessions) as pool:
            pool.submit(_browse, address, browsed, uploads)
            for i in range(sessions - 1):
                pool.submit(_walk, address, tally, f"session {i}", uploads)
        took = time.perf_counter() - started
        time.sleep(farewell_s)
        finished.set()
        after = _megabytes(server)
    return {
        "sessions": sessions,
        **machine(),
        "seconds": round(took, 1),
        "errors": [*first.errors, *tally.errors, *browsed.errors],
        "page_change": {"count": len(tally.changes), **median_and_p95(tally.changes)},
        "upload": {"count": len(tally.uploads), **median_and_p95(tally.uploads)},
        "page_change_in_the_browser": {"count": len(browsed.changes), **median_and_p95(browsed.changes)},
        "upload_in_the_browser": {"count": len(browsed.uploads), **median_and_p95(browsed.uploads)},
        "server_mb": {"before": before, "highest": highest, "after": after},
    }


def _server_of(address: str) -> psutil.Process:
    port = int(address.rsplit(":", 1)[1])
    for process in psutil.Process().children(recursive=True):
        if any(c.laddr.port == port and c.status == psutil.CONN_LISTEN for c in process.net_connections()):
            return process
    raise SystemExit(f"error: no server listens on {address}.")


def _megabytes(process: psutil.Process) -> dict[str, int]:
    memory = process.memory_info()
    return {"resident": round(memory.rss / 1e6), "own": round((memory.rss - memory.shared) / 1e6)}


def _watch(process: psutil.Process, highest: dict[str, int], finished: threading.Event) -> None:
    while not finished.wait(0.5):
        highest |= {kind: max(highest[kind], now) for kind, now in _megabytes(process).items()}


def _walk(address: str, tally: Tally, name: str, uploads: int) -> None:
    """Visit all pages as one visitor, without a browser."""
    try:
        with visiting(address) as visitor:
            for page in list(visitor.scripts):
                started = time.perf_counter()
                visitor.visit(page)
                tally.changes.append(time.perf_counter() - started)
                tally.errors += _complaints(address, visitor, f"{name}, /{page}")
                if visitor.uploaders:
                    started = time.perf_counter()
                    _upload(address, visitor, page, uploads)
                    tally.uploads.append(time.perf_counter() - started)
                    tally.errors += _complaints(address, visitor, f"{name}, /{page} with pictures")
    except Exception as error:  # ends only this session and is reported
        tally.errors.append(f"{name}: {type(error).__name__}: {error}")


def _complaints(address: str, visitor: Visitor, where: str) -> list[str]:
    """Return the errors on the visitor's page, including failed requests for images."""
    answers = {picture: request(address, picture).status for picture in visitor.pictures if picture.startswith("/")}
    failed = [f"{status} for {picture}" for picture, status in answers.items() if status != 200]
    complaints = [f"{where}: {what}" for what in (*visitor.exceptions, *visitor.alarms, *failed)]
    visitor.exceptions.clear()
    return complaints


def _upload(address: str, visitor: Visitor, page: str, count: int) -> None:
    """Upload images, and wait until the page has processed them."""
    widget, several = next(iter(visitor.uploaders.items()))
    files = {str(uuid.uuid4()): f"mine{i}.png" for i in range(count if several else 1)}
    state = dropped(widget, *files)
    infos = state.file_uploader_state_value.uploaded_file_info
    for i, (info, (file, name)) in enumerate(zip(infos, files.items(), strict=True)):
        answer = upload(address, visitor.session, encode_png(scene(i, 192)), file, name=name)
        if answer.status >= 300:
            raise RuntimeError(f"An upload failed with status {answer.status}: {answer.text[:200]}")
        info.name = name
    before = visitor.seen, visitor.pictures
    visitor.visit(page, state)
    if (visitor.seen, visitor.pictures) == before:
        raise RuntimeError(f"/{page} does not show the uploaded images.")


def _browse(address: str, tally: Tally, uploads: int) -> None:
    try:
        with visiting(address) as visitor, browser() as chromium:
            page = chromium.new_page(viewport={"width": 1280, "height": 900})
            page.on("pageerror", lambda error: tally.errors.append(f"browser: {error}"))
            for name in visitor.scripts:
                started = time.perf_counter()
                open_page(page, f"{address}/{name}")
                tally.changes.append(time.perf_counter() - started)
                if page.locator(UPLOAD_FIELD).count():
                    started = time.perf_counter()
                    upload_to(page, [encode_png(scene(i, 192)) for i in range(uploads)])
                    tally.uploads.append(time.perf_counter() - started)
                if page.get_by_test_id("stException").count():
                    tally.errors.append(f"browser: an exception on /{name}")
    except Exception as error:  # ends only this session and is reported
        tally.errors.append(f"browser: {type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
