"""Prepares what takes the server longer than half a second, so that the first visitor does not wait for it.

In seconds on two cores that do nothing else: the ranking of the first page 0.7, that of two classes 0.7, opening the
packaged photographs 0.8, the sheet of all transformations 0.7. The first maps, 0.1, are here since a browser needs 0.3
more for the first of them. Everything else is computed when a page needs it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import streamlit as st

from dashboard.data import cache
from dashboard.data.contact_sheet import contact_sheet
from dashboard.data.map_points import COLORINGS, is_small, points_of
from dashboard.data.pictures import chosen
from dashboard.data.point_cloud import point_cloud
from dashboard.data.two_classes import board_of, most_mistaken
from probing_core.errors import ProbingError, one_line
from probing_core.results import Run

PAUSE_S = 2.0
"""The browser is still fetching what the first page needs."""


@asynccontextmanager
async def before_serving(_: st.App) -> AsyncIterator[None]:
    """Computes what the first page shows."""
    _prepare("The first page", first_page)
    yield


@st.cache_resource(show_spinner=False)
def after_first_page() -> threading.Thread:
    """Begins to compute what other pages begin with, once for the server; whoever opens one meanwhile waits for it."""
    thread = threading.Timer(PAUSE_S, _prepare, ("Other pages", other_pages))
    thread.daemon = True
    thread.start()
    return thread


def first_page() -> None:
    if run := _first_run():
        cache.board((run,), "fine", "seen", False)


def other_pages() -> None:
    first = cache.corpus(cache.PACKAGED).rows["image_id"].iloc[0]
    picture = chosen(first, cache.corpus_image(cache.PACKAGED, first))
    if run := _first_run():
        _first_maps(run)
    if run and run.tasks:
        task = run.tasks[0]
        cache.computed(run, board_of, task, "seen", *cache.computed(run, most_mistaken, task))
    contact_sheet(picture)


def _first_maps(run: Run) -> None:
    models = [model for model in run.models["name"][:2] if run.has_map(model)]
    if not models:
        return
    if is_small(run, models):
        points_of(run, models, COLORINGS[0])
        return
    for model in models:
        point_cloud(run, model, tuple(run.classes("group"))).codes(COLORINGS[0])


def _first_run() -> Run | None:
    place = next((place for place in cache.places() if place.complete), None)
    return None if place is None else cache.open_run(place.path)


def _prepare(what: str, compute: Callable[[], None]) -> None:
    """Whatever goes wrong here, the pages that work are served."""
    try:
        compute()
    except ProbingError:
        pass  # the page shows it
    except Exception as error:
        logging.getLogger(__name__).warning("%s: not prepared, because of %s", what, one_line(error))
