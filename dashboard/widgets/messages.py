"""Messages in place of content that is missing or failed."""

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
"""Most models that a line on those left out names; of more it also gives the number."""


def guarded(show: Callable[..., None]) -> Callable[..., None]:
    """Return ``show`` with our errors shown where they happened, as one sentence; the rest of the page continues."""

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
    """Return the run that the visitor has selected.

    Raises:
        NoRun: there is no run, or none of its models has been embedded.
    """
    run = cache.current_run()
    if run.models.empty:
        raise cache.NoRun("This run has no embeddings yet. Resume it on Evaluate your model.")
    return run


def left_out(models: Iterable[str], drawn: Iterable[str], reason: str) -> None:
    """Show which of the ``models``, except repeated trainings, are not among those ``drawn``, and why; nothing if all
    are.

    Args:
        reason: the reason, as the end of a sentence.
    """
    drawn = set(drawn)
    out = [model_title(model) for model in with_place(models) if model not in drawn]
    if out:
        names = [*out[:MAX_NAMED], f"{len(out) - MAX_NAMED} more"] if len(out) > MAX_NAMED + 1 else out
        st.caption(f"Not here, since {reason}: {plain(', '.join(names))}.")


def finding(sentence: str) -> None:
    """Show what a run found, in Markdown, as the sentence that a page begins with."""
    with st.container(key="finding"):
        st.markdown(sentence)


def no_pictures(reason: str) -> None:
    """Show why there are no pictures of a run, and what to do."""
    empty(
        f"{plain(reason)} `probing demo` computes a run that has images. The page Evaluate your model computes one of "
        "your own images."
    )


def empty(sentence: str) -> None:
    st.info(sentence, icon=":material/info:")
