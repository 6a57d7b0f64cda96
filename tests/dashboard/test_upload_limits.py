"""Limits on uploads, tried with real requests to a server that has small limits and reports its memory."""

from __future__ import annotations

import random
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lab.devtools.browser import served
from lab.devtools.visitor import Visitor, dropped, multipart, request, upload, visiting, xsrf
from tests.dashboard.small_limits import PER_SERVER, PER_SESSION, RECONNECT_S

pytestmark = pytest.mark.slow

BY_TEST_SERVER = (
    "streamlit",
    "run",
    str(Path(__file__).with_name("upload_server.py")),
    "--server.address={host}",
    "--server.port={port}",
    "--server.headless=true",
    "--server.maxUploadSize=1",
    "--browser.gatherUsageStats=false",
)
MIN_FILE_BYTES = 250_000
FILE = 900_000
"""Size of an upload in bytes. A session may have four uploads of this size, and the server six."""


class Client:
    """Sends uploads to the test server.

    Attributes:
        token: headers that the server requires for uploads.
    """

    def __init__(self, address: str) -> None:
        self.address, self.token = address, xsrf(address)

    def put(self, session: str, file: str = "", size: int = FILE) -> int:
        return upload(self.address, session, bytes(size), file, self.token).status

    def put_chunked(self, session: str, size: int) -> int:
        """Upload a file without a Content-Length header."""
        body, kind = multipart(bytes(size))
        headers = self.token | kind | {"Transfer-Encoding": "chunked"}
        path = f"/_stcore/upload_file/{session}/{uuid.uuid4()}"
        return request(self.address, path, "PUT", iter([body]), headers).status

    def delete(self, session: str, file: str) -> int:
        return request(self.address, f"/_stcore/upload_file/{session}/{file}", "DELETE", None, self.token).status

    @property
    def held(self) -> int:
        """Size in bytes of the uploads in the memory of the server."""
        return int(request(self.address, "/held").text)

    def begin(self, session: str, file: str, size: int = FILE) -> tuple[socket.socket, bytes]:
        """Send the first half of an upload, and return the connection and the second half."""
        where = urlsplit(self.address)
        body, kind = multipart(bytes(size))
        fields = self.token | kind | {"Host": where.netloc, "Content-Length": str(len(body))}
        header = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        line = f"PUT /_stcore/upload_file/{session}/{file} HTTP/1.1\r\n"
        connection = socket.create_connection((where.hostname, where.port), timeout=20)
        connection.sendall(f"{line}{header}\r\n".encode() + body[: size // 2])
        return connection, body[size // 2 :]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with served(by=BY_TEST_SERVER) as address:
        yield Client(address)


@pytest.fixture(autouse=True)
def _empty(client: Client) -> Iterator[None]:
    """Each test begins when the uploads of the last one have been removed."""
    deadline = time.monotonic() + 20 * RECONNECT_S
    while client.held and time.monotonic() < deadline:
        time.sleep(0.1)
    assert client.held == 0, "uploads of ended sessions are removed"


def fail_in_parsing(client: Client, session: str, file: str) -> int:
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    return request(
        client.address, f"/_stcore/upload_file/{session}/{file}", "PUT", b"no multipart", client.token | kind
    ).status


def fail_with_two_files(client: Client, session: str, file: str) -> int:
    parts = [multipart(bytes(10), name) for name in ("a.png", "b.png")]
    boundary = parts[0][1]["Content-Type"].partition("boundary=")[2].encode()
    other = parts[1][1]["Content-Type"].partition("boundary=")[2].encode()
    body = parts[0][0].removesuffix(b"--" + boundary + b"--\r\n") + parts[1][0].replace(other, boundary)
    return request(
        client.address, f"/_stcore/upload_file/{session}/{file}", "PUT", body, client.token | parts[0][1]
    ).status


def fail_without_token(client: Client, session: str, file: str) -> int:
    return upload(client.address, session, bytes(10), file, {}).status


def abort(client: Client, session: str, file: str) -> int:
    connection, _ = client.begin(session, file, MIN_FILE_BYTES)
    connection.close()
    return 0


FAILURES: dict[str, tuple[Callable[[Client, str, str], int], int]] = {
    "unreadable": (fail_in_parsing, 400),
    "two files": (fail_with_two_files, 400),
    "no token": (fail_without_token, 403),
    "aborted": (abort, 0),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_upload_limits_count_a_stored_file_after_a_failed_replacement(client, kind):
    fail, status = FAILURES[kind]
    with visiting(client.address) as visitor:
        files = [str(uuid.uuid4()) for _ in range(8)]
        answers = []
        for file in files:
            answers.append(client.put(visitor.session, file))
            assert fail(client, visitor.session, file) in (status, 429)
        assert answers == [204] * 4 + [429] * 4
        assert 4 * FILE <= client.held <= PER_SESSION.megabytes * 1e6


def test_upload_that_completes_after_its_session_has_ended_is_removed(client):
    with visiting(client.address) as visitor:
        connection, rest = client.begin(visitor.session, str(uuid.uuid4()))
        time.sleep(0.2)
    time.sleep(0.2)
    with connection:
        connection.sendall(rest)
        assert connection.recv(1000)
    deadline = time.monotonic() + 20 * RECONNECT_S
    while client.held and time.monotonic() < deadline:
        time.sleep(0.1)
    assert client.held == 0


def test_upload_limits_count_a_removed_file_while_a_page_uses_it(client):
    with visiting(client.address) as visitor:
        for _ in range(2):
            files = [str(uuid.uuid4()) for _ in range(4)]
            assert [client.put(visitor.session, file) for file in files] == [204] * 4
            (field,) = visitor.uploaders
            visitor.visit("", dropped(field, *files))
            assert [client.delete(visitor.session, file) for file in files] == [204] * 4
            assert client.held == 0, "Streamlit counts stored files only"
            assert client.put(visitor.session, str(uuid.uuid4())) == 429
            visitor.visit("", dropped(field))  # the field is empty


def test_upload_without_a_content_length_counts_with_the_size_of_its_file(client):
    with visiting(client.address) as visitor:
        answers = [client.put_chunked(visitor.session, 100_000) for _ in range(PER_SESSION.files + 1)]
        assert answers == [204] * PER_SESSION.files + [429]


@pytest.mark.parametrize("sessions", [1, 5])
def test_upload_limits_hold_for_simultaneous_uploads(client, sessions):
    with ExitStack() as visits, ThreadPoolExecutor(20) as threads:
        visitors = [visits.enter_context(visiting(client.address)).session for _ in range(sessions)]
        answers = list(threads.map(lambda i: client.put(visitors[i % sessions]), range(40)))
        assert set(answers) == {204, 429}
        limits = PER_SESSION if sessions == 1 else PER_SERVER
        assert answers.count(204) * FILE <= client.held
        assert client.held <= limits.megabytes * 1e6


@pytest.mark.parametrize("seed", range(2))
def test_upload_limits_hold_for_random_sequences_of_requests(client, seed):
    rng = random.Random(seed)
    with ExitStack() as visits:
        visitors: list[Visitor] = [visits.enter_context(visiting(client.address)) for _ in range(1 + 2 * (seed % 2))]
        files: dict[str, list[str]] = {visitor.session: [] for visitor in visitors}
        accepted = 0
        for _ in range(40):
            visitor = rng.choice(visitors)
            own = files[visitor.session]
            file = rng.choice(own) if own and rng.random() < 0.5 else str(uuid.uuid4())
            action = rng.choice(["put", "put", "put", "fail", "delete"])
            if action == "put":
                status = client.put(visitor.session, file, rng.randint(MIN_FILE_BYTES, 2**20 - 1000))
                assert status in (204, 429)
                accepted += status == 204
                own += [file] * (status == 204)
            elif action == "fail":
                fail, status = FAILURES[rng.choice(list(FAILURES))]
                assert fail(client, visitor.session, file) in (status, 429)
            else:
                assert client.delete(visitor.session, file) == 204
            limits = PER_SESSION if len(visitors) == 1 else PER_SERVER
            assert client.held <= limits.megabytes * 1e6
        assert accepted > PER_SESSION.files, "the limits leave room for uploads"
