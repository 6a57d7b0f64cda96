"""Attempts on the server by what visitors upload, by requests to a served dashboard."""

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
"""Address -> heading of the pages that another visitor opens meanwhile."""


def is_one_sentence(text: str) -> bool:
    return text.endswith(".") and "\n" not in text and "Traceback" not in text and 0 < len(text) < 200


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """A PNG of one color whose pixels are compressed a thousand times."""
    rows = zlib.compress(bytes(min(height, 100) * (3 * min(width, 100) + 1)))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@attempt(
    "a different visitor's upload, by the name of its file in a forged message", "nothing: it is not part of this visit"
)
def test_anothers_upload(server):
    file = str(uuid.uuid4())
    with visiting(server) as a, visiting(server) as b:
        for visitor in (a, b):
            visitor.visit("try")
        assert upload(server, a.session, PICTURE, file).status == 204
        assert "96 × 96 pixels" in a.visit("try", dropped(a.widgets["Your images"], file))
        assert "Upload an image or click an example" in b.visit("try", dropped(b.widgets["Your images"], file))


@attempt("a different visitor's upload, by requesting its address", "the page itself")
def test_reading_an_upload(server):
    file = str(uuid.uuid4())
    with visiting(server) as a:
        assert upload(server, a.session, PICTURE, file).status == 204
        answer = request(server, f"/_stcore/upload_file/{a.session}/{file}")
        assert answer.text == request(server, "/no-page").text


@attempt(
    "the address of an image that a visitor sees, guessed from the same image",
    "none: uploads and their crops are part of the page's own messages; previews have addresses of 128 random bits",
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
    "a preview of an upload, by its address, after the visitor has left",
    "404: everything made from an upload ends with the visit",
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


@attempt("an upload to a visit that does not exist, or without the token of a page (XSRF)", "400, 403")
def test_an_upload_from_elsewhere(server):
    assert upload(server, str(uuid.uuid4()), PICTURE).status == 400
    with visiting(server) as a:
        assert upload(server, a.session, PICTURE, headers={}).status == 403


def at_once(address: str, sessions: list[str], other: Visitor) -> tuple[list[Answer], list[str]]:
    """What `MANY` uploads got, and the pages that another visitor opened meanwhile."""
    token = xsrf(address)
    with ThreadPoolExecutor(MANY) as threads:
        sent = [threads.submit(upload, address, sessions[i % len(sessions)], PICTURE, "", token) for i in range(MANY)]
        pages = [other.visit(page) for page in PAGES]
        return [each.result() for each in sent], pages


@attempt(
    f"{MANY} simultaneous uploads, by one visitor and by twenty",
    "each is accepted (204) or refused with one sentence (429); the pages of other visitors keep working",
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
    f"an upload over {MAX_UPLOAD_MEGABYTES} MB, with or without a stated length", "413, or the connection is closed"
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
    "decompression bombs: a PNG that states 60,000 x 60,000 pixels, one without most of its "
    "pixels, one with 200 MB in a comment or a color profile",
    "one sentence each, nothing is decoded; the page keeps working",
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
        assert "picture.png states a size over the limit of 64 million pixels" in words
        assert "picture.png is a PNG of 7000 x 7000 pixels with corrupted" in words
        assert words.count("picture.png begins like a PNG, but its header is corrupted") == 2


@attempt("an image whose name is markup", "the name, as text")
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
    "100 slow clients: 80 send half a header, 20 half an upload",
    "the pages of other visitors keep working; an upload has 20 s plus the time for its size at 200 kB/s, then 408",
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


@attempt("invalid websocket messages: text, sequences of bytes, repeated bytes", "the connection is closed")
@pytest.mark.parametrize("message", ["text", bytes(range(256)) * 4, b"\xff" * 1000])
def test_garbage(server, message):
    with visiting(server) as a, visiting(server) as other:
        a.socket.send(message)
        with pytest.raises(ConnectionClosed):
            a.read_to_the_end()
        assert PAGES["methods"] in other.visit("methods")
