"""What every visitor's first pages need, made before they are asked for: on the server, and in the browser."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.components import plot
from dashboard.data import cache, two_classes
from dashboard.data.contact_sheet import VIEW, contact_sheet
from dashboard.data.previews import preview
from dashboard.widgets import upload
from probing_core.charts import Figure, Theme, leaderboard_chart, map_chart
from probing_core.charts.maps import category_looks
from probing_core.charts.theme import SYMBOLS
from probing_core.errors import ProbingError, one_line
from probing_core.results import Run, summaries
from probing_core.runs import layout
from probing_core.transforms import bank

PAUSE_S = 10.0
"""Before the sheet of transformations, which takes all cores for a second: whoever came first is using the pages."""


@asynccontextmanager
async def before_serving(_: st.App) -> AsyncIterator[None]:
    """Reads and computes what the first page shows: two seconds that its visitor would wait, imports included.

    Whatever goes wrong here keeps nobody from the pages that work.
    """
    _hush()
    keep_uploads_in_memory()
    _prepare("The first page", _first_page)
    yield


def keep_uploads_in_memory() -> None:
    """The server would write what is larger than a megabyte into a file without a name while it arrives."""
    from starlette.formparsers import MultiPartParser

    MultiPartParser.spool_max_size = 2 * upload.MEGABYTES * 2**20  # what is larger than half of it is refused


def _hush() -> None:
    """Streamlit warns of every cache that is filled outside a session."""
    logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context").setLevel(logging.ERROR)


def _first_run() -> Run | None:
    place = next((place for place in cache.places() if place.complete), None)
    return None if place is None else cache.open_run(place.path)


def _first_page() -> None:
    run = _first_run()
    if run is None:
        return
    board = cache.board((run,), "fine", "seen")
    if not board.empty:
        leaderboard_chart(board, Theme(models=tuple(run.models["name"])))
        models = tuple(board["model"])
        for make in (summaries.other_probes, summaries.repetitions, summaries.certainty, summaries.by_group):
            cache.computed(run, make, models)
        cache.computed(run, summaries.scored, "fine")
        cache.computed(run, summaries.substance)
        cache.computed(run, summaries.content_classes)
    for name in ("claims", "contrasts", "ablations"):
        cache.table(run, layout.table_path(name))


def charts() -> None:
    """A map that nobody sees: the browser starts Plotly and its graphics while its visitor reads the first page."""
    if "_charts_ahead" in st.session_state:
        return
    st.session_state["_charts_ahead"] = True
    with st.container(key="warm"):
        plot.ahead(_some_map(cache.theme()), "map")


def _some_map(theme: Theme) -> Figure:
    """Two panels with every symbol that maps have."""
    names = [f"category {i}" for i in range(len(SYMBOLS))]
    x, y = np.random.default_rng(0).standard_normal((2, 40 * len(names)))
    points = pd.DataFrame({"sample": range(len(x)), "x": x, "y": y, "category": names * 40, "hover": ""})
    return map_chart({"one": points, "two": points}, theme, category_looks(names, theme))


@st.cache_resource(show_spinner=False)
def start() -> threading.Thread:
    """What the server keeps, made once, after its first page is out.

    Whoever opens such a page meanwhile waits for the same work instead of doing it.
    """
    thread = threading.Thread(target=_warm, name="warm")  # no daemon: see `live.prepare`
    thread.start()
    return thread


def _warm() -> None:
    _hush()
    _prepare("What other pages begin with", _tables)
    _prepare("The first picture", _picture)
    _prepare("The form of a new run", _form)
    _prepare("The offer of another run", _offer)
    threading.main_thread().join(PAUSE_S)  # no sleep: a server that ends does not wait for it
    if threading.main_thread().is_alive():
        _prepare("The sheet of transformations", _sheet)


def _prepare(what: str, make: Callable[[], None]) -> None:
    try:
        make()
    except ProbingError:
        pass  # the page says so
    except Exception as error:
        logging.getLogger(__name__).warning("%s was not prepared: %s", what, one_line(error))


def _first_picture() -> upload.Chosen:
    first = cache.corpus(cache.PACKAGED).rows["image_id"].iloc[0]
    return upload.chosen(first, cache.corpus_image(cache.PACKAGED, first))


def _picture() -> None:
    picture = _first_picture()
    transform = next(t for t in bank() if t.group != "identity")
    shown = preview(picture, picture.key, VIEW, transform, transform.name)
    shown.told([len(shown.strengths) // 2])


def _sheet() -> None:
    picture = _first_picture()
    contact_sheet(picture, picture.key)


def _form() -> None:
    cache.corpus_size(cache.PACKAGED)
    cache.model_catalog()


def _tables() -> None:
    """What other pages show of the models that they begin with."""
    run = _first_run()
    if run is None:
        return
    models = list(run.models["name"])
    for task in run.tasks:
        cache.board((run,), task, "seen")
    for name in ("cka", "dimension", "erasure", "selectivity", "codelength", "geometry", "ood"):
        cache.table(run, layout.table_path(name))
    for make in (summaries.layers, summaries.rotations):
        cache.computed(run, make)
    for model in models[:2]:
        cache.placed_samples(run, model)
        cache.predictions(run, model, "fine")
    for model in models[:1]:
        cache.computed(run, summaries.shifts, model)
        for task in run.tasks:
            cache.predictions(run, model, task)
        cache.computed(run, summaries.members, model)
        for rotation in [task for task in run.tasks if task.startswith("group-")][:1]:
            cache.computed(run, summaries.landing, model, rotation)
    for task in run.tasks[:1]:
        cache.computed(run, two_classes.board_of, task, "seen", *cache.computed(run, two_classes.most_mistaken, task))
    for measure in ("generalization-gap", "called-identity"):
        cache.computed(run, summaries.rotations, measure)


def _offer() -> None:
    """Whether another run has the pictures that the first one lacks."""
    run = _first_run()
    if run is not None and not cache.has_pictures(run):
        cache.another_run(run, cache.has_pictures)
