"""The uses of an embedding: a card for each, with the best model of a run."""

from __future__ import annotations

import streamlit as st

from dashboard.data import cache
from dashboard.text import in_bold, unbroken
from dashboard.widgets import messages
from probing_core.results import Run, sentences

USES = {
    "duplicates": "Finding duplicates",
    "content": "Retrieval by content",
    "altered": "Finding pictures altered alike",
}
"""Use, as in the table of uses -> the title of its card."""


def show_cards(run: Run) -> None:
    """Show a card for each use, with the best model of ``run`` and those that are not distinguished from it."""
    words = {use: cache.computed(run, best_for, use) for use in USES}
    if not any(words.values()):
        messages.empty(
            "No use is measured in this run: that takes 30 photographs, and the embeddings; the reference run has it."
        )
        return
    for column, (use, title) in zip(st.columns(len(USES)), USES.items(), strict=True):
        with column, st.container(border=True, height="stretch", gap="small"):
            st.markdown(f"**{title}**")
            st.markdown(unbroken(words[use]) or "Not measured in this run.")


def best_for(run: Run, use: str) -> str:
    return sentences.best_for(run, use, in_bold)


def finds_originals(run: Run) -> str:
    return sentences.originals_finding(run, in_bold)
