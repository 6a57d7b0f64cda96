"""What the server answers at addresses of its own, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def completed(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of ``work``, in a thread of its own: the browser's loop runs in that of the tests."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def answer(
    route: Route,
    path_params: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
    query: dict[str, Any] | None = None,
) -> Response:
    """What ``route`` answers."""
    pairs = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {
        "type": "http",
        "path_params": path_params or {},
        "headers": pairs,
        "query_string": urlencode(query or {}).encode(),
    }
    return completed(route.endpoint(Request(scope)))
