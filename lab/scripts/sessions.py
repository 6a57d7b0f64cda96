"""Many visitors at once: ``python -m lab.scripts.sessions --run DIR [--sessions 20]`` prints one JSON object.

Each session below the browser speaks Streamlit's own protocol over a websocket: it opens the dashboard, walks all
pages, fetches the points of a large map, uploads five pictures on Try your images and waits for the answers; one real
browser, with WebGL in software, does the same meanwhile. ``python -m lab.evidence.large_run`` makes a run with a large
map.
Reported are the errors, the page changes as median and 95th percentile in seconds, and the memory of the server before,
at its highest, and after everybody has gone.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil
from PIL import Image

from lab.devtools.browser import ADDRESSES, POINTS_DRAWN, WAIT_MS, WEBGL, browser, served, settle
from lab.devtools.visitor import Visitor, dropped, request, upload, visiting
from lab.devtools.waits import median_and_p95

UPLOADS = 5
FAREWELL_S = 20
"""After the last session has gone, before memory is looked at."""


@dataclass
class Tally:
    """What all sessions met; filled by threads, each appending alone."""

    changes: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", help="the run to open; by default the first that the dashboard finds")
    parser.add_argument("--sessions", type=int, default=20, help="at once, one browser among them (default 20)")
    options = parser.parse_args()
    tally, browsed = Tally(), Tally()
    with served(["--run", options.run] if options.run else []) as address:
        server = _server_of(address)
        _walk(address, Tally(), "warm-up")  # memory before: with the models loaded once
        before, highest, done = _megabytes(server), [0.0], threading.Event()
        threading.Thread(target=_watch, args=(server, highest, done), daemon=True).start()
        started = time.perf_counter()
        with ThreadPoolExecutor(options.sessions) as pool:
            pool.submit(_browse, address, browsed)
            for i in range(options.sessions - 1):
                pool.submit(_walk, address, tally, f"session {i}")
        took = time.perf_counter() - started
        time.sleep(FAREWELL_S)
        done.set()
        after = _megabytes(server)
    report = {
        "sessions": options.sessions,
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "seconds": round(took, 1),
        "errors": [*tally.errors, *browsed.errors],
        "page_change": {"count": len(tally.changes), **median_and_p95(tally.changes)},
        "page_change_in_the_browser": {"count": len(browsed.changes), **median_and_p95(browsed.changes)},
        "server_mb": {"before": round(before), "highest": round(highest[0]), "after": round(after)},
    }
    print(json.dumps(report, indent=1))


def _server_of(address: str) -> psutil.Process:
    port = int(address.rsplit(":", 1)[1])
    for process in psutil.Process().children(recursive=True):
        if any(c.laddr.port == port and c.status == psutil.CONN_LISTEN for c in process.net_connections()):
            return process
    raise SystemExit(f"error: no server listens on {address}.")


def _megabytes(process: psutil.Process) -> float:
    return process.memory_info().rss / 1e6


def _watch(process: psutil.Process, highest: list[float], done: threading.Event) -> None:
    while not done.wait(0.5):
        highest[0] = max(highest[0], _megabytes(process))


def _walk(address: str, tally: Tally, name: str) -> None:
    """Walk through all pages without a browser, as one visitor with five pictures."""
    try:
        with visiting(address) as visitor:
            for page, path in ADDRESSES.items():
                started = time.perf_counter()
                where, _, query = path.partition("?")
                visitor.visit(where, query=query)
                for points in visitor.points:
                    request(address, points)
                tally.changes.append(time.perf_counter() - started)
                if page == "try-your-images":
                    tally.errors += [f"{name}: {error}" for error in _upload(address, visitor, where, query)]
            tally.errors += [f"{name}: {error}" for error in visitor.exceptions]
    except Exception as error:  # the boundary of a session: the others go on, and the report tells
        tally.errors.append(f"{name}: {type(error).__name__}: {error}")


def _upload(address: str, visitor: Visitor, page: str, query: str) -> list[str]:
    """Upload pictures and wait for what the page says of them; return what is missing."""
    files = {str(uuid.uuid4()): f"mine{i}.png" for i in range(UPLOADS)}
    state = dropped(visitor.widgets["Your pictures"], *files)
    stated = state.file_uploader_state_value.uploaded_file_info
    for i, (info, (file, name)) in enumerate(zip(stated, files.items(), strict=True)):
        upload(address, visitor.session, _picture(i), file, name=name)
        info.name = name
    words = visitor.visit(page, state, query=query)
    return [f"no answer for {name}" for name in files.values() if name not in words]


def _browse(address: str, tally: Tally) -> None:
    try:
        with browser(WEBGL) as chromium:
            page = chromium.new_page(viewport={"width": 1280, "height": 900})
            page.on("pageerror", lambda error: tally.errors.append(f"browser: {error}"))
            for name, path in ADDRESSES.items():
                started = time.perf_counter()
                page.goto(f"{address}/{path}", timeout=WAIT_MS)
                page.get_by_role("heading", level=1).first.wait_for(timeout=WAIT_MS)
                settle(page)
                if page.locator(".probing-map").count():
                    page.wait_for_function(POINTS_DRAWN, timeout=WAIT_MS)
                tally.changes.append(time.perf_counter() - started)
                if name == "try-your-images":
                    _drop(page)
                if page.get_by_test_id("stException").count():
                    tally.errors.append(f"browser: an exception on /{path}")
    except Exception as error:  # the boundary of a session, as above
        tally.errors.append(f"browser: {type(error).__name__}: {error}")


def _drop(page: Any) -> None:
    files = [{"name": f"mine{i}.png", "mimeType": "image/png", "buffer": _picture(i)} for i in range(UPLOADS)]
    page.locator("input[type=file]").first.set_input_files(files)
    page.get_by_text(f"mine{UPLOADS - 1}.png, 192 × 192").wait_for(timeout=WAIT_MS)
    settle(page)


def _picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 24, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((192, 192), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue()


if __name__ == "__main__":
    main()
