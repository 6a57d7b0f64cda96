"""Maps: a component that draws every point with WebGL, and asks the server which points a lasso or click hits.

The renderer, regl-scatterplot, is bundled by ``lab/scripts/renderer``; a browser without WebGL gets the same points as
a raster. Positions and colors are typed arrays with addresses, so no
script runs for them.
"""

from __future__ import annotations

import base64
import hashlib
import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dashboard.components.serving import route, script_route, source
from dashboard.data import cache
from dashboard.data.density import contours, densest, ends
from dashboard.data.map_points import COLORINGS, Palette, palette_of
from dashboard.data.point_cloud import FOLDER, MAX_LASSO_CORNERS, PointCloud, find_cloud
from dashboard.data.source import about_picture
from probing_core.charts import Theme, to_json
from probing_core.errors import ProbingError

_BUNDLE = Path(__file__).with_name("regl-scatterplot.min.js").read_bytes()
RENDERER = f"regl-scatterplot-{hashlib.sha256(_BUNDLE).hexdigest()[:8]}.min.js"
"""Name of the script with the digest of its content, so that browsers may cache it without limit."""

HEIGHT, HEIGHT_OF_SEVERAL = 560, 400
"""Height in pixels of a single map, and of each of several."""

MAX_PICTURED = 60
"""Number of points in view up to which their pictures stand beside them."""

_component = st.components.v2.component(
    "probing_point_map",
    html='<div class="probing-map" role="figure" data-testid="stPointMap"></div>',
    css=source("point_map.css"),
    js=source(
        "picture.js",
        "point_layers.js",
        "point_overlay.js",
        "point_pictures.js",
        "small_maps.js",
        "point_view.js",
        "point_map.js",
    ),
    isolate_styles=False,
)


@dataclass(frozen=True)
class Standing:
    """Samples that stand out on all maps of a figure; all other points fade.

    Attributes:
        samples: numbers of the samples; nothing stands out where there are none.
        name: stands where they are densest; empty where they have none.
    """

    samples: np.ndarray
    name: str = ""


@dataclass(frozen=True)
class Panel:
    """One map of a figure.

    Attributes:
        arrows: (A, 4) start x, y and end x, y, in the coordinates of ``cloud.points``.
        arrow_colors: of each arrow.
    """

    cloud: PointCloud
    arrows: np.ndarray
    arrow_colors: Sequence[str] = ()


def point_map(
    panels: Sequence[Panel],
    palette: Palette,
    key: str,
    alt: str,
    standing: Standing,
    background: str,
    on_select: Callable[[np.ndarray], None],
    hidden: Sequence[str] = (),
    on_filter: Callable[[list[str]], None] = lambda names: None,
    pictures: bool = False,
    small: bool = False,
) -> None:
    """Draw every point of ``panels``; the visitor's tool and view stay as long as the maps do.

    Args:
        palette: the colors of the points.
        key: name of the saved picture.
        alt: what the figure shows, for screen readers and as the title of copied pictures.
        standing: what stands out.
        background: the page's color, as #rrggbb.
        on_select: called with the samples that were enclosed or clicked.
        hidden: names that the legend hides at first; then it is the visitor's.
        on_filter: called with the names that the legend hides, when that has changed.
        pictures: show the points' pictures where few points are in view; the run's corpus must be on this computer.
        small: show a small map for each name of the legend, too, its points over the others.
    """
    message = {
        "renderer": RENDERER,
        "alt": alt,
        "name": key,
        "height": HEIGHT if len(panels) == 1 else HEIGHT_OF_SEVERAL,
        "background": background,
        "coloring": palette.coloring,
        "names": palette.names,
        "colors": palette.colors,
        "unit": palette.unit,
        "about": about_picture(alt),
        "light": _in_light(panels[0].cloud, palette) if cache.is_dark() else None,
        "hidden": [code for code, name in enumerate(palette.names) if name in set(hidden)],
        "standing": standing.name,
        "mostPictured": MAX_PICTURED if pictures else 0,
        "small": small,
        "panels": [_panel(panel, palette, standing.samples) for panel in panels],
    }
    clouds = [panel.cloud for panel in panels]

    def select() -> None:
        found = found_in(clouds, st.session_state[key]["enclosed"])
        if found is not None:
            on_select(found)

    def filter_by() -> None:
        sent = st.session_state[key]["filtered"]
        codes = sent if isinstance(sent, list) else []
        on_filter([name for code, name in enumerate(palette.names) if code in codes])

    _component(key=key, data=to_json(message), on_enclosed_change=select, on_filtered_change=filter_by)


def _in_light(cloud: PointCloud, palette: Palette) -> dict[str, Any]:
    """Return the colors of a picture that is made of a dark page: of the points, and by color of what is over them."""
    dark, light = Theme(dark=True), Theme()
    colors = palette_of(cloud.run, palette.coloring, cloud.model, light).colors
    swap = {dark.group(group): light.group(group) for group in cloud.run.transforms["group"]}
    swap |= dict(zip(palette.colors, colors, strict=True))
    swap |= {dark.text: light.text, dark.background: light.background}
    return {"background": light.background, "colors": colors, "swap": swap}


def _panel(panel: Panel, palette: Palette, selected: np.ndarray) -> dict[str, Any]:
    cloud = panel.cloud
    counts = np.bincount(cloud.codes(palette.coloring), minlength=len(palette.colors))
    marked = cloud.marked(selected) if len(selected) else None
    bits = None if marked is None else np.packbits(marked, bitorder="little").tobytes()
    standing = cloud.points[[] if marked is None else marked]
    lines = contours(standing)
    return {
        "title": cloud.model,
        "address": cloud.address,
        "count": len(cloud),
        "counts": counts,
        "arrows": panel.arrows.round(5),
        "arrowColors": list(panel.arrow_colors),
        "order": zlib.crc32(cloud.samples.tobytes()),
        "places": [(code, round(x, 4), round(y, 4)) for code, x, y in cloud.places(palette.coloring)],
        "selected": None if bits is None else base64.b64encode(bits).decode(),
        "contours": [[line.round(3) for line in of_share] for of_share in lines],
        "nameAt": ends(densest(standing), lines[-1]) if len(standing) else [],
    }


def found_in(clouds: Sequence[PointCloud], sent: Any) -> np.ndarray | None:
    """Return the samples that a visitor enclosed or clicked; None for a click on no point or an invalid message.

    The message ``sent`` holds ``panel``, ``coloring``, the codes that the legend hides as ``hidden``, and either
    ``corners`` (K, 2) of a lasso, or ``at`` (2,) and ``within`` of a click.
    """
    try:
        cloud, coloring = clouds[int(sent["panel"])], str(sent["coloring"])
        hidden = [int(code) for code in sent["hidden"]] if coloring in COLORINGS else []
        if "at" in sent:
            (x, y), within = sent["at"], sent["within"]
            position = cloud.nearest(float(x), float(y), float(within), coloring, hidden)
            return None if position is None else cloud.samples[[position]]
        corners = np.array(sent["corners"], float).reshape(-1, 2)
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        return None
    if not 3 <= len(corners) <= MAX_LASSO_CORNERS or not np.isfinite(corners).all():
        return None
    return cloud.enclosed(corners, coloring, hidden)


def routes() -> list[Route]:
    """Return the routes that serve the script, the arrays and the pictures of `point_map`."""
    private = {"Cache-Control": "private, max-age=3600"}

    async def array(request: Request) -> Response:
        cloud, which = find_cloud(request.path_params["name"]), request.path_params["which"]
        if cloud is None or which not in ("positions", *COLORINGS):
            return Response("This map is not in memory any more.", 404)
        numbers = cloud.points if which == "positions" else await run_in_threadpool(cloud.codes, which)
        little = np.ascontiguousarray(numbers, numbers.dtype.newbyteorder("<"))
        return Response(little.tobytes(), media_type="application/octet-stream", headers=private)

    async def picture(request: Request) -> Response:
        cloud, position = find_cloud(request.path_params["name"]), request.path_params["position"]
        if cloud is None or position >= len(cloud):
            return Response("There is no such picture.", 404)
        try:
            jpeg = await run_in_threadpool(cache.picture, cloud.run, int(cloud.samples[position]))
        except ProbingError:  # the corpus is missing; the page states it where it shows pictures
            return Response("The pictures are not on this computer.", 404)
        return Response(jpeg, media_type="image/jpeg", headers=private)

    async def nearest(request: Request) -> Response:
        cloud, asked = find_cloud(request.path_params["name"]), request.query_params
        if cloud is None:
            return Response("This map is not in memory any more.", 404)
        try:
            x, y, within = (float(asked[name]) for name in ("x", "y", "within"))
            coloring, hidden = asked["coloring"], [int(code) for code in asked["hidden"].split(".") if code]
        except (KeyError, ValueError):
            return Response("The place of the pointer is missing.", 400)
        if not all(map(math.isfinite, (x, y, within))) or coloring not in COLORINGS:
            return Response("The place of the pointer is missing.", 400)
        position = await run_in_threadpool(cloud.nearest, x, y, within, coloring, hidden)
        if position is None:
            return JSONResponse(None)
        place = cloud.points[position].tolist()
        return JSONResponse({"sample": int(cloud.samples[position]), "text": cloud.text(position), "at": place})

    return [
        script_route(RENDERER, _BUNDLE),
        route(f"{FOLDER}/{{name}}/nearest", nearest),
        route(f"{FOLDER}/{{name}}/pictures/{{position:int}}", picture),
        route(f"{FOLDER}/{{name}}/{{which}}", array),
    ]
