"""Charts that stay in place: a component that draws a Plotly figure and updates it in place when it changes.

`st.plotly_chart` identifies a chart by its content: when a color changes, the browser removes the chart and sets up a
new one, which takes several times as long as the update, and the visitor loses the zoom and the selected tool. The
script of Plotly comes from the package `plotly` and is served by `routes`.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any

import orjson
import streamlit as st
from plotly.offline import get_plotlyjs, get_plotlyjs_version
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard.components.serving import route, script_route, source
from dashboard.data import cache
from dashboard.data.source import about_picture
from probing_core.charts import Figure, Theme, to_json

NAME = f"plotly-{get_plotlyjs_version()}.min.js"

LIGHT = "charts"
"""Folder of the addresses of charts in light colors, for pictures that are made of a dark page."""

MAX_LIGHT = 256
"""Number of charts that can be drawn again in light at most."""

_light: OrderedDict[str, Callable[[], Figure]] = OrderedDict()
_lock = Lock()
_secret = secrets.token_bytes(16)

_CSS = """
.probing-plot { width: 100%; overflow: hidden; position: relative; }
.probing-plot [role=status] { position: absolute; top: 36px; right: 8px; margin: 0; padding: 8px 12px; max-width: 80%;
  border-radius: 6px; color: var(--st-background-color); background: var(--st-text-color); }
.probing-plot .of-line { position: absolute; padding: 2px 8px; font-size: 13px; white-space: nowrap;
  pointer-events: none; color: var(--st-text-color); background: var(--st-background-color); border: 1px solid; }
.probing-plot:fullscreen { background: var(--st-background-color); }
"""

_component = st.components.v2.component(
    "probing_plot",
    html='<div class="probing-plot stPlotlyChart" data-testid="stPlotlyChart" role="figure"></div>',
    css=_CSS,
    js=source("margins.js", "narrow.js", "picture.js", "plot.js"),  # together they are a module
    isolate_styles=False,
)


def plot(
    figure: Figure,
    key: str,
    alt: str,
    on_pick: Callable[[list[Any]], None] | None = None,
) -> None:
    """Draw ``figure`` in place of what was drawn under ``key`` before.

    Args:
        figure: figure with a height.
        key: name of the chart's container, with the CSS class ``st-key-<key>``, and of pictures saved from it.
        alt: what the chart shows, for screen readers and as the title of copied pictures.
        on_pick: called with the customdata of the point that was clicked, in a list.
    """
    theme, text = cache.theme(), to_json(figure)
    message = {
        "plotly": NAME,
        "alt": alt,
        "name": key,
        "picks": on_pick is not None,
        "about": about_picture(alt),
        "light": _address_in_light(figure, text, theme) if theme.dark else None,
        "figure": orjson.Fragment(text),
    }
    _component(
        key=key,
        data=to_json(message),  # bytes: Streamlit sends them as they are
        on_picked_change=(lambda: on_pick(st.session_state[key]["picked"])) if on_pick else (lambda: None),
    )


def _address_in_light(figure: Figure, text: bytes, theme: Theme) -> str:
    """Return the address of ``figure``, whose JSON is ``text``, in light colors; nobody can guess it, and the same
    figure keeps it."""
    name = hashlib.blake2b(text, digest_size=16, key=_secret).hexdigest()
    with _lock:
        _light[name] = lambda: figure.redrawn(Theme(models=theme.models))
        _light.move_to_end(name)
        while len(_light) > MAX_LIGHT:
            _light.popitem(last=False)
    return f"{LIGHT}/{name}"


def routes() -> list[Route]:
    """Return the routes that serve the scripts of `plot`, and charts in light colors."""

    async def light(request: Request) -> Response:
        draw = _light.get(request.path_params["name"])
        if draw is None:
            return Response("this chart is not in memory any more; reload the page", 404)
        return Response(to_json(await run_in_threadpool(draw)), media_type="application/json")

    # The comment makes browsers compile the whole script in the background instead of in parts while it starts.
    plotly = script_route(NAME, b"//# allFunctionsCalledOnLoad\n" + get_plotlyjs().encode())
    return [plotly, route(f"{LIGHT}/{{name}}", light)]
