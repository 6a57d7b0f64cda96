"""Tables to download, as plain links: a table becomes CSV when somebody fetches it, and no script runs for it.

A button of Streamlit for each of them would take a tenth of the time of a page with many.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from html import escape
from weakref import WeakValueDictionary

import pandas as pd
import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard import state
from dashboard.components.serving import route

FOLDER = "downloads"

Table = pd.DataFrame | Callable[[], pd.DataFrame]
"""What is made of it only when it is fetched stands in a function, which asks Streamlit for nothing."""


class Offer:
    """A table that a visitor can fetch, and the part of its address that nobody can guess."""

    def __init__(self) -> None:
        self.name = secrets.token_urlsafe(16)
        self.table: Table = pd.DataFrame()

    def csv(self) -> str:
        return (self.table() if callable(self.table) else self.table).to_csv(index=False)


_offers: WeakValueDictionary[str, Offer] = WeakValueDictionary()
"""Those that sessions hold, by name."""


def begin_page() -> None:
    """What the last page has offered is kept for this one, and no longer if it does not offer it again."""
    st.session_state["_offered_before"] = st.session_state.pop("_offered", {})


def offer(table: Table, key: str) -> str:
    """Where the browser finds ``table`` as CSV; the same as long as pages offer something under ``key``.

    Raises:
        ValueError: the page has offered another table under ``key``.
    """
    before: dict[str, Offer] = st.session_state.get("_offered_before", {})
    now: dict[str, Offer] = st.session_state.setdefault("_offered", {})
    if key in now and state.is_whole_page():  # a fragment that reruns offers its own once more
        raise ValueError(f"Two tables of this page are called '{key}': the first would be the second.")
    made = now.get(key) or before.get(key) or Offer()
    made.table = table
    now[key] = _offers[made.name] = made
    return f"{FOLDER}/{made.name}"


def download(table: Table, key: str, label: str = "Data as CSV", name: str = "") -> None:
    """``label`` as a link to ``table`` as ``NAME.csv``, or ``KEY.csv``."""
    file = escape(f"{name or key}.csv")
    st.html(f'<a class="probing-download" href="{offer(table, key)}" download="{file}">{escape(label)}</a>')


def routes() -> list[Route]:
    """What the server has to serve for `offer`, beside the pages."""

    async def serve(request: Request) -> Response:
        offered = _offers.get(request.path_params["name"])
        if offered is None:
            return Response("This table is not in memory any more; open the page again.", 404)
        text = await run_in_threadpool(offered.csv)
        return Response(text, media_type="text/csv", headers={"Cache-Control": "no-store"})

    return [route(f"{FOLDER}/{{name}}", serve)]
