"""Against servers of this machine: one that answers, one that refuses, one that is silent, and none."""

from __future__ import annotations

import http.server
import socket
import threading
import time

import pytest

from probing_core.online import answers


@pytest.fixture
def server():
    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(403 if "refused" in self.path else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Refusing) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()


def test_an_answer_is_an_answer_even_if_it_refuses(server):
    assert answers(server, 60)
    assert answers(f"{server}/refused", 60)


def test_silence_is_given_up_in_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        assert not answers(f"http://127.0.0.1:{silent.getsockname()[1]}", 0.2)
        assert time.monotonic() - started < 30


def test_what_speaks_no_http_is_no_answer():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def babble() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"220 ready for mail\r\n")

        threading.Thread(target=babble, daemon=True).start()
        assert not answers(f"http://127.0.0.1:{server.getsockname()[1]}", 60)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "no address"])
def test_where_nothing_is_nothing_answers(url):
    assert not answers(url, 60)
