"""The "Before and after" page: the edits between two images, and what they do to embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.components.compare_slider import compare_slider
from dashboard.data import cache, differences
from dashboard.data.pictures import VisitorPicture
from dashboard.page import page
from dashboard.text import plain, strength_in_words
from dashboard.widgets import messages, pickers, tables, upload
from probing_core.api.diff import ENLARGED
from probing_core.api.diff_results import Difference, effect_row
from probing_core.charts.interval_chart import interval_chart
from probing_core.errors import ProbingError
from probing_core.measures.notation import BASELINE, decimal, in_percent
from probing_core.transforms import resolve

SOURCES = {"pair": "Two images", "edit": "One image and an edit"}

STRENGTH_STEPS = 11
"""Number of strengths of an edit that visitors select from."""


@page("Before and after", "Upload an image before and after a pipeline to see what the pipeline did.")
def show() -> None:
    left, right = st.columns([1, 3], gap="medium")
    with left:
        pair = _choose()
    with right:
        if pair is None:
            messages.empty("Upload the second image, too.")
            return
        _compare(*pair)


def _choose() -> tuple[VisitorPicture, VisitorPicture] | None:
    """Show the upload fields, and return the images before and after, or None if one of them is missing."""
    source = state.choice(
        st.radio, "Compare", "source", "pair", list(SOURCES), format_func=SOURCES.__getitem__, horizontal=True
    )
    befores = upload.upload("Before", "before-upload", several=False, keep=True)
    if source == "edit":
        before = befores[-1] if befores else differences.example()[0]
        return before, _edited(before)
    afters = upload.upload("After", "after-upload", several=False, keep=True)
    if befores and afters:
        return befores[-1], afters[-1]
    if befores or afters:
        return None
    st.caption("Example: a photograph, resized and saved as JPEG. Upload two images to compare them.")
    return differences.example()


def _edited(before: VisitorPicture) -> VisitorPicture:
    transform = resolve(pickers.pick_transform(cache.current_run(), default="jpeg"))
    steps = np.linspace(0, 1, STRENGTH_STEPS)
    strengths = list(dict.fromkeys(transform.strength_at(float(step)) for step in steps))
    strength = strengths[0]
    if len(strengths) > 1:
        strength = st.select_slider(
            "Strength",
            strengths,
            strengths[len(strengths) // 2],
            key=f"edit-strength-{transform.name}",
            format_func=lambda value: strength_in_words(transform.name, value),
        )
    return differences.edited(before, transform.name, strength)


def _compare(before: VisitorPicture, after: VisitorPicture) -> None:
    try:
        with st.spinner("Searching for edits"):
            result = differences.difference_of(before, after)
    except ProbingError as error:
        st.error(plain(str(error)))
        return
    st.subheader(plain(headline(result)), anchor=False)
    pair = result.pairs[0]
    if pair.named and pair.edits:
        st.caption(f"This leaves {in_percent(pair.unexplained, 1)} of the difference between the images unexplained.")
    shown = differences.views(before, after, result)
    images, chart = st.columns([3, 2], gap="medium")
    with images:
        compare_slider(shown.before, shown.after, shown.ratio, "compare")
    with chart, st.container(height=420, border=False):
        _effects(before, after, result)
    with st.expander(f"Difference, enlarged {ENLARGED} times"):
        st.image(shown.difference, width=560, alt="Difference between the images")
    notes = [*before.notes, *after.notes]
    if notes:
        st.caption("  \n".join(f":material/flag: {plain(note)}" for note in dict.fromkeys(notes)))


def headline(result: Difference) -> str:
    """Return the sentence that describes what was done to the only pair."""
    return result.summary.sentence


def _effects(before: VisitorPicture, after: VisitorPicture, result: Difference) -> None:
    """Show the embedding shift of each model: at once for image hashes, and for encoders once they are loaded."""
    place = st.empty()
    with place.container():
        _chart(result)
    models = differences.available()
    # Loading encoders takes seconds, so that visitors ask for them.
    if not models or not state.choice(st.toggle, "Compare encoders, too", "encoders", False):
        return
    try:
        with st.spinner("Embedding with the included encoders"):
            complete = differences.effects_of(before, after, models)
    except ProbingError as error:
        st.warning(plain(str(error)))
        return
    with place.container():
        _chart(complete, "effects")


def _chart(result: Difference, key: str = "effects-of-hashes") -> None:
    theme = cache.theme()
    rows: list[dict[str, Any]] = []
    for effect in result.models:
        is_duplicate = "recognized as a duplicate" if effect.recall.value else "not recognized as a duplicate"
        found = "retrieved" if effect.found.value else "not retrieved"
        rows.append(
            {
                "name": effect.model,
                "title": effect.title,
                "text": "" if effect.recall.value else "missed",
                "value": effect.shift.value,
                "low": effect.shift.low,
                "high": effect.shift.high,
                "color": theme.muted if effect.model.startswith(BASELINE) else theme.text,
                "symbol": "circle" if effect.recall.value else "x",
                "hover": f"{effect.title}: shift {decimal(effect.shift.value, 2)}; {is_duplicate} at one false match "
                f"in 1,000; original {found} among {effect.gallery} photographs",
            }
        )
    largest = max([1.0, *(effect.shift.value for effect in result.models)])
    axis = {"title": "shift<br>(1: a different photograph)", "range": [-0.03, 1.08 * largest]}
    table = pd.DataFrame([effect_row(effect) for effect in result.models])
    st.markdown("**Embedding shift** by model")
    tables.chart(interval_chart(pd.DataFrame(rows), theme, axis), key, table, "Embedding shift of each model")
    st.caption("✕: no longer recognized as a duplicate at one false match in 1,000.")


show()
