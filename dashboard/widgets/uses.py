"""The uses of an embedding: for each the best model of a run, a card a use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from dashboard.data import cache
from dashboard.text import PAGES, plain
from probing_core.results import Run, sentences
from probing_core.results.retrieval import USES

LEADS_TO = {"duplicates": ("Retrieval",), "content": ("Retrieval",), "altered": ("Retrieval", "Scan")}
"""Use -> pages that go on with it."""


def show_cards(run: Run, pages: Mapping[str, Sequence[str]] = LEADS_TO) -> bool:
    """Show a card for each use, with the best model of ``run`` and those that are not distinguished from it.

    Args:
        pages: use -> pages that its card leads to.

    Returns:
        Whether the run has measured any use; else nothing is shown.
    """
    words = {use: cache.computed(run, best_for, use) for use in USES}
    if not any(words.values()):
        return False
    files = {page.title: page for under in PAGES.values() for page in under}
    for column, (use, about) in zip(st.columns(len(USES)), USES.items(), strict=True):
        with column, st.container(border=True, height="stretch", gap="small"):
            st.markdown(f"**{about.title}**")
            st.markdown(words[use].replace(" %", "\N{NO-BREAK SPACE}%") or "Not measured in this run.")
            for title in pages.get(use, ()):
                st.page_link(files[title].file, label=title, icon=f":material/{files[title].icon}:")
    return True


def best_for(run: Run, use: str) -> str:
    """Return `sentences.best_for` with the names of models in bold."""
    return sentences.best_for(run, use, lambda name: f"**{plain(name)}**")
