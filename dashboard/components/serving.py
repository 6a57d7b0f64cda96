"""Routes of the server: the HTML of the pages, and what is next to them, for which no script of a page runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import streamlit as st
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route


def route(path: str, serve: Callable[[Request], Awaitable[Response]]) -> Route:
    """Return a route for ``path``, which has no slash in front, in whatever folder the pages are."""
    base = st.get_option("server.baseUrlPath").strip("/")
    return Route(f"/{base}/{path}" if base else f"/{path}", serve)


def page(address: str) -> Route:
    """Return the route of a page: Streamlit's HTML with the dashboard's stylesheet.

    ``st.html`` would send the stylesheet after the first elements, which would then move.
    """
    html = (Path(st.__file__).parent / "static" / "index.html").read_text("utf-8")
    style = (Path(__file__).parents[1] / "style.css").read_text("utf-8")
    styled = html.replace("</head>", f"<style>{style}</style></head>", 1)

    async def serve(_: Request) -> Response:
        return HTMLResponse(styled, headers={"Cache-Control": "no-cache"})

    return route(address, serve)


def former(address: str, now: str) -> Route:
    """Redirect the address of a former page, with its choices, to the page that replaced it."""

    async def moved(request: Request) -> Response:
        path, _, part = now.partition("?")
        query = "&".join(filter(None, [part, request.url.query]))
        return RedirectResponse(f"./{path}{'?' if query else ''}{query}", 307)

    return route(address, moved)


def source(*files: str) -> str:
    return "".join(Path(__file__).with_name(file).read_text("utf-8") for file in files)
