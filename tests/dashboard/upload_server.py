"""Server with small limits on uploads that reports the size of the uploads in its memory."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from streamlit.runtime import get_instance

from dashboard import middleware
from dashboard.middleware import UploadLimits
from tests.dashboard.small_limits import PER_SERVER, PER_SESSION, RECONNECT_S

middleware.VISITOR_LIMITS, middleware.SERVER_LIMITS = PER_SESSION, PER_SERVER
middleware.UPLOAD_TIMEOUT_S = 2.0


def held(_: Request) -> PlainTextResponse:
    """Return the size of all stored uploads in bytes, from Streamlit's statistics."""
    families = get_instance().uploaded_file_mgr.get_stats().values()
    return PlainTextResponse(str(sum(stat.byte_length for family in families for stat in family)))


app = st.App(
    Path(__file__).with_name("upload_page.py"),
    routes=[Route("/held", held)],
    middleware=[Middleware(UploadLimits, reconnect_s=RECONNECT_S, look_every_s=0.1)],
)
