"""Display of the main result of a page, and messages about missing content and errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import streamlit as st

from dashboard.data import cache
from dashboard.text import plain
from probing_core.errors import ProbingError
from probing_core.measures.notation import model_title
from probing_core.measures.statistics import with_place
from probing_core.results import Run

MAX_NAMED = 4
"""Maximum number of omitted models that are listed by name."""


def guarded(show: Callable[..., None]) -> Callable[..., None]:
    """Wrap ``show`` so that errors are shown as messages, and the rest of the page is still rendered."""

    @wraps(show)
    def shown(*arguments: Any, **named: Any) -> None:
        try:
            show(*arguments, **named)
        except cache.NoRun as error:
            empty(str(error))
        except ProbingError as error:
            st.error(plain(str(error)), icon=":material/error:")

    return shown


def run_with_models() -> Run:
    """Return the run that the visitor selected, or the first available run.

    Raises:
        NoRun: no run with results is available, or the run has no embeddings yet.
        BadRun: the run cannot be read.
    """
    run = cache.current_run()
    if run.models.empty:
        raise cache.NoRun('This run has no embeddings yet. Resume the run on the "Evaluate your model" page.')
    return run


def left_out(models: Iterable[str], drawn: Iterable[str], reason: str) -> None:
    """Show a caption that lists the ``models`` that are not in ``drawn``, except additional seeds, and the reason.

    Args:
        models: names of all models.
        drawn: names of the models that are shown.
        reason: clause that completes "Not shown because".
    """
    drawn = set(drawn)
    out = [model_title(model) for model in with_place(models) if model not in drawn]
    if out:
        names = [*out[:MAX_NAMED], f"{len(out) - MAX_NAMED} more"] if len(out) > MAX_NAMED + 1 else out
        st.caption(f"Not shown because {reason}: {plain(', '.join(names))}.")


def finding(sentence: str) -> None:
    """Show the main result of a page.

    Args:
        sentence: the result, as Markdown.
    """
    with st.container(key="finding"):
        st.markdown(sentence)


def no_pictures(reason: str) -> None:
    """Show why the images of a run are not available, and which runs have images."""
    empty(
        f"{plain(reason)} Images are available for the demo run and for runs on your own images "
        '(see the "Evaluate your model" page).'
    )


def empty(sentence: str) -> None:
    st.info(sentence, icon=":material/info:")
