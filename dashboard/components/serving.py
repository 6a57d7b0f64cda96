"""Server routes for the HTML of pages, and for redirects from former pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import streamlit as st
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route


def route(path: str, serve: Callable[[Request], Awaitable[Response]]) -> Route:
    """Create a route for ``path`` (without a leading slash) below the base path of the server."""
    base = st.get_option("server.baseUrlPath").strip("/")
    return Route(f"/{base}/{path}" if base else f"/{path}", serve)


def page(address: str, scripts: Sequence[str] = ()) -> Route:
    """Create the route of a page, which serves Streamlit's HTML with the stylesheet of the dashboard.

    ``st.html`` would send the stylesheet after the first elements, and the layout would shift.

    Args:
        address: path of the page.
        scripts: names of Streamlit scripts, such as ``PlotlyChart``, that the browser loads with the page. Otherwise,
            it loads the large scripts of charts when the first chart arrives.
    """
    static = Path(st.__file__).parent / "static"
    html = (static / "index.html").read_text("utf-8")
    style = (Path(__file__).parents[1] / "style.css").read_text("utf-8")
    files = [file.relative_to(static).as_posix() for name in scripts for file in static.glob(f"static/js/{name}.*.js")]
    elements = "".join(f'<link rel="modulepreload" crossorigin href="./{file}">' for file in files)
    styled = html.replace("</head>", f"{elements}<style>{style}</style></head>", 1)

    async def serve(_: Request) -> Response:
        return HTMLResponse(styled, headers={"Cache-Control": "no-cache"})

    return route(address, serve)


def former_pages(successors: Mapping[str, str]) -> list[Route]:
    """Create routes that redirect former pages to the pages that replaced them, keeping the selections in the URL.

    Args:
        successors: former URL -> new URL. ``page?part=tab`` denotes a tab of a page and replaces the tab in the
            requested URL.
    """

    async def redirect(request: Request) -> Response:
        address = request.url.path.rsplit("/", 1)[-1]
        tab = f"{address}?part={request.query_params.get('part', '')}"
        path, _, query = successors[tab if tab in successors else address].partition("?")
        selections = request.query_params.multi_items()
        if query or tab in successors:
            selections = [(name, value) for name, value in selections if name != "part"]
        query = urlencode([*parse_qsl(query), *selections])
        return RedirectResponse(f"./{path}?{query}" if query else f"./{path}", 307)

    return [route(address, redirect) for address in successors if "?" not in address]


def source(*files: str) -> str:
    return "".join(Path(__file__).with_name(file).read_text("utf-8") for file in files)
