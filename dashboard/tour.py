"""A guided tour of five steps for the first visit."""

from __future__ import annotations

import streamlit as st

STEPS = (
    ("Overview", "**Who leads.** The dot is a model's score, the bar its 95 % interval, the dotted line what guessing "
     "gives. A hollow dot cannot be told apart from the best."),
    ("Map", "**What lies together.** Every point is a picture as a model sees it. Rest on a point to see the picture, "
     "draw a lasso to collect some."),
    ("Confusion", "**What is mistaken for what.** Click a cell to see the very pictures."),
    ("Try your images", "**Your turn.** Drop a picture: every model says what was done to it."),
    ("Methods and data", "**How it was measured**, on which photographs, and every table to download."),
)  # fmt: skip


def tour() -> None:
    """Shown until it is closed; it can be called back from the same place."""
    step = st.session_state.setdefault("_tour", 0)
    if step is None:
        if st.button("Show the tour", icon=":material/explore:", type="tertiary", key="tour-again"):
            st.session_state["_tour"] = 0
            st.rerun()
        return
    page, words = STEPS[step]
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="tour"):
        st.markdown(f"**{step + 1} of {len(STEPS)} · {page}** — {words}", width="stretch")
        if step + 1 < len(STEPS) and st.button("Next", key="tour-next"):
            st.session_state["_tour"] = step + 1
            st.rerun()
        if st.button("Close the tour", key="tour-close", type="tertiary"):
            st.session_state["_tour"] = None
            st.rerun()
