"""Limits on uploads, without a server."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from dashboard import middleware
from dashboard.data import uploads
from dashboard.middleware import VISITOR_LIMITS, Limits, UploadLimits
from tests.dashboard.serving import completed

MEGABYTE = 10**6


class Server:
    """Stands for Streamlit's: takes uploads as they come."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, status: int = 204) -> None:
        self.sessions, self.status = {"a", "b"}, status
        self.taken: list[str] = []
        self.closed: list[str] = []
        self.stored = MemoryUploadedFileManager("")
        runtime = SimpleNamespace(
            is_active_session=self.sessions.__contains__,
            close_session=self.closed.append,
            uploaded_file_mgr=self.stored,
        )
        for module in (middleware, uploads):
            monkeypatch.setattr(module, "get_instance", lambda: runtime)
        self.limits = UploadLimits(self._take, reconnect_s=0.3, look_every_s=0.02)

    async def _take(self, scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        self.taken.append(scope["path"])
        session, file = scope["path"].split("/")[-2:]
        if scope["method"] == "DELETE":
            self.stored.remove_file(session, file)
        elif self.status == 204:
            size = int(dict(scope["headers"]).get(b"content-length", b"1000"))
            self.stored.add_file(session, UploadedFileRec(file, "name", "image/png", bytes(size)))
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def ask(
        self, path: str, method: str = "PUT", size: int | None = 1000, wait_s: float = 0.0
    ) -> tuple[int, str]:
        """Status and text of the answer to a request whose body takes ``wait_s`` to arrive."""
        sent: list[Any] = []

        async def receive() -> Any:
            await asyncio.sleep(wait_s)
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        length = [] if size is None else [(b"content-length", str(size).encode())]
        scope = {"type": "http", "method": method, "path": f"/_stcore/upload_file/{path}", "headers": length}
        await self.limits(scope, receive, send)
        return sent[0]["status"], b"".join(m.get("body", b"") for m in sent).decode()


@pytest.fixture
def server(monkeypatch):
    return Server(monkeypatch)


async def one_after_the_other(server: Server, *paths: str, **named: Any) -> list[int]:
    return [(await server.ask(path, **named))[0] for path in paths]


def test_a_minute_has_its_uploads(server, monkeypatch):
    now = 0.0
    monkeypatch.setattr(middleware.time, "monotonic", lambda: now)
    answers = completed(one_after_the_other(server, *(f"a/{i}" for i in range(VISITOR_LIMITS.per_minute + 1))))
    assert answers == [204] * VISITOR_LIMITS.per_minute + [429]
    assert completed(one_after_the_other(server, "b/1")) == [204], "of each visitor"
    now = 61.0
    assert completed(one_after_the_other(server, "a/later")) == [204]


def test_memory_has_its_uploads_until_they_are_removed_or_the_visit_ends(server, monkeypatch):
    monkeypatch.setattr(middleware, "VISITOR_LIMITS", Limits(files=9, megabytes=100, at_once=9, per_minute=99))
    monkeypatch.setattr(middleware, "SERVER_LIMITS", Limits(files=9, megabytes=140, at_once=9, per_minute=99))

    async def story() -> list[int]:
        large = {"size": 45 * MEGABYTE}
        found = await one_after_the_other(server, "a/1", "a/2", "a/3", "b/1", "b/2", **large)
        await server.ask("a/1", "DELETE")
        found += await one_after_the_other(server, "b/2", **large)
        server.sessions.remove("a")
        server.stored.remove_session_files("a")  # as Streamlit does where a session ends
        return found + await one_after_the_other(server, "b/3", size=10 * MEGABYTE)

    assert completed(story()) == [204, 204, 429, 204, 429, 204, 204]


def test_a_visit_with_uploads_is_closed_when_its_browser_does_not_return(server):
    async def story() -> list[list[str]]:
        await one_after_the_other(server, "a/1", "a/2", "b/1")
        server.sessions.remove("a")
        await asyncio.sleep(0.1)
        server.sessions.add("a")  # it returns in time
        await asyncio.sleep(0.6)
        found = [list(server.closed)]
        server.sessions.remove("a")
        await asyncio.sleep(0.6)
        return [*found, list(server.closed)]

    assert completed(story()) == [[], ["a"]]


def test_files_have_a_number(server, monkeypatch):
    monkeypatch.setattr(middleware, "VISITOR_LIMITS", Limits(files=2, megabytes=100, at_once=9, per_minute=99))
    assert completed(one_after_the_other(server, "a/1", "a/2", "a/3", "b/1")) == [204, 204, 429, 204]


def test_upload_of_no_stated_length_counts_as_the_largest_while_it_arrives(server, monkeypatch):
    monkeypatch.setattr(middleware.st, "get_option", {"server.maxUploadSize": 50}.__getitem__)
    monkeypatch.setattr(middleware, "VISITOR_LIMITS", Limits(files=9, megabytes=100, at_once=9, per_minute=99))

    async def story() -> list[int]:
        answers = await asyncio.gather(*(server.ask(f"a/{i}", size=None, wait_s=0.2) for i in range(2)))
        return [status for status, _ in answers] + await one_after_the_other(server, "a/3", size=None)

    assert completed(story()) == [204, 429, 204]


def test_what_the_server_refuses_itself_does_not_count(monkeypatch):
    server = Server(monkeypatch, status=413)
    monkeypatch.setattr(middleware, "VISITOR_LIMITS", Limits(files=1, megabytes=100, at_once=1, per_minute=99))
    assert completed(one_after_the_other(server, "a/1", "a/2", "a/3")) == [413] * 3
    assert completed(one_after_the_other(server, "none/1", "none/2")) == [413] * 2
    assert not server.limits.arriving


def test_some_arrive_at_once(server):
    async def story() -> list[tuple[int, str]]:
        return await asyncio.gather(*(server.ask(f"a/{i}", wait_s=0.2) for i in range(VISITOR_LIMITS.at_once + 3)))

    answers = completed(story())
    assert sorted(status for status, _ in answers) == [204] * VISITOR_LIMITS.at_once + [429] * 3
    assert "8 uploads are in progress in this session" in answers[-1][1]
    assert completed(one_after_the_other(server, "a/later")) == [204]


def test_a_slow_client_loses_its_place(server, monkeypatch):
    monkeypatch.setattr(middleware, "UPLOAD_TIMEOUT_S", 0.1)
    status, text = completed(server.ask("a/1", wait_s=5.0))
    assert (status, text) == (408, "The upload took too long. Try again.")
    assert not server.taken
    assert not server.limits.arriving


def test_other_requests_pass(server):
    assert completed(one_after_the_other(server, *("a/1",) * 200, method="OPTIONS")) == [204] * 200
    assert len(server.taken) == 200
