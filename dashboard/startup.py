"""Precomputation of slow page content."""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

import streamlit as st

from dashboard.components.explorer import explorer_of
from dashboard.data import cache, predictions
from dashboard.data.pictures import VisitorPicture
from dashboard.data.previews import contact_sheet
from dashboard.data.strip import strip_of
from dashboard.widgets import recall_by_edit
from probing_core.errors import ProbingError, one_line
from probing_core.measures.statistics import with_place
from probing_core.results import Run, generalization, retrieval
from probing_core.transforms import bank

PAUSE_S = 2.0
"""Delay in seconds before other pages are prepared, so that the browser can load the first page."""


LONGEST_WAIT_S = 10.0
"""Maximum time in seconds for which the preparation of other pages is paused while pages are computed for visitors."""

_changed = threading.Condition()

_visitors: list[int] = []
"""One entry for each page that is being computed for a visitor."""


@asynccontextmanager
async def before_serving(_: st.App) -> AsyncIterator[None]:
    """Load the plug-ins given on the command line, and compute the first page before the server accepts requests.

    Raises:
        BadConfig: a plug-in file does not exist or cannot be run.
    """
    cache.load_plugins()
    _prepare("The first page", first_page)
    yield


@st.cache_resource(show_spinner=False)
def after_first_page() -> threading.Thread:
    """Start a thread that computes the initial content of the other pages. It is started once per server.

    If a visitor opens one of these pages in the meantime, the page waits for the thread.
    """
    thread = threading.Timer(PAUSE_S, _prepare, ("Other pages", other_pages))
    thread.daemon = True
    atexit.register(_finish, thread)
    thread.start()
    return thread


def _finish(thread: threading.Timer) -> None:
    """Wait until ``thread`` has ended. The process would be aborted if it ended while a library computes."""
    thread.cancel()  # if it has not begun
    thread.join()


def first_page() -> None:
    if run := _first_run():
        explorer_of(run)


def other_pages() -> None:
    for compute in _parts_of_pages():
        with _changed:
            _changed.wait_for(lambda: not _visitors, LONGEST_WAIT_S)
        compute()


def _parts_of_pages() -> Iterator[Callable[[], object]]:
    """Yield functions that compute a part of a page in a fraction of a second."""
    if run := _first_run():
        board = cache.board(run)
        if len(board):
            yield partial(cache.computed, run, strip_of, tuple(with_place(board["model"])))
            for model in with_place(run.models["name"]):
                yield partial(generalization.rates_of, run, model)
        yield partial(cache.computed, run, recall_by_edit.scored, None)
        yield partial(cache.computed, run, retrieval.originals)
        yield partial(predictions.accuracies, run)
    first = cache.packaged().rows["image_id"].iloc[0]
    yield lambda: contact_sheet(VisitorPicture.from_array(first, cache.packaged_image(first)), bank())


@contextmanager
def visitor_first() -> Iterator[None]:
    """Pause the preparation of other pages within the context, in which a page is computed for a visitor."""
    with _changed:
        _visitors.append(1)
    try:
        yield
    finally:
        with _changed:
            _visitors.pop()
            _changed.notify_all()


def _first_run() -> Run | None:
    place = next((place for place in cache.places() if place.complete), None)
    return None if place is None else cache.open_run(place.path)


def _prepare(what: str, compute: Callable[[], None]) -> None:
    """Call ``compute``, and log unexpected errors instead of raising them. Pages also work without this preparation."""
    try:
        compute()
    except ProbingError:
        pass  # the page shows the error
    except Exception as error:
        logging.getLogger(__name__).warning("%s could not be prepared: %s", what, one_line(error))
