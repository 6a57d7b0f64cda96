"""Server routes for the HTML of pages, and for redirects from former pages."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
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
        scripts: names of Streamlit scripts, such as ``PlotlyChart``, that the browser loads with the page, including
            what they import. Otherwise, it loads the scripts of charts when the first chart arrives.
    """
    static = Path(st.__file__).parent / "static"
    html = (static / "index.html").read_text("utf-8")
    style = (Path(__file__).parents[1] / "style.css").read_text("utf-8")
    mains = [main for name in scripts for main in (static / "static" / "js").glob(f"{name}.*.js")]
    files = dict.fromkeys(file for main in mains for file in _with_imports(main) if file.name not in html)
    links = [
        f'<link rel="modulepreload" crossorigin fetchpriority="low" href="./static/js/{file.name}">' for file in files
    ]
    styled = html.replace("</head>", f"{''.join(links)}<style>{style}</style></head>", 1)

    async def serve(_: Request) -> Response:
        return HTMLResponse(styled, headers={"Cache-Control": "no-cache"})

    return route(address, serve)


@cache
def _with_imports(script: Path) -> tuple[Path, ...]:
    """Return a script and all scripts that it imports. Otherwise, the browser would request them only afterwards."""
    found, unread = {script: None}, [script]
    while unread:
        names = re.findall(r'(?:from|import)"\./([\w.-]+\.js)"', unread.pop().read_text("utf-8"))
        new = [script.parent / name for name in names if script.parent / name not in found]
        found |= dict.fromkeys(new)
        unread += new
    return tuple(found)


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
