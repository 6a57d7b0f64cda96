"""Middleware of every request to the server: security headers on answers, and limits on what visitors send.

Streamlit holds uploads in memory until the visit ends, and limits only the size of each. This module also limits their
number, sum, concurrency and duration, per visitor and for the server. A visitor is a session, since all visitors behind
a proxy share one address.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

import streamlit as st
from google.protobuf.message import DecodeError
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.runtime import get_instance

from dashboard import rights

POLICY = "; ".join(
    (
        "default-src 'self'",
        # Our components are modules of the blob kind, Streamlit's page contains an inline script, and Plotly
        # compiles its WebGL drawing at run time.
        "script-src 'self' blob: 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "media-src 'self' blob:",
        "worker-src 'self' blob:",
        "connect-src 'self' blob: data:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""Content security policy: nothing is loaded from or sent to another server, and no other page may frame this one."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Limits(NamedTuple):
    """Limits on uploads, for one visitor or for all of them.

    Attributes:
        files: uploads in memory.
        megabytes: their total size.
        at_once: uploads that arrive at the same time.
        per_minute: uploads that began in the last minute.
    """

    files: int
    megabytes: int
    at_once: int
    per_minute: int


VISITOR_LIMITS = Limits(files=100, megabytes=400, at_once=8, per_minute=60)
SERVER_LIMITS = Limits(files=2_000, megabytes=2_000, at_once=32, per_minute=600)

UPLOAD_TIMEOUT_S = 20.0
MIN_UPLOAD_BYTES_PER_S = 200_000
"""An upload must arrive within `UPLOAD_TIMEOUT_S` plus the time of its size at this pace: slow clients must not block
others."""

UPLOAD_PATH = re.compile(r"/_stcore/upload_file/([^/]+)/([^/]+)$")


@dataclass
class Tally:
    """Uploads of one visitor, or of all: bytes by file, files that are arriving, and times at which recent ones
    began."""

    sizes: dict[tuple[str, str], int] = field(default_factory=dict)
    arriving: set[tuple[str, str]] = field(default_factory=set)
    begun: deque[float] = field(default_factory=deque)

    def exceeds(self, limits: Limits, size: int, now: float) -> str:
        """Return, in words, which of ``limits`` another upload of ``size`` bytes would exceed; empty if none."""
        while self.begun and self.begun[0] < now - 60:
            self.begun.popleft()
        if len(self.arriving) >= limits.at_once:
            return f"{limits.at_once} uploads arrive at once"
        if len(self.begun) >= limits.per_minute:
            return f"{limits.per_minute} uploads have begun in a minute"
        if len(self.sizes) >= limits.files:
            return f"{limits.files} uploads are in memory"
        if sum(self.sizes.values()) + size > limits.megabytes * 1e6:
            return f"uploads of {limits.megabytes} MB are in memory"
        return ""

    def begin(self, key: tuple[str, str], size: int, now: float) -> None:
        self.sizes[key] = size
        self.arriving.add(key)
        self.begun.append(now)

    def drop(self, keys: list[tuple[str, str]]) -> None:
        for key in keys:
            self.sizes.pop(key, None)
            self.arriving.discard(key)


class SecurityHeaders:
    """Middleware that adds `HEADERS` to every answer, and records that the dashboard is being served."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            rights.serving()

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        await self.app(scope, receive, with_headers)


class UploadLimits:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.everybody = Tally()
        self.visitors: dict[str, Tally] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        upload = UPLOAD_PATH.search(scope["path"]) if scope["type"] == "http" else None
        if upload is None or not get_instance().is_active_session(upload[1]):
            await self.app(scope, receive, send)  # Streamlit itself refuses an upload without a session
            return
        visitor, file = upload.groups()
        if scope["method"] == "PUT":
            await self._put(visitor, (visitor, file), scope, receive, send)
            return
        await self.app(scope, receive, send)
        if scope["method"] == "DELETE":
            self._drop(visitor, [(visitor, file)])

    async def _put(self, visitor: str, key: tuple[str, str], scope: Scope, receive: Receive, send: Send) -> None:
        largest = st.get_option("server.maxUploadSize") * 2**20
        stated = dict(scope["headers"]).get(b"content-length", b"")
        size = min(int(stated), largest) if stated.isdigit() else largest
        timeout_s = UPLOAD_TIMEOUT_S + size / MIN_UPLOAD_BYTES_PER_S
        if why := self._refused(visitor, key, size):
            sentence = f"The picture is refused, since {why}; try again later."
            await _refuse(429, sentence, scope, receive, send, UPLOAD_TIMEOUT_S)
            return
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await asyncio.wait_for(self.app(scope, receive, watched), timeout_s)
        except TimeoutError:
            if not status:
                await _refuse(408, "The picture took too long to arrive; try again.", scope, receive, send, 0)
        finally:
            if 200 <= status < 300:
                for tally in (self.everybody, self.visitors.get(visitor, self.everybody)):
                    tally.arriving.discard(key)
            else:
                self._drop(visitor, [key])

    def _refused(self, visitor: str, key: tuple[str, str], size: int) -> str:
        """Count the upload and return ``""``, or return why it is refused."""
        for gone in [each for each in self.visitors if not get_instance().is_active_session(each)]:
            self._drop(gone, list(self.visitors[gone].sizes))
        tally, now = self.visitors.get(visitor, Tally()), time.monotonic()
        if key in tally.arriving:
            return "it is arriving already"
        if mine := tally.exceeds(VISITOR_LIMITS, size, now):
            return f"{mine} in this visit"
        if all_of_them := self.everybody.exceeds(SERVER_LIMITS, size, now):
            return f"{all_of_them} on this server"
        self.visitors[visitor] = tally
        for each in (tally, self.everybody):
            each.begin(key, size, now)
        return ""

    def _drop(self, visitor: str, keys: list[tuple[str, str]]) -> None:
        self.everybody.drop(keys)
        if tally := self.visitors.get(visitor):
            tally.drop(keys)
            if not tally.sizes and not get_instance().is_active_session(visitor):
                del self.visitors[visitor]


class SharedCaches:
    """Middleware that drops browser messages that would clear the caches of all visitors; no page sends them."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def passed() -> Message:
            while _clears_caches(message := await receive()):
                pass
            return message

        await self.app(scope, passed if scope["type"] == "websocket" else receive, send)


def _clears_caches(message: Message) -> bool:
    sent = BackMsg()
    try:
        sent.ParseFromString(message.get("bytes") or b"")
    except DecodeError:
        return False  # Streamlit closes the connection
    return sent.WhichOneof("type") == "clear_cache"


async def _refuse(status: int, why: str, scope: Scope, receive: Receive, send: Send, timeout_s: float) -> None:
    """Answer with a sentence after the body has arrived: a client that is still sending would not read it."""

    async def drain() -> None:
        while (await receive()).get("more_body"):
            pass

    with suppress(TimeoutError):
        await asyncio.wait_for(drain(), timeout_s)
    await PlainTextResponse(why, status, headers={"Connection": "close"})(scope, receive, send)


def middleware() -> list[Middleware]:
    return [Middleware(SecurityHeaders), Middleware(UploadLimits), Middleware(SharedCaches)]
