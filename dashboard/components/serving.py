"""Routes of the server next to the pages. No script of a page runs for them, so visitors do not wait."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import streamlit as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def route(path: str, serve: Callable[[Request], Awaitable[Response]]) -> Route:
    """Return a route for ``path``, which has no slash in front, in whatever folder the pages are."""
    base = st.get_option("server.baseUrlPath").strip("/")
    return Route(f"/{base}/{path}" if base else f"/{path}", serve)


def source(*files: str) -> str:
    return "".join(Path(__file__).with_name(file).read_text("utf-8") for file in files)
