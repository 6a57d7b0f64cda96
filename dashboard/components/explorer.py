"""Streamlit component with the explorer of a run. The browser fetches points and images without a script rerun."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any
from weakref import WeakValueDictionary

import cv2
import numpy as np
import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard import state
from dashboard.components import serving
from dashboard.components.serving import route
from dashboard.data import cache
from probing_core.images import encode_webp
from probing_core.results import PicturesMissing, Run
from probing_core.results.explorer.data import SCRIPTS, default_models, explorer_data, packed, source
from probing_core.transforms.view import source_side

FOLDER = "explorer"
SELECTION = "selection"
"""Name of the selection in the session state and the URL. Its value is JSON."""

VISITOR = "visitor"
"""Key of the visitor in the session state, and name of the query parameter that contains `Visitor.key`."""

MOST_MODELS = 16
"""Maximum number of models in the menus. The map of a model is fetched when the model is selected."""

QUALITY = 88
IMAGES_KEPT = 2048
CACHED = {"Cache-Control": "private, max-age=86400"}
NUMBER = re.compile("[0-9]{1,9}")
LARGEST_SIDE = 640
"""Maximum side length in pixels of photographs in the dialog."""

AT_ONCE = 2
"""Maximum number of images that are computed simultaneously for one visitor."""

WAITING = 100
"""Maximum number of pending requests from one visitor. Additional requests are refused."""

_explorers: WeakValueDictionary[str, Explorer] = WeakValueDictionary()
"""Explorers in memory, by the token in their URLs."""

_visitors: WeakValueDictionary[str, Visitor] = WeakValueDictionary()
"""Visitors by key. Visitors are removed when their session ends."""

_component = st.components.v2.component(
    "probing_explorer",
    html='<div class="probing-explorer" data-testid="explorer"></div>',
    css=source("explorer.css"),
    js=source(*SCRIPTS) + serving.source("explorer.js"),
    isolate_styles=False,
)


class Explorer:
    """Explorer data of one run, which the browser fetches.

    Attributes:
        run: the run.
        address: URL prefix, which contains a random token.
        data: points of the explorer.
        header: description of the bytes in ``parts``.
        parts: rest of the URL -> binary data.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.data = run, explorer_data(run, default_models(run, MOST_MODELS))
        self.header, self.parts = packed(self.data)
        name = secrets.token_urlsafe(16)
        self.address = f"{FOLDER}/{name}"
        self._encoded = lru_cache(IMAGES_KEPT)(self._sample)
        self._photograph = lru_cache(IMAGES_KEPT)(self._whole)
        _explorers[name] = self

    def sample(self, sample: int) -> bytes:
        """Return the image of a sample in WebP format.

        Raises:
            KeyError: the explorer does not contain the sample.
            PicturesMissing: the images of the run cannot be recomputed.
        """
        if sample not in self.data.sample:
            raise KeyError(sample)
        return self._encoded(sample)

    def photograph(self, number: int) -> bytes:
        """Return the full photograph of a crop in WebP format, with an outline of the crop.

        Raises:
            IndexError: there is no crop with this number.
            PicturesMissing: the images of the run cannot be recomputed.
        """
        return self._photograph(number)

    def _sample(self, sample: int) -> bytes:
        return encode_webp(self.run.picture(sample)[1], QUALITY)

    def _whole(self, number: int) -> bytes:
        photograph = self.run.pictures.photograph(self.data.crops[number])
        scale = min(1.0, LARGEST_SIDE / max(photograph.shape[:2]))
        image = np.array(photograph)
        if scale < 1:
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        height, width = image.shape[:2]
        view = self.run.recipe.view
        side = min(height, width) * view / source_side(view)
        left, top = (width - side) / 2, (height - side) / 2
        first, last = (round(left), round(top)), (round(left + side), round(top + side))
        cv2.rectangle(image, first, last, (0, 0, 0), 3)
        cv2.rectangle(image, first, last, (255, 255, 255), 1)
        return encode_webp(image, QUALITY)


class TooMany(Exception):
    """Raised if too many requests from one visitor are pending."""


class Visitor:
    """Limits on simultaneous computations and pending requests of one visitor.

    Attributes:
        key: random token in the URLs of images.
    """

    def __init__(self) -> None:
        self.key = secrets.token_urlsafe(12)
        _visitors[self.key] = self
        self._slots, self._requests = asyncio.Semaphore(AT_ONCE), 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Return a context manager that waits until fewer than `AT_ONCE` images are being computed for the visitor.

        Raises:
            TooMany: `WAITING` requests are already pending.
        """
        if self._requests >= AT_ONCE + WAITING:
            raise TooMany
        self._requests += 1
        try:
            async with self._slots:
                yield
        finally:
            self._requests -= 1


def _visitor() -> Visitor:
    """Return the visitor of the current session."""
    if VISITOR not in st.session_state:
        st.session_state[VISITOR] = Visitor()
    return st.session_state[VISITOR]


@st.cache_resource(hash_funcs=cache.BY_DIGEST, max_entries=3, show_spinner=False)
def explorer_of(run: Run) -> Explorer:
    """Return the explorer of ``run``, which all visitors share.

    Raises:
        BadRun: no model has both a map and predictions, or no sample is on the maps of all models.
    """
    return Explorer(run)


def explorer(run: Run, own_image: Mapping[str, Any] | None = None) -> None:
    """Show the explorer of ``run``, and write its selection to the URL of the page.

    Args:
        own_image: ``title`` of an uploaded image to show on the maps of full embeddings, and its ``places`` (x, y) by
            model.
    """
    selected_explorer = explorer_of(run)

    def keep() -> None:
        text = st.session_state["explorer"].get(SELECTION)
        if isinstance(text, str):
            state.choose(SELECTION, text)

    if state.is_undone(SELECTION):
        state.forget(SELECTION)
    stored = state.stored_choice(SELECTION)
    message = {
        "address": selected_explorer.address,
        "header": selected_explorer.header,
        "images": not run.pictures.why_not,
        "visitor": _visitor().key,
        "selection": _parsed(stored),
        "visit": state.visits(),
        "own": own_image,
    }
    _component(key="explorer", data=message, on_selection_change=keep)
    if stored:
        state.publish(SELECTION, stored)


def shown_models(run: Run) -> list[str]:
    """Return the names of the models on the two maps, or one name if both maps show the same model."""
    names = [model.name for model in explorer_of(run).data.models]
    selected = selection() or {}
    return list(dict.fromkeys(selected[m] for m in "ab" if selected.get(m) in names)) or names[:2]


def selection() -> dict[str, Any] | None:
    """Return the visitor's selection in the explorer, or None if there is no valid selection."""
    return _parsed(state.stored_choice(SELECTION))


def _parsed(text: str) -> Any:
    try:
        content = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def routes() -> list[Route]:
    def image(encode: Callable[[Explorer, int], bytes]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            requested = _explorers.get(request.path_params["name"])
            visitor = _visitors.get(request.query_params.get(VISITOR, ""))
            number = request.path_params["number"]
            if requested is None or visitor is None or not NUMBER.fullmatch(number):
                return Response("The image does not exist. Reload the page.", 404)
            try:
                async with visitor.turn():
                    content = await run_in_threadpool(encode, requested, int(number))
            except TooMany:
                return Response("Too many requests. Try again in a minute.", 429, {"Retry-After": "10"})
            except (PicturesMissing, IndexError, KeyError):
                return Response("The image does not exist.", 404)
            return Response(content, media_type="image/webp", headers=CACHED)

        return answer

    async def part(request: Request) -> Response:
        requested = _explorers.get(request.path_params["name"])
        if requested is None:
            return Response("This explorer is no longer in memory. Reload the page.", 404)
        content = requested.parts.get(request.path_params["part"])
        if content is None:
            return Response("The data do not exist.", 404)
        return Response(content, media_type="application/octet-stream", headers=CACHED)

    return [
        route(f"{FOLDER}/{{name}}/sample/{{number}}", image(Explorer.sample)),
        route(f"{FOLDER}/{{name}}/photograph/{{number}}", image(Explorer.photograph)),
        route(f"{FOLDER}/{{name}}/{{part:path}}", part),
    ]
