"""The explorer of a run as a component: its points and pictures have addresses, so no script runs for them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
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
"""Name of the choice that holds the selection, as JSON."""

MOST_MODELS = 16
"""Largest number of models in the menus; the map of one is fetched when it is chosen."""

QUALITY = 88
PICTURES_KEPT = 2048

_shown: WeakValueDictionary[str, Explorer] = WeakValueDictionary()
"""Explorers in memory, by the second part of their addresses."""

_component = st.components.v2.component(
    "probing_explorer",
    html='<div class="probing-explorer" data-testid="explorer"></div>',
    css=source("explorer.css") + serving.source("explorer.css"),
    js=source(*SCRIPTS) + serving.source("explorer.js"),
    isolate_styles=False,
)


class Explorer:
    """Addresses and bytes that the browser fetches for one run.

    Attributes:
        address: prefix of the addresses, which nobody can guess.
        data: the points.
        header: describes the bytes of ``parts``.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.data = run, explorer_data(run, default_models(run, MOST_MODELS))
        self.header, self.parts = packed(self.data)
        name = secrets.token_urlsafe(16)
        self.address = f"{FOLDER}/{name}"
        self.sample, self.photograph = lru_cache(PICTURES_KEPT)(self._sample), lru_cache(PICTURES_KEPT)(self._whole)
        _shown[name] = self

    def _sample(self, sample: int) -> bytes:
        return encode_webp(self.run.picture(sample)[1], QUALITY)

    def _whole(self, photo: int) -> bytes:
        image = np.array(self.run.pictures.photograph(self.data.images[photo]))
        height, width = image.shape[:2]
        view = self.run.recipe.view
        side = min(height, width) * view / source_side(view)
        left, top = (width - side) / 2, (height - side) / 2
        first, last = (round(left), round(top)), (round(left + side), round(top + side))
        cv2.rectangle(image, first, last, (0, 0, 0), 3)
        cv2.rectangle(image, first, last, (255, 255, 255), 1)
        return encode_webp(image, QUALITY)


@st.cache_resource(hash_funcs=cache.BY_DIGEST, max_entries=3, show_spinner=False)
def explorer_of(run: Run) -> Explorer:
    """Return the explorer of ``run``, which all visitors share.

    Raises:
        BadRun: no sample of the run has both a place on a map and a prediction.
    """
    return Explorer(run)


def explorer(run: Run, own: Mapping[str, Any] | None = None) -> None:
    """Draw the explorer of ``run``; the address of the page holds the selection.

    Args:
        own: a picture of the visitor on the maps by everything: ``title``, and ``places``, model -> (x, y).
    """
    found = explorer_of(run)

    def keep() -> None:
        text = st.session_state["explorer"].get(SELECTION)
        if isinstance(text, str):
            state.choose(SELECTION, text)

    stored = state.stored_choice(SELECTION)
    message = {
        "address": found.address,
        "header": found.header,
        "pictures": not run.pictures.why_not,
        "selection": _parsed(stored),
        "visit": state.visits(),
        "own": own,
    }
    _component(key="explorer", data=message, on_selection_change=keep)
    if stored:
        state.publish(SELECTION, stored)


def shown_models(run: Run) -> list[str]:
    names = [model.name for model in explorer_of(run).data.models]
    chosen = _parsed(state.stored_choice(SELECTION)) or {}
    return list(dict.fromkeys(chosen[m] for m in "ab" if chosen.get(m) in names)) or names[:2]


def chosen_cell(run: Run) -> tuple[str, str]:
    """Return the true class and the answer that are chosen in the explorer, at first those of its first cell; empty
    where there is none, or several."""
    stored = _parsed(state.stored_choice(SELECTION))
    if stored is not None:
        what = stored.get("what")
        row, column = (_only(what.get(side)) if isinstance(what, dict) else "" for side in ("rows", "columns"))
        return row, column
    data = explorer_of(run).data
    row, column = (data.classes[cls].name for cls in data.first_cell) if data.first_cell else ("", "")
    return row, column


def take_over(under: str, choices: Mapping[str, str]) -> None:
    """Set ``choices`` (name of a control -> value, as the explorer has it) unless that was done for the same values
    before, which is kept under the name ``under``: the visitor may have chosen others since."""
    values = ",".join(choices.values())
    is_own = state.stored_choice(SELECTION) or not any(map(state.stored_choice, choices))
    if is_own and state.stored_choice(under) != values:
        for name, value in choices.items():
            state.choose(name, value)
        state.publish(under, values)


def _only(names: Any) -> str:
    return names[0] if isinstance(names, list) and len(names) == 1 and isinstance(names[0], str) else ""


def _parsed(text: str) -> Any:
    try:
        found = json.loads(text) if text else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def routes() -> list[Route]:
    def serve(make: Callable[..., bytes], kind: str) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            name, *arguments = request.path_params.values()
            found = _shown.get(name)
            if found is None:
                return Response("This explorer is not in memory any more; reload the page.", 404)
            try:
                content = await run_in_threadpool(make, found, *arguments)
            except (PicturesMissing, IndexError, KeyError):
                return Response("There are no such points, and no such picture.", 404)
            return Response(content, media_type=kind, headers={"Cache-Control": "private, max-age=86400"})

        return answer

    array, webp = "application/octet-stream", "image/webp"
    return [
        route(f"{FOLDER}/{{name}}/sample/{{i:int}}", serve(lambda found, i: found.sample(i), webp)),
        route(f"{FOLDER}/{{name}}/photograph/{{i:int}}", serve(lambda found, i: found.photograph(i), webp)),
        route(f"{FOLDER}/{{name}}/{{part:path}}", serve(lambda found, part: found.parts[part], array)),
    ]
