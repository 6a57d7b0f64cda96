"""Middleware for all requests to the server: security headers, and limits on uploads and messages.

Streamlit keeps uploads in memory until the session ends, and limits only the size of each file. This module also limits
the number, total size, concurrency and duration of uploads, per visitor and for the server. Visitors are identified by
session, because all visitors behind a proxy share one IP address.

The limits apply to the uploads that the server holds (`dashboard.data.uploads`) plus those that are arriving. Requests
that are repeated, fail or are aborted do not change what is counted.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Collection
from contextlib import suppress
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
from dashboard.data import uploads

POLICY = "; ".join(
    (
        "default-src 'self'",
        # The components are loaded as blob modules, Streamlit's page contains an inline script, and Plotly compiles
        # WebGL code at run time.
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
"""Value of the Content-Security-Policy header: same-origin requests only, and no framing by other pages."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Limits(NamedTuple):
    """Limits on uploads, for one visitor or for all visitors.

    Attributes:
        files: maximum number of uploads in memory.
        megabytes: maximum total size of the uploads in memory, in MB.
        at_once: maximum number of simultaneous uploads.
        per_minute: maximum number of uploads that start within a minute.
    """

    files: int
    megabytes: int
    at_once: int
    per_minute: int

    def exceeded(self, held: Collection[int], arriving: Collection[int], started: int, size: int) -> str:
        """Return a description of the limit that an additional upload would exceed, or an empty string.

        Args:
            held: sizes in bytes of the uploads in memory.
            arriving: largest possible sizes of the uploads in progress.
            started: number of uploads that started in the last minute.
            size: largest possible size of the additional upload.
        """
        if len(arriving) >= self.at_once:
            return f"{self.at_once} uploads are in progress"
        if started >= self.per_minute:
            return f"{self.per_minute} uploads started in the last minute"
        if len(held) + len(arriving) >= self.files:
            return f"{self.files} uploads are in memory"
        if sum(held) + sum(arriving) + size > self.megabytes * 1e6:
            return f"uploads in memory are limited to {self.megabytes} MB"
        return ""


VISITOR_LIMITS = Limits(files=100, megabytes=400, at_once=8, per_minute=60)
SERVER_LIMITS = Limits(files=2_000, megabytes=2_000, at_once=32, per_minute=600)

UPLOAD_TIMEOUT_S = 20.0
MIN_UPLOAD_BYTES_PER_S = 200_000
"""Minimum upload rate. The time limit for an upload is `UPLOAD_TIMEOUT_S` plus its size divided by this rate, so that
slow clients do not block other visitors."""

RECONNECT_S = 120.0
"""Time in seconds during which a disconnected browser can resume its session, as in Streamlit."""

UPLOAD_PATH = re.compile(r"/_stcore/upload_file/([^/]+)/([^/]+)$")


class SecurityHeaders:
    """Middleware that adds `HEADERS` to every response, and records that the dashboard is being served."""

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
    """Middleware that refuses uploads beyond `VISITOR_LIMITS` and `SERVER_LIMITS`, and ends abandoned sessions.

    Streamlit keeps the session of a disconnected browser, with its uploads, until a second browser disconnects. This
    middleware ends a session with uploads if its browser does not reconnect within ``reconnect_s`` seconds.

    Attributes:
        arriving: (session, file) -> largest possible size in bytes of each upload in progress.
        begun: start times and sessions of the uploads of the last minute.
    """

    def __init__(self, app: ASGIApp, reconnect_s: float = RECONNECT_S, look_every_s: float = 10.0) -> None:
        self.app, self.reconnect_s, self.look_every_s = app, reconnect_s, look_every_s
        self.arriving: dict[tuple[str, str], int] = {}
        self.begun: deque[tuple[float, str]] = deque()
        self._watched: dict[str, asyncio.Task[None]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        upload = UPLOAD_PATH.search(scope["path"]) if scope["type"] == "http" else None
        if upload is None or scope["method"] != "PUT" or not get_instance().is_active_session(upload[1]):
            await self.app(scope, receive, send)  # Streamlit refuses uploads without a session
            return
        await self._put((upload[1], upload[2]), scope, receive, send)

    async def _put(self, key: tuple[str, str], scope: Scope, receive: Receive, send: Send) -> None:
        largest = st.get_option("server.maxUploadSize") * 2**20
        content_length = dict(scope["headers"]).get(b"content-length", b"")
        size = min(int(content_length), largest) if content_length.isdigit() else largest
        if why := self._refused(key, size):
            sentence = f"The image was not accepted: {why}. Try again later."
            await _refuse(429, sentence, scope, receive, send, UPLOAD_TIMEOUT_S)
            return
        has_begun = False

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        session = key[0]
        self.arriving[key] = size
        self.begun.append((time.monotonic(), session))
        try:
            await asyncio.wait_for(self.app(scope, receive, watched), UPLOAD_TIMEOUT_S + size / MIN_UPLOAD_BYTES_PER_S)
        except TimeoutError:
            if not has_begun:
                await _refuse(408, "The upload took too long. Try again.", scope, receive, send, 0)
        finally:
            del self.arriving[key]
            if session not in self._watched:
                self._watched[session] = asyncio.create_task(self._end(session))

    async def _end(self, session: str) -> None:
        """Close ``session`` after its browser has been disconnected for ``reconnect_s`` seconds."""
        seen = time.monotonic()
        while time.monotonic() - seen < self.reconnect_s or any(owner == session for owner, _ in self.arriving):
            await asyncio.sleep(self.look_every_s)
            if get_instance().is_active_session(session):
                seen = time.monotonic()
        get_instance().close_session(session)  # with its state and uploads
        uploads.remove(session)  # an upload may have arrived after Streamlit has ended the session
        del self._watched[session]

    def _refused(self, key: tuple[str, str], size: int) -> str:
        """Return the reason for refusing an upload of at most ``size`` bytes, or an empty string."""
        while self.begun and self.begun[0][0] < time.monotonic() - 60:
            self.begun.popleft()
        if key in self.arriving:
            return "the upload of this file is already in progress"
        arriving = [each for (session, _), each in self.arriving.items() if session == key[0]]
        started = sum(session == key[0] for _, session in self.begun)
        if why := VISITOR_LIMITS.exceeded(uploads.sizes(key[0]), arriving, started, size):
            return f"{why} in this session"
        if why := SERVER_LIMITS.exceeded(uploads.sizes(), self.arriving.values(), len(self.begun), size):
            return f"{why} on this server"
        return ""


class SharedCaches:
    """Middleware that ignores browser messages that would clear all visitors' caches.

    The pages of the dashboard do not send such messages.
    """

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
    """Send the response ``why`` when the request body has arrived or ``timeout_s`` seconds have passed.

    A client that is still sending the body would not read the response.
    """

    async def drain() -> None:
        while (await receive()).get("more_body"):
            pass

    with suppress(TimeoutError):
        await asyncio.wait_for(drain(), timeout_s)
    await PlainTextResponse(why, status, headers={"Connection": "close"})(scope, receive, send)


def middleware() -> list[Middleware]:
    return [Middleware(SecurityHeaders), Middleware(UploadLimits), Middleware(SharedCaches)]
