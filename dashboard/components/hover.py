"""Pictures under the pointer: a component that listens to a chart and fetches the pictures of one point at a time.

It runs in the page, attaches itself to the Plotly chart inside the container ``st-key-chart-<key>``, and shows the
pictures of the point under the pointer. The browser fetches them by their address, so no script runs for them, and
caches them. Clicking a point shows the pictures without this component.
"""

from __future__ import annotations

from weakref import WeakValueDictionary

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard.components.serving import route, source
from dashboard.data import cache
from probing_core.errors import ProbingError
from probing_core.results import Run

REST_MS = 120
"""Time in milliseconds that the pointer must rest on a point before its pictures are fetched."""

FOLDER = "samples"
WHICH = ("before", "after")
"""Names of the pictures of a sample, from left to right."""

_runs: WeakValueDictionary[str, Run] = WeakValueDictionary()
"""Runs whose pictures are shown, by digest."""

_CSS = """
.probing-hover { position: fixed; inset: auto; margin: 0; pointer-events: none; padding: 4px; border-radius: 6px;
  background: var(--st-background-color); border: 1px solid var(--st-border-color, #8884);
  box-shadow: 0 2px 10px #0004; }
.probing-hover img { display: inline-block; width: 112px; height: 112px; margin: 2px; image-rendering: auto; }
"""

_component = st.components.v2.component(
    "probing_hover",
    html='<div class="probing-hover" popover="manual" aria-hidden="true"></div>',
    css=_CSS,
    js=source("hover.js"),
)


def pictures_on_hover(chart: str, run: Run) -> None:
    """Show the pictures of the point under the pointer of the chart called ``chart``.

    The points of the chart carry the sample of ``run`` as customdata.
    """
    _runs[run.digest] = run
    _component(
        key=f"hover-{chart}",
        data={"chart": chart, "folder": f"{FOLDER}/{run.digest}", "which": WHICH, "rest": REST_MS},
        height="content",
    )


def routes() -> list[Route]:
    """Return the routes that serve the pictures of `pictures_on_hover`."""

    async def serve(request: Request) -> Response:
        run, sample, which = (request.path_params[name] for name in ("run", "sample", "which"))
        shown = _runs.get(run)
        if shown is None or sample >= shown.sample_count or which not in WHICH:
            return Response("There is no such picture.", 404)
        try:
            jpeg = await run_in_threadpool(cache.picture, shown, sample, before=which == WHICH[0])
        except ProbingError:  # the corpus is missing; the page states it where it shows pictures
            return Response("The pictures are not on this computer.", 404)
        return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})

    return [route(f"{FOLDER}/{{run}}/{{sample:int}}/{{which}}", serve)]
