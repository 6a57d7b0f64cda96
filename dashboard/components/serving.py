"""What the server gives out beside the pages. No script runs for it, so nothing that a visitor does has to wait."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import streamlit as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def route(path: str, serve: Callable[[Request], Awaitable[Response]]) -> Route:
    """Serves ``path``, which begins with no slash, beside the pages, whatever folder they are in."""
    base = st.get_option("server.baseUrlPath").strip("/")
    return Route(f"/{base}/{path}" if base else f"/{path}", serve)
