"""Pictures of samples, or the reason why there are none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.data import cache
from dashboard.text import plain, unbroken
from dashboard.widgets.messages import empty
from probing_core.measures.notation import model_title
from probing_core.results import PicturesMissing, Run, retrieval

PAGE = 24

THUMBNAIL = 128
"""Side of a picture in pixels."""


def show(run: Run, rows: pd.DataFrame, key: str, caption: Callable[[Any], str]) -> None:
    """Show pictures of samples, a page at a time, with their number.

    Args:
        rows: a column ``sample`` and other columns for the captions; this function adds what the run knows of the
            samples that are shown.
        caption: row (a named tuple) -> the text beneath its picture.
    """
    total = len(rows)
    if not total:
        empty("No picture is in this selection; choose another one.")
        return
    pages = -(-total // PAGE)
    page = 1
    if pages > 1:
        state.remember(f"{key}-page", range(1, pages + 1), 1, "Page")
        page = st.number_input("Page", 1, pages, key=f"{key}-page", width=160)
        state.publish(f"{key}-page", page)
    first = (page - 1) * PAGE
    shown = cache.described(run, rows.iloc[first : first + PAGE])
    try:
        pictures = cache.pictures(run, shown)
    except PicturesMissing as error:
        pictures_missing(run, error, key)
        return
    st.caption(f"Pictures {first + 1:,} to {first + len(shown):,} of {total:,}.")
    captions = [caption(row) for row in shown.itertuples()]
    st.image(pictures, caption=[plain(unbroken(text)) for text in captions], width=THUMBNAIL, alt=captions)


def pictures_missing(run: Run, error: PicturesMissing, key: str) -> None:
    """Show why there are no pictures, and offer a run that has them."""
    empty(plain(str(error)))
    _offer(run, lambda other: not other.pictures.why_not, "pictures", key)


def embeddings_missing(run: Run, key: str) -> None:
    """Show that there are no embeddings to find neighbors in, and offer a run that has them."""
    empty(
        "This run ships no embeddings of the chosen models, so neighbors cannot be found; a run computed here "
        "(New run, or `probing run`) has them."
    )
    _offer(run, lambda other: any(other.has_embeddings(m) for m in other.models["name"]), "embeddings", key)


def embedded_here(run: Run, models: Sequence[str]) -> None:
    """Show which of ``models`` have no embeddings in the run, and which pictures are searched instead."""
    if missing := [model_title(model) for model in models if not run.has_embeddings(model)]:
        searched = len(cache.computed(run, retrieval.gallery))
        st.caption(
            f"The run stores no embeddings of {plain(', '.join(missing))}. When a model is first asked, {searched:,} "
            "untouched photographs of the run are embedded here, and only these are searched."
        )


def _offer(run: Run, able: Callable[[Run], bool], what: str, key: str) -> None:
    other = next((place.name for place, other in cache.other_runs(run) if able(other)), None)
    if other is None:
        st.caption(f"`probing demo` computes a run that has {what}; New run computes one of pictures of your own.")
    elif st.button(f"Open the run '{plain(other)}', which has {what}", key=f"{key}-other-run"):
        state.choose("run", other)
        st.rerun()
