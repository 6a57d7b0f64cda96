"""The uses of an embedding: a card for each, with the best model of a run."""

from __future__ import annotations

import streamlit as st

from dashboard.data import cache
from dashboard.text import PAGES, in_bold, unbroken
from probing_core.results import Run, sentences

USES = {
    "duplicates": ("Finding duplicates", "Retrieval"),
    "content": ("Retrieval by content", "Retrieval"),
    "altered": ("Finding pictures altered alike", "Try your images"),
}
"""Use, as in the table of uses -> the title of its card, and of the page that it leads to."""


def show_cards(run: Run) -> bool:
    """Show a card for each use, with the best model of ``run`` and those that are not distinguished from it.

    Returns:
        Whether the run has measured any use; else nothing is shown.
    """
    words = {use: cache.computed(run, best_for, use) for use in USES}
    if not any(words.values()):
        return False
    files = {page.title: page for under in PAGES.values() for page in under}
    for column, (use, (title, leads_to)) in zip(st.columns(len(USES)), USES.items(), strict=True):
        with column, st.container(border=True, height="stretch", gap="small"):
            st.markdown(f"**{title}**")
            st.markdown(unbroken(words[use]) or "Not measured in this run.")
            page = files[leads_to]
            st.page_link(page.file, label=page.title, icon=f":material/{page.icon}:")
    return True


def best_for(run: Run, use: str) -> str:
    return sentences.best_for(run, use, in_bold)


def finds_originals(run: Run) -> str:
    return sentences.originals_finding(run, in_bold)
