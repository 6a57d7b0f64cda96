"""Attacks on a running dashboard with uploads."""

from __future__ import annotations

import socket
import struct
import time
import uuid
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed

from dashboard.middleware import VISITOR_LIMITS
from dashboard.text import PAGES as NAVIGATION
from dashboard.widgets.upload import MAX_UPLOAD_MEGABYTES
from lab.devtools.visitor import Answer, Visitor, dropped, multipart, request, upload, visiting, xsrf
from probing_core.images import encode_png
from tests.conftest import scene
from tests.dashboard.attempts import attempt

pytestmark = pytest.mark.slow

PICTURE = encode_png(scene(1, 96))
MANY = 200
PAGES = {
    page.address: page.question or page.title
    for under in NAVIGATION.values()
    for page in under
    if page.address in ("methods", "transformations", "try")
}
"""URL path -> heading of the pages that another visitor opens in the meantime."""


def is_one_sentence(text: str) -> bool:
    return text.endswith(".") and "\n" not in text and "Traceback" not in text and 0 < len(text) < 200


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """Return a PNG of one color that states ``width`` x ``height`` pixels but contains at most 100 x 100."""
    rows = zlib.compress(bytes(min(height, 100) * (3 * min(width, 100) + 1)))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@attempt(
    "A visitor forges a message that contains the file ID of another visitor's upload",
    "The upload is not shown, because it belongs to another session",
)
def test_anothers_upload(server):
    file = str(uuid.uuid4())
    with visiting(server) as a, visiting(server) as b:
        for visitor in (a, b):
            visitor.visit("try")
        assert upload(server, a.session, PICTURE, file).status == 204
        assert "96 × 96 pixels" in a.visit("try", dropped(a.widgets["Your images"], file))
        shown = b.visit("try", dropped(b.widgets["Your images"], file)).replace("\\", "")
        assert "example: blur, " in shown


@attempt("A visitor requests the URL of another visitor's upload", "The HTML of the dashboard instead of the file")
def test_reading_an_upload(server):
    file = str(uuid.uuid4())
    with visiting(server) as a:
        assert upload(server, a.session, PICTURE, file).status == 204
        answer = request(server, f"/_stcore/upload_file/{a.session}/{file}")
        assert answer.text == request(server, "/no-page").text


@attempt(
    "A visitor who has the image that another visitor uploaded tries to derive its URL from the image",
    "Uploads and their crops have no URL, and the URLs of previews contain 128 random bits",
)
def test_addresses_of_pictures(server):
    file = str(uuid.uuid4())
    with visiting(server) as a:
        a.visit("try")
        upload(server, a.session, PICTURE, file)
        a.visit("try", dropped(a.widgets["Your images"], file))
        assert a.pictures
        assert all(url.startswith("data:image/") for url in a.pictures)
    assert request(server, f"/previews/{'A' * 22}").status == 404


@attempt(
    "A visitor requests the URL of a preview after the session of the upload has ended",
    "404, because all images derived from an upload are deleted when the session ends",
)
@pytest.mark.parametrize("query", ["", "transform=sepia"])
def test_what_is_made_from_an_upload_ends_with_the_visit(server, query):
    file, label = str(uuid.uuid4()), "Or upload an image"
    with visiting(server, page="transformations", query=query) as a:
        upload(server, a.session, PICTURE, file)
        a.visit("transformations", dropped(a.widgets[label], file), query=query)
        assert not a.exceptions
        assert all(url.startswith("data:image/") for url in a.pictures), "no address that follows from the picture"
        previews = a.previews
        assert len(previews if query else a.pictures) > 0
        assert [request(server, preview).status for preview in previews] == [200] * len(previews)
    deadline = time.monotonic() + 20
    while previews and request(server, previews[0]).status == 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [request(server, preview).status for preview in previews] == [404] * len(previews)


@attempt(
    "A client uploads a file to a nonexistent session, or without an XSRF token",
    "400 for the nonexistent session, 403 without a token",
)
def test_an_upload_from_elsewhere(server):
    assert upload(server, str(uuid.uuid4()), PICTURE).status == 400
    with visiting(server) as a:
        assert upload(server, a.session, PICTURE, headers={}).status == 403


def at_once(address: str, sessions: list[str], other: Visitor) -> tuple[list[Answer], list[str]]:
    """Return the responses to `MANY` simultaneous uploads, and the pages that another visitor opened meanwhile."""
    token = xsrf(address)
    with ThreadPoolExecutor(MANY) as threads:
        sent = [threads.submit(upload, address, sessions[i % len(sessions)], PICTURE, "", token) for i in range(MANY)]
        pages = [other.visit(page) for page in PAGES]
        return [each.result() for each in sent], pages


@attempt(
    f"One visitor, or a group of twenty visitors, starts {MANY} uploads simultaneously",
    "Each upload is accepted (204) or rejected with an error message (429); pages of other visitors keep working",
)
@pytest.mark.parametrize("visitors", [1, 20])
def test_many_uploads_at_once(server, visitors):
    with ExitStack() as visits, visiting(server) as other:
        sessions = [visits.enter_context(visiting(server)).session for _ in range(visitors)]
        answers, pages = at_once(server, sessions, other)
    counts = Counter(answer.status for answer in answers)
    assert set(counts) <= {204, 429}
    assert 1 <= counts[204] <= VISITOR_LIMITS.per_minute * visitors
    if visitors == 1:
        assert counts[429] >= MANY - VISITOR_LIMITS.per_minute
    assert all(is_one_sentence(answer.text) for answer in answers if answer.status == 429)
    assert not other.exceptions
    assert all(title in page for title, page in zip(PAGES.values(), pages, strict=True))


@attempt(
    f"A visitor uploads more than {MAX_UPLOAD_MEGABYTES} MB, with or without a `Content-Length` header",
    "413, or the connection is closed",
)
@pytest.mark.parametrize("stated", [True, False])
def test_too_large(server, stated):
    empty, kind = multipart(b"")

    def body() -> Iterator[bytes]:
        yield empty.rsplit(b"\r\n--", 1)[0]
        for _ in range(MAX_UPLOAD_MEGABYTES + 10):
            yield bytes(2**20)

    with visiting(server) as a:
        path = f"/_stcore/upload_file/{a.session}/{uuid.uuid4()}"
        length = (
            {"Content-Length": str((MAX_UPLOAD_MEGABYTES + 10) * 2**20)} if stated else {"Transfer-Encoding": "chunked"}
        )
        with suppress(OSError):  # closed while the body was still being sent
            assert request(server, path, "PUT", body(), xsrf(server) | kind | length).status == 413
        assert upload(server, a.session, PICTURE).status == 204, "a picture of usual size still arrives"


@attempt(
    "A visitor uploads decompression bombs: a PNG with a stated size of 60,000 × 60,000 pixels, a PNG with truncated "
    "pixel data, and PNGs with 200 MB of compressed data in a comment or a color profile",
    "An error message for each file; the page keeps working",
)
def test_decompression_bombs(server):
    packed = zlib.compress(bytes(200 * 2**20), 9)
    bombs = [
        png(60_000, 60_000),
        png(7_000, 7_000),
        png(100, 100, chunk(b"zTXt", b"Comment\0\0" + packed)),
        png(100, 100, chunk(b"iCCP", b"profile\0\0" + packed)),
    ]
    with visiting(server) as a:
        files = [str(uuid.uuid4()) for _ in bombs]
        for file, bomb in zip(files, bombs, strict=True):
            assert upload(server, a.session, bomb, file).status == 204
        a.visit("try")
        words = a.visit("try", dropped(a.widgets["Your images"], *files))
        assert not a.exceptions
        words = words.replace("\\", "")
        assert "picture.png declares a size over the limit of 64 million pixels" in words
        assert "picture.png is a PNG of 7000 x 7000 pixels with corrupted" in words
        assert words.count("picture.png begins like a PNG, but its header is corrupted") == 2


@attempt("A visitor uploads a file whose name contains markup", "The name is escaped and shown as text")
def test_a_file_name_with_markup(server):
    file, name = str(uuid.uuid4()), "<img src=x onerror=alert(1)>**a**.png"
    with visiting(server) as a:
        a.visit("try")
        upload(server, a.session, PICTURE, file, name=name)
        words = a.visit("try", dropped(a.widgets["Your images"], file, name=name))
        assert not a.exceptions
        assert "\\<img src=x onerror=alert\\(1\\)\\>\\*\\*a\\*\\*.png" in words
        assert "<img" not in words.replace("\\<img", "")


@attempt(
    "100 slow clients keep connections open: 80 send incomplete headers, and 20 send incomplete uploads",
    "Pages of other visitors keep working; uploads that exceed the time limit are rejected (408)",
)
def test_slow_clients(server):
    where = urlsplit(server)
    with ExitStack() as held, visiting(server) as other:
        sessions = [held.enter_context(visiting(server)).session for _ in range(4)]
        body, kind = multipart(PICTURE)
        fields = xsrf(server) | kind | {"Host": "x", "Content-Length": str(len(body))}
        header = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        for i in range(100):
            client = held.enter_context(socket.create_connection((where.hostname, where.port), timeout=60))
            if i < 80:
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            else:
                line = f"PUT /_stcore/upload_file/{sessions[i % 4]}/{uuid.uuid4()} HTTP/1.1\r\n"
                client.sendall(f"{line}{header}\r\n".encode() + body[:100])
        assert all(title in other.visit(page) for page, title in PAGES.items())
        assert upload(server, other.session, PICTURE).status == 204
        client.settimeout(60)
        answer = b"".join(iter(lambda: client.recv(10_000), b""))  # the server closes what it answered
        assert b" 408 " in answer
        assert b"The upload took too long. Try again." in answer


@attempt(
    "A visitor sends invalid websocket messages (text, arbitrary bytes or repeated bytes)", "The connection is closed"
)
@pytest.mark.parametrize("message", ["text", bytes(range(256)) * 4, b"\xff" * 1000])
def test_garbage(server, message):
    with visiting(server) as a, visiting(server) as other:
        a.socket.send(message)
        with pytest.raises(ConnectionClosed):
            a.read_to_the_end()
        assert PAGES["methods"] in other.visit("methods")
