"""Many visitors at once: ``python scripts/sessions.py --run DIR [--sessions 20]`` prints one JSON object.

Each session below the browser speaks Streamlit's own protocol over a websocket: it opens the dashboard, walks all
pages, fetches the points of a large map, uploads five pictures on Try your images and waits for the answers; one real
browser, with WebGL in software, does the same meanwhile. ``scripts/large_run.py`` makes a run with a large map.
Reported are the errors, the page changes as median and 95th percentile in seconds, and the memory of the server before,
at its highest, and after everybody has gone.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import statistics
import sys
import threading
import time
import urllib.request
import uuid
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the browser's helpers live with the tests

from scripts.large_run import DRAWN, WEBGL  # noqa: E402
from tests.dashboard.browser import ADDRESSES, WAIT_MS, browser, served, settle  # noqa: E402

UPLOADS = 5
PATIENCE_S = 300
"""How long a session waits for a page before that counts as an error."""

FAREWELL_S = 20
"""After the last session has gone, before memory is looked at."""


@dataclass
class Tally:
    """What all sessions met; filled by threads and coroutines, each appending alone."""

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
        asyncio.run(_walk(address, Tally(), "warm-up"))  # memory before: with the models loaded once
        before, highest = _megabytes(server), [0.0]
        watching = threading.Event()
        watcher = threading.Thread(target=_watch, args=(server, highest, watching), daemon=True)
        watcher.start()
        visitor = threading.Thread(target=_browse, args=(address, browsed))
        visitor.start()
        started = time.perf_counter()
        asyncio.run(_walk_together(address, options.sessions - 1, tally))
        visitor.join()
        took = time.perf_counter() - started
        time.sleep(FAREWELL_S)
        watching.set()
        after = _megabytes(server)
    report = {
        "sessions": options.sessions,
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "seconds": round(took, 1),
        "errors": [*tally.errors, *browsed.errors],
        "page_change": _summary(tally.changes),
        "page_change_in_the_browser": _summary(browsed.changes),
        "server_mb": {"before": round(before), "highest": round(highest[0]), "after": round(after)},
    }
    print(json.dumps(report, indent=1))


def _summary(seconds: list[float]) -> dict[str, float | int]:
    ordered = sorted(seconds)
    if not ordered:
        return {"count": 0}
    rank = max(0, -(-95 * len(ordered) // 100) - 1)
    return {
        "count": len(ordered),
        "median_s": round(statistics.median(ordered), 2),
        "p95_s": round(ordered[rank], 2),
    }


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


# below the browser


async def _walk_together(address: str, sessions: int, tally: Tally) -> None:
    await asyncio.gather(*(_walk(address, tally, f"session {i}") for i in range(sessions)))


async def _walk(address: str, tally: Tally, name: str) -> None:
    """One visitor: all pages, and five pictures of its own."""
    from websockets.asyncio.client import connect

    url = address.replace("http://", "ws://") + "/_stcore/stream"
    socket = await connect(url, subprotocols=["streamlit"], max_size=200_000_000, ping_timeout=None)  # type: ignore[list-item]
    visitor = Visitor(socket, address)
    try:
        await visitor.rerun("", "")
        for page, path in ADDRESSES.items():
            started = time.perf_counter()
            await visitor.rerun(path.partition("?")[0], path.partition("?")[2])
            await visitor.fetch_points()
            tally.changes.append(time.perf_counter() - started)
            if page == "try-your-images":
                await visitor.upload([_picture(i) for i in range(UPLOADS)])
        tally.errors += [f"{name}: {error}" for error in visitor.errors]
    except Exception as error:  # the boundary of a session: the others go on, and the report tells
        tally.errors.append(f"{name}: {type(error).__name__}: {error}")
    finally:
        await socket.close()


class Visitor:
    """A session over a websocket: sends what a browser would, reads until the script has ended."""

    def __init__(self, socket: Any, address: str) -> None:
        self.socket, self.address = socket, address
        self.session = ""
        self.pages: dict[str, str] = {}
        self.uploader = ""
        self.page, self.query = "", ""
        self.errors: list[str] = []
        self.words: list[str] = []
        self.points: set[str] = set()

    async def rerun(self, path: str, query: str, widgets: Any = None) -> None:
        """Opens the page at ``path``, or runs it again with the states of ``widgets``."""
        from streamlit.proto.BackMsg_pb2 import BackMsg

        message = BackMsg()
        message.rerun_script.query_string = query
        message.rerun_script.page_script_hash = self.pages.get(path, "")
        message.rerun_script.page_name = "" if path in self.pages else path
        if widgets is not None:
            message.rerun_script.widget_states.CopyFrom(widgets)
        self.page, self.query = path, query
        await self.socket.send(message.SerializeToString())
        await asyncio.wait_for(self._until_finished(), PATIENCE_S)

    async def _until_finished(self) -> None:
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        while True:
            message = ForwardMsg()
            message.ParseFromString(await self.socket.recv())
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self.session = message.new_session.initialize.session_id or self.session
            elif kind == "navigation":
                self.pages = {p.url_pathname: p.page_script_hash for p in message.navigation.app_pages}
            elif kind == "delta":
                self._note(message.delta)
            elif kind == "script_finished" and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                return
            elif kind == "script_finished" and message.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                raise RuntimeError(f"the script of /{self.page} could not be run")

    def _note(self, delta: Any) -> None:
        element = delta.new_element
        kind = element.WhichOneof("type")
        if kind == "exception":
            self.errors.append(f"{self.page}: {element.exception.type}: {element.exception.message}")
        elif kind == "file_uploader":
            self.uploader = element.file_uploader.id
        elif kind == "markdown":
            self.words.append(element.markdown.body)
        elif kind == "bidi_component" and element.bidi_component.component_name.endswith("point_map"):
            message = json.loads(element.bidi_component.bytes)
            self.points |= {
                f"{self.address}/{panel['address']}/{which}"
                for panel in message["panels"]
                for which in ("positions", message["coloring"])
            }

    async def fetch_points(self) -> None:
        """What a browser fetches of the maps that came, if any: positions and colors of all points."""
        addresses, self.points = self.points, set()
        await asyncio.gather(*(asyncio.to_thread(_get, address) for address in addresses))

    async def upload(self, pictures: list[bytes]) -> None:
        """Uploads ``pictures`` into the page's field and waits for what the page says of them."""
        from streamlit.proto.WidgetStates_pb2 import WidgetStates

        states = WidgetStates()
        state = states.widgets.add(id=self.uploader)
        infos = state.file_uploader_state_value.uploaded_file_info
        for i, content in enumerate(pictures):
            file_id = str(uuid.uuid4())
            url = f"/_stcore/upload_file/{self.session}/{file_id}"
            await asyncio.to_thread(_put, self.address + url, f"mine{i}.png", content)
            info = infos.add(file_id=file_id, name=f"mine{i}.png")
            info.size = len(content)
            info.file_urls.file_id, info.file_urls.upload_url, info.file_urls.delete_url = file_id, url, url
        self.words.clear()
        await self.rerun(self.page, self.query, states)
        told = "\n".join(self.words)
        self.errors += [f"no answer for {info.name}" for info in infos if info.name not in told]


def _get(url: str) -> None:
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        answer.read()


def _put(url: str, name: str, content: bytes) -> None:
    """The upload of one file as a form, as a browser sends it."""
    mark = uuid.uuid4().hex
    head = (
        f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: image/png\r\n\r\n'
    )
    with urllib.request.urlopen(url.partition("/_stcore")[0] + "/_stcore/health", timeout=PATIENCE_S) as answer:
        cookie = SimpleCookie(answer.headers.get("Set-Cookie", ""))
    token = next(iter(cookie.values())).value if cookie else ""
    request = urllib.request.Request(
        url,
        data=head.encode() + content + f"\r\n--{mark}--\r\n".encode(),
        headers={
            "Content-Type": f"multipart/form-data; boundary={mark}",
            "Cookie": cookie.output(attrs=[], header="", sep=";").strip(),
            "X-Xsrftoken": token,
        },
        method="PUT",
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S):
        pass


def _picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 24, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((192, 192), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue()


# the browser


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
                    page.wait_for_function(DRAWN, timeout=WAIT_MS)
                tally.changes.append(time.perf_counter() - started)
                if name == "try-your-images":
                    files = [
                        {"name": f"mine{i}.png", "mimeType": "image/png", "buffer": _picture(i)} for i in range(UPLOADS)
                    ]
                    page.locator("input[type=file]").first.set_input_files(files)
                    page.get_by_text(f"mine{UPLOADS - 1}.png, 192 × 192").wait_for(timeout=WAIT_MS)
                    settle(page)
                if page.get_by_test_id("stException").count():
                    tally.errors.append(f"browser: an exception on /{path}")
    except Exception as error:  # the boundary of a session, as above
        tally.errors.append(f"browser: {type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
